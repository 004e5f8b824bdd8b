"""What the project promises about its dependencies."""

import re
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROMISED = ["snakemake", "torch", "numpy", "pandas", "pillow", "imagecodecs", "pytorch-fid", "seaborn"]
MODULES = {"pillow": "PIL", "pytorch-fid": "pytorch_fid"}


def pins(text: str) -> dict[str, str]:
    found = re.findall(r"^[ -]*([A-Za-z0-9_.-]+)(?:\[\w+\])?==([^\s]+)", text, flags=re.MULTILINE)
    return {name.lower().replace("_", "-"): version for name, version in found}


@pytest.mark.parametrize("name", PROMISED)
def test_promised_packages_are_dependencies_and_are_used(name):
    declared = {re.match(r"[A-Za-z0-9-]+", line)[0].lower() for line in requires("spic") if "extra ==" not in line}
    assert name in declared
    module = MODULES.get(name, name)
    sources = [*ROOT.glob("spic/**/*.py"), *ROOT.glob("scripts/*.py"), ROOT / "Snakefile"]
    pattern = re.compile(rf"^\s*(import|from) {module}\b", flags=re.MULTILINE)
    assert any(pattern.search(path.read_text()) for path in sources)


def test_environment_pins_are_the_constraints():
    constraints = pins((ROOT / "constraints.txt").read_text())
    assert constraints["torch"] == "2.13.0" and constraints["torchvision"] == "0.28.0"
    for path in (ROOT / "envs").glob("*.yaml"):
        pinned = pins(path.read_text().split("pip:")[1])
        assert pinned and pinned.items() <= constraints.items(), path.name


def test_environment_holds_every_dependency():
    pinned = pins((ROOT / "envs" / "spic.yaml").read_text().split("pip:")[1])
    declared = {re.match(r"[A-Za-z0-9-]+", line)[0].lower() for line in requires("spic") if "extra ==" not in line}
    assert declared == set(pinned)


def test_import_is_light():
    code = "import sys, spic; print(sorted({'torch', 'av', 'numba', 'matplotlib', 'pandas'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_fresh_clone_has_what_people_look_for():
    for name in ("Snakefile", "rules", "envs", "scripts", "spic", "results", "tests", "config.yaml", "README.md"):
        assert (ROOT / name).exists(), name
    tracked = subprocess.run(["git", "ls-files", "results"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode == 0:
        assert "results/README.md" in tracked.stdout
