"""What the project promises about its dependencies."""

import json
import os
import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
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


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """The wheel of this repository, built without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--wheel-dir", str(folder), str(ROOT)], check=True, capture_output=True)
    (path,) = folder.glob("spic-*.whl")
    return path


def test_the_wheel_carries_weights_and_code_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    manifest = json.loads((ROOT / "spic" / "weights" / "manifest.json").read_text())
    for entry in manifest.values():
        stem = entry["file"].removesuffix(".safetensors")
        assert {f"spic/weights/{stem}.safetensors", f"spic/weights/{stem}.json"} <= set(names), stem
    assert "spic/weights/manifest.json" in names
    sources = {str(path.relative_to(ROOT)) for end in ("py", "j2") for path in ROOT.glob(f"spic/**/*.{end}")}
    assert sources <= set(names)
    assert all(name.split("/")[0] == "spic" or ".dist-info/" in name for name in names)
    assert wheel.stat().st_size < 100e6


def there_and_back(python, folder, installed):
    """Encode and decode one picture by the `spic` of another environment, from another folder, by shipped weights."""
    from spic.datasets import get_dataset
    from spic.pictures.reading import read_picture, write_png

    write_png(folder / "street.png", get_dataset("street_scenes", size=(64, 128)).picture(0))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}

    def run(*arguments):
        command = [str(python), *arguments]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = run("-c", "import spic; print(spic.__file__)").strip()
    assert Path(where).is_relative_to(installed) and not Path(where).is_relative_to(ROOT / "spic")
    options = ["--device", "cpu", "--dtype", "float32", "--threads", "1"]
    run("-m", "spic.cli", "encode", "street.png", "--ssm-codec", "png", *options)
    run("-m", "spic.cli", "decode", "street.spic", "-o", "back.png", *options)
    assert read_picture(folder / "back.png").shape == (64, 128, 3)
    assert "verified" in run("-m", "spic.cli", "weights", "list")
    assert "jpeg2000" in run("-m", "spic.cli", "codec", "list")


def test_the_wheel_works_from_another_folder(wheel, tmp_path):
    """In an environment of its own; the dependencies are lent by this one, whose own spic stays out."""
    venv.create(tmp_path / "venv")
    scheme = {"base": str(tmp_path / "venv"), "platbase": str(tmp_path / "venv")}
    site = Path(sysconfig.get_path("purelib", scheme="venv", vars=scheme))
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(site)]
    subprocess.run([*command, str(wheel)], check=True, capture_output=True)
    (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (tmp_path / "elsewhere").mkdir()
    there_and_back(tmp_path / "venv" / "bin" / "python", tmp_path / "elsewhere", site)


@pytest.mark.slow
def test_the_wheel_installs_into_an_empty_environment(wheel, tmp_path):
    """With the constraints, as a user does; needs a package index."""
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    command = [str(python), "-m", "pip", "install", "--quiet", "--constraint", str(ROOT / "constraints.txt")]
    subprocess.run([*command, str(wheel)], check=True)
    (tmp_path / "elsewhere").mkdir()
    there_and_back(python, tmp_path / "elsewhere", tmp_path / "venv")
