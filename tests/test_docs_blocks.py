"""Every fenced block of README and docs is run by a test, or says in its title what it needs; its commands exist."""

import json
import os
import re
import shlex
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import yaml

from spic.bitstream import SpicFile, write_spic

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "config" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
OTHERS = {"awk", "cd", "export", "git", "mkdir", "pip", "sacct", "scancel", "squeue", "torchrun", "unzip"}
# Run by the tests of their own: of a page's blocks these languages.
ELSEWHERE = {"tutorial.md": ("bash", "python", "toml", "yaml"), "extending.md": ("python", "toml", "yaml")}


class Block(NamedTuple):
    page: str
    line: int
    language: str
    title: str
    text: str

    def __str__(self):
        return f"{self.page}:{self.line}"


def find(path: Path) -> list[Block]:
    text, found = path.read_text(encoding="utf-8"), []
    for match in re.finditer(r"^( *)```(.*)\n((?:.*\n)*?)\1```$", text, re.M):
        language, _, title = match[2].partition(" ")
        line = text.count("\n", 0, match.start()) + 1
        found.append(Block(path.name, line, language, title, textwrap.dedent(match[3])))
    return found


BLOCKS = [block for page in PAGES for block in find(page)]
COMMANDS = [block for block in BLOCKS if block.language == "bash"]


def of(*languages: str, needy: bool = False) -> list[Block]:
    """Blocks that are run here: without a title that says what they need, and not run elsewhere."""
    return [
        block
        for block in BLOCKS
        if block.language in languages
        and block.language not in ELSEWHERE.get(block.page, ())
        and block.title.startswith('title="needs ') == needy
    ]


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_every_block_is_of_a_known_kind(block):
    assert block.language in {"bash", "json", "mermaid", "python", "text", "toml", "yaml"}, "what is in it?"
    assert not block.title or re.fullmatch(r'title="(needs \S.*|a Snakefile|a sheet)"', block.title)
    assert block.text.count("```") == 0


def test_what_other_tests_run_is_all_there_is(extending):
    """`extending` has every file of extending.md; the tutorial's test counts on these blocks."""
    for block in BLOCKS:
        if block.page == "extending.md" and block.language in ELSEWHERE[block.page]:
            assert block.text in extending.values() or block in TRIED
    kinds = [block.language for block in BLOCKS if block.page == "tutorial.md"]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {"bash": 4, "python": 4, "yaml": 2, "toml": 1}


# Python: in a folder with the published tables, with these names defined.
LABELS = np.random.default_rng(0).integers(0, 11, (32, 64), dtype=np.uint8).repeat(2, 0).repeat(2, 1)
SPIC = SpicFile((256, 512), (480, 960), "camvid11", "flif", "bpg", "0123abcd", b"S" * 700, b"C" * 900)
GIVEN = {
    "channel.md": {"image": np.zeros((64, 128, 3), np.uint8), "mean_image": np.zeros((64, 128, 3), np.uint8)},
    "python-api.md": {"bits": write_spic(SPIC)},
    "decoder.md": {"ssm": LABELS[None], "coarse": np.zeros((1, 16, 32, 3), np.uint8), "seeds": [7]},
    "extending.md": {"build": lambda device, dtype: None},
    "flif.md": {"labels": LABELS},
    "ssm-coders.md": {"labels": LABELS},
}
TRIED = of("python") + [block for block in BLOCKS if block.page == "extending.md" and "NETWORK = " in block.text]


@pytest.mark.parametrize("block", [block for block in TRIED if "Snakefile" not in block.title], ids=str)
def test_python(block, tmp_path, monkeypatch, published):
    import matplotlib

    matplotlib.use("Agg")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results" / "demo").mkdir(parents=True)
    (tmp_path / "results" / "demo" / "tables").symlink_to(published / "camvid")
    names = {"__name__": "block", **GIVEN.get(block.page, {})}
    exec(compile(block.text, str(block), "exec"), names)
    if block.page in ("flif.md", "ssm-coders.md"):
        assert np.array_equal(names["labels"], LABELS)
    if block.page == "decoder.md":
        assert names["pictures"].shape == (1, 64, 128, 3) and names["pictures"].dtype == np.uint8
    if block.page == "figures.md":
        assert (tmp_path / "figure4a.svg").stat().st_size > 1000


@pytest.mark.parametrize("block", of("json", "toml", "yaml"), ids=str)
def test_settings(block, tmp_path):
    from spic.benchmark.config import read_config
    from spic.scsrdm import config_from_official
    from spic.segmentation.outside.sheet import read_sheet

    if "a sheet" in block.title:
        (tmp_path / "city.yaml").write_text(block.text)
        assert read_sheet(tmp_path / "city.onnx").space.name == "camvid11"
    elif block.language == "yaml":
        read_config(ROOT, [yaml.safe_load(block.text)])
    elif block.language == "toml":
        assert tomllib.loads(block.text)["project"]["entry-points"]
    else:
        assert config_from_official(json.loads(block.text)["official"])


def commands(block: Block) -> list[list[str]]:
    """The command lines of a block as words, without comments, redirections and what stands before the program."""
    found = []
    for line in block.text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        for mark in ("<", ">"):
            while mark in words:
                del words[words.index(mark) : words.index(mark) + 2]
        for one in "\0".join(words).split("\0&&\0"):
            words = [word for word in one.split("\0") if word]
            while words and re.match(r"[A-Z_]+=", words[0]):
                words.pop(0)
            if words:
                found.append([words[0].rpartition("/")[2], *words[1:]])
    return found


def options(words: list[str]) -> set[str]:
    return {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}


def spic_options(words: list[str]) -> set[str]:
    """Options that a call of `spic` may have."""
    import typer

    from spic.cli import app

    command = typer.main.get_command(app)
    for word in words:
        if not hasattr(command, "commands"):
            break
        command = command.commands[word]  # KeyError: no such command
    if command.name == "run":
        return snakemake_options()
    return {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}


def snakemake_options() -> set[str]:
    from snakemake.cli import get_argument_parser

    return {option for action in get_argument_parser()._actions for option in action.option_strings}


@pytest.mark.parametrize("block", COMMANDS, ids=str)
def test_commands_and_their_options_exist(block, monkeypatch):
    monkeypatch.setattr("sys.argv", ["snakemake"])
    for program, *words in commands(block):
        if program in ("python", "python3") and words[0] == "-m":
            words = words[1:]
            source = (ROOT / words[0].replace(".", "/")).with_suffix(".py").read_text()
        elif program in ("python", "python3") and words[0] != "-c":
            source = (ROOT / words[0]).read_text()
        elif program == "make":
            assert re.search(rf"^(## )?{words[0].replace('.venv', '.*')}\b", (ROOT / "Makefile").read_text(), re.M)
            continue
        elif program in ("spic", "snakemake"):
            known = spic_options(words) if program == "spic" else snakemake_options()
            assert options(words) <= known, words
            continue
        else:
            assert program in OTHERS | {"python"}, "a program that no test knows"
            continue
        assert all(f'"{option}"' in source for option in options(words)), words


@pytest.mark.slow
@pytest.mark.parametrize("block", of("bash"), ids=str)
def test_shell(block, tmp_path, extras):
    """In a folder with street.png and photos/, line by line as it stands there."""
    from spic.datasets import get_dataset
    from spic.pictures.reading import write_png

    street = get_dataset("street_scenes").picture(0)
    (tmp_path / "photos").mkdir()
    for name in ("street.png", "photos/one.png"):
        write_png(tmp_path / name, street)
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "spic").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m spic.cli "$@"\n')
    (programs / "spic").chmod(0o755)
    path = os.pathsep.join([str(programs), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": os.pathsep.join([str(ROOT), str(extras)])}
    shell = {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True}
    done = subprocess.run(["bash", "-e"], input=block.text, **shell)
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.iterdir())) > 4  # it made something


def test_these_blocks_are_run_here():
    assert {block.page for block in of("bash")} >= {"README.md", "cli.md", "extending.md"}
    assert {block.page for block in TRIED} >= {"decoder.md", "figures.md", "flif.md", "segmenters.md", "ssm-coders.md"}
