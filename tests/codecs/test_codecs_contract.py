"""The contract of codecs: kept by all built-in ones, and its checks find what breaks it."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from spic.cli import app
from spic.codecs import Codec, codec_names, get_codec
from spic.codecs.base import check_array, check_bytes, check_size
from spic.codecs.contract import CHECKS, check_codec
from spic.errors import BitstreamError

ROOT = Path(__file__).resolve().parents[2]
OURS = [name for name in codec_names() if type(get_codec(name)).__module__.startswith("spic.")]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", OURS)
def test_every_codec_of_ours_keeps_it(name, check):
    check(get_codec(name))


class Raw(Codec):
    """Height and width in a byte each, then the labels."""

    name, kind, extension = "raw", "label", "raw"

    def encode(self, image):
        image = check_array(image, (), labels=True)
        return bytes(image.shape) + image.tobytes()

    def decode(self, data):
        data = check_bytes(data)
        if len(data) < 2 or len(data) != 2 + data[0] * data[1]:
            raise BitstreamError("raw: cut")
        check_size(data[1], data[0], "raw")
        return np.frombuffer(data[2:], np.uint8).reshape(tuple(data[:2]))


class Scaled(Raw):
    name, quality_name, quality_range = "scaled", "step", (1, 2, 1)

    def encode(self, image, step=1):
        return super().encode(image)


def changed(base=Raw, **methods):
    return type("Changed", (base,), methods)()


class Counting(Raw):
    calls = 0

    def encode(self, image):
        Counting.calls += 1
        return super().encode(np.full_like(image, Counting.calls % 200))


class Padding(Raw):
    def decode(self, data):
        data = check_bytes(data)
        if len(data) < 2 or not data[0]:
            raise BitstreamError("raw: cut")
        return super().decode((data + bytes(600))[: 2 + data[0] * data[1]])


BROKEN = {
    "extension": (changed(extension=".raw"), "letters and digits"),
    "kind": (changed(kind="labels"), "none of label, picture, both"),
    "versions": (changed(versions=lambda self: {"code": 1}), "versions"),
    "values": (changed(encode=lambda self, image: Raw.encode(self, image // 2)), "other values"),
    "shape": (changed(decode=lambda self, data: Raw.decode(self, data).T), "comes back as"),
    "state": (Counting(), "the second time"),
    "array": (changed(encode=lambda self, image: Raw.encode(self, np.negative(image, out=image))), "read-only"),
    "quality": (changed(Scaled), "bytes each"),
    "anything goes": (changed(encode=lambda self, image: Raw.encode(self, np.zeros((1, 1), np.uint8))), "taken"),
    "IndexError": (changed(decode=lambda self, data: Raw.decode(self, data) if data[0] else None), "IndexError"),
    "cut": (Padding(), "half a file: taken"),
    "limit": (
        changed(decode=lambda self, data: np.frombuffer(data[2:], np.uint8).reshape(tuple(data[:2]))),
        "more pixels than at_most allows: taken",
    ),
}


def test_a_small_codec_keeps_it():
    assert [problem for _, problem in check_codec(Raw())] == [""] * len(CHECKS)


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_found(name):
    codec, message = BROKEN[name]
    problems = [problem for _, problem in check_codec(codec)]
    assert any(message in problem for problem in problems), problems


@pytest.mark.parametrize(("page", "codec"), [("extending.md", "PosterizeCodec"), ("tutorial.md", "BlocksCodec")])
def test_the_codecs_of_the_docs_keep_it(page, codec):
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    (code,) = (code for code in re.findall(r"^```python\n(.*?)^```$", text, re.S | re.M) if f"class {codec}" in code)
    names = {}
    exec(code, names)
    assert [problem for _, problem in check_codec(names[codec]())] == [""] * len(CHECKS)


@pytest.mark.parametrize(
    ("name", "status", "says"),
    [
        ("png", 0, ""),
        ("own_codec:Mine", 1, "own_codec:Mine: 1 of the checks failed; docs/extending.md says"),
        ("own_codec:Nobody", 1, "own_codec:Nobody cannot be loaded: AttributeError"),
        ("broken_codec:Mine", 1, "broken_codec:Mine cannot be loaded: ZeroDivisionError"),
        ("heic", 1, "unknown codec 'heic'"),
    ],
)
def test_the_command(name, status, says, tmp_path, monkeypatch):
    (tmp_path / "own_codec.py").write_text(
        "from spic.codecs.png import PngCodec\n\n\nclass Mine(PngCodec):\n    extension = '.png'\n"
    )
    (tmp_path / "broken_codec.py").write_text("1 / 0")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*sys.path])
    result = CliRunner().invoke(app, ["codec", "test", name])
    lines = result.output.splitlines()
    assert result.exit_code == status and says in result.output
    checks = [line.split()[0] for line in lines if not line.startswith("spic: ")]
    assert checks in ([], ["ok"] * len(CHECKS), ["failed"] + ["ok"] * (len(CHECKS) - 1))
    assert bool(checks) == ("checks" in says or not says) and "Traceback" not in result.output
