"""Every setting that README, docs and config comments offer can be set: the examples are taken from these texts."""

import inspect
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from spic.benchmark.checks import check_methods, check_points
from spic.benchmark.config import load, read_config
from spic.benchmark.plan import Plan

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
CONFIGS = [ROOT / "config.yaml", *sorted((ROOT / "config").glob("*.yaml"))]
SCHEMA = load(ROOT / "config" / "schema.yaml")
KEYS = SCHEMA["properties"].keys()
SEEN = set()  # points that were tried
OF_OTHERS = {"posterize", "blocks", "thumbnail"}  # codecs that the docs' own packages bring


def comments(path: Path) -> str:
    """Comments of a YAML file, without their signs."""
    return "\n".join(line.lstrip("# ") for line in path.read_text().splitlines() if line.startswith("#"))


TEXTS = {path.name: path.read_text(encoding="utf-8") for path in PAGES}
TEXTS |= {path.name: comments(path) for path in CONFIGS}


def commands() -> list[list[str]]:
    """Arguments of the calls of `spic run` and `snakemake` that name a config file or a setting."""
    found = []
    for text in TEXTS.values():
        text = text.replace("\\\n", " ")
        for call in re.findall(r"(?:^ *|`)(?:spic run|snakemake) ([^`\n]+)", text, re.M):
            if "--config" in call:
                found.append([word for word in shlex.split(call) if word != "..."])
    return [list(call) for call in dict.fromkeys(map(tuple, found))]


def given(words: list[str]) -> tuple[list[str], list[str]]:
    """Config files and settings among the arguments of a call."""
    found, option = {"--configfile": [], "--config": []}, None
    for word in words:
        option = word if word.startswith("-") else option
        if option in found and word != option:
            found[option].append(word)
    return found["--configfile"], found["--config"]


def offered() -> list[tuple[str, str]]:
    """Pairs of key and value that a text offers, `key: value` as code or key=value anywhere, "..." put into words."""
    nested = r"\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\}"
    pairs = set()
    for text in TEXTS.values():
        code = re.findall(r"`([^`\n]+)`", text) + re.findall(rf"^ *((?:{'|'.join(KEYS)}): .*)$", text, re.M)
        found = [pair for line in code for pair in re.findall(rf"(\w+): ({nested}|\[.*?\]|[^\s,;}}]+)", line)]
        found += re.findall(rf"\b(\w+)=({nested}|\[.*?\]|[^\s,;`')]+)", text)
        pairs |= {(key, value.replace(", ...", "").replace("...", "x")) for key, value in found if key in KEYS}
    return sorted(pairs)


@pytest.fixture
def files(tmp_path):
    """Where the docs' own overlays lie: what they are is taken from the docs."""
    tutorial, extending, paper = (TEXTS[f"{page}.md"] for page in ("tutorial", "extending", "reproduce-paper"))
    (tmp_path / "mine.yaml").write_text("".join(re.findall(r"^```yaml\n(.*?)^```$", tutorial, re.S | re.M)))
    (tmp_path / "shapes.yaml").write_text(re.search(r"^```yaml\n(.*?)^```$", extending, re.S | re.M)[1])
    (tmp_path / "codecs.yaml").write_text(re.search(r"^```yaml\n(run: codecs\n.*?)^```$", paper, re.S | re.M)[1])
    return lambda name: tmp_path / name if (tmp_path / name).exists() else ROOT / name


def check(config: dict) -> None:
    """What can be checked of an example without its data set, its weights and its packages."""
    methods = {name: points for name, points in config["methods"].items() if name not in OF_OTHERS}
    config |= {"dataset": "street_scenes", "dataset_root": None, "decoder_weights": None, "methods": methods}
    config |= {"segmenter": "street", "method_options": {}} if config["segmenter"] == "nearest-colour" else {}
    if methods:
        check_methods(Plan(config))
    for name, points in methods.items():
        example = json.dumps([config["coarse_codec"], name, points])
        if example not in SEEN:
            check_points(Plan(config | {"methods": {name: points}}))
            SEEN.add(example)


def test_the_texts_have_examples():
    assert len(commands()) > 8 and len(offered()) > 25
    assert {("chunk_size", "null"), ("judge", "null"), ("coarse_codec", "lossless"), ("keep", "scores")} <= set(
        offered()
    )


@pytest.mark.parametrize("words", commands(), ids=str)
def test_every_command_has_settings_that_work(words, files):
    overlays, settings = given(words)
    check(read_config(ROOT, map(files, overlays), settings))


@pytest.mark.parametrize(("key", "text"), offered(), ids=str)
def test_whatever_is_offered_can_be_set_by_an_overlay_and_by_config(key, text, tmp_path):
    (tmp_path / "overlay.yaml").write_text(f"{key}: {text}")
    by_file, by_setting = (
        read_config(ROOT, [tmp_path / "overlay.yaml"]),
        read_config(ROOT, settings=[f"{key}={text}"]),
    )
    assert by_file == by_setting
    wanted = yaml.safe_load(text)
    assert isinstance(wanted, dict) or by_file[key] == wanted


def test_every_coarse_codec_of_the_docs_goes_with_the_points_that_the_docs_name():
    from spic.codecs import get_codec

    names = re.search(r"^`coarse_codec`: (.*)\.$", TEXTS["methods.md"], re.M)[1]
    names = re.findall(r"`([\w-]+)`", names)
    assert {"jpeg", "avif", "lossless"} <= set(names)
    documented = re.search(r"after its setting \(([^)]*)\)", TEXTS["extending.md"])[1]
    for name in names:
        quality = None if name == "lossless" else get_codec(name).quality_name
        if quality is None:
            parameter, value = "coarse_factor", 4
        else:
            parameter = f"coarse_{quality}"
            value = inspect.signature(get_codec(name).encode).parameters[quality].default
        assert quality is None or f"`{parameter}`" in documented, name
        points = {parameter: [value]}
        check(
            read_config(
                ROOT, settings=[f"coarse_codec={name}", f"methods={json.dumps({'spic': points, 'upsampled': points})}"]
            )
        )


@pytest.mark.parametrize("path", [path for path in CONFIGS if path.name != "schema.yaml"], ids=lambda path: path.name)
def test_every_overlay_is_complete(path):
    check(read_config(ROOT, [path]))


@pytest.mark.workflow
def test_snakemake_plans_by_overlay_and_config(tmp_path):
    (tmp_path / "jpeg.yaml").write_text("coarse_codec: jpeg\nmethods: {spic: {coarse_quality: [30]}, upsampled: null}")
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--directory", tmp_path, "--configfile"]
    command += [
        "config/smoke.yaml",
        tmp_path / "jpeg.yaml",
        "--config",
        "judge=null",
        "limit=4",
        "chunk_size=null",
        "run=007",
    ]
    done = subprocess.run(list(map(str, command)), cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "results/007/spic/coarse_quality30/0000/coded" in done.stdout
    assert "coarse_qp" not in done.stdout and "recall_by_size" not in done.stdout
