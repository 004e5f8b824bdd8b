"""`spic codec encode --cross-check`: reference tools on PATH, here scripts that stand for them."""

import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from spic.cli import app
from spic.pictures.reading import write_png

# A stand-in: reads and writes by our own codec, and on request one pixel off or not at all.
TOOL = """#!{python}
import sys
import numpy as np
from PIL import Image
from spic.codecs import get_codec
arguments = sys.argv[1:]
mode = {mode!r}
if mode == "fails":
    sys.exit("out of paper")
codec = get_codec({codec!r})
source, target = (arguments[-1], arguments[arguments.index("-o") + 1]) if "-o" in arguments else arguments[-2:]
if source.endswith(".png"):
    quality = {{"qp": int(arguments[arguments.index("-q") + 1])}} if "-q" in arguments else {{}}
    open(target, "wb").write(codec.encode(np.array(Image.open(source)), **quality))
else:
    image = codec.decode(open(source, "rb").read()).copy()
    image[0, 0] ^= mode == "differs"
    Image.fromarray(image).save(target)
"""


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """Put stand-ins on an otherwise empty PATH: `tools(bpgdec="same", ...)`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def install(**modes):
        for name, mode in modes.items():
            codec = "bpg" if name.startswith("bpg") else "flif"
            (folder / name).write_text(TOOL.format(python=sys.executable, mode=mode, codec=codec))
            (folder / name).chmod(0o755)

    return install


@pytest.fixture
def picture(tmp_path, tiny_scenes):
    write_png(tmp_path / "a.png", tiny_scenes(1, (32, 48)).picture(0))
    return tmp_path / "a.png"


def encode(picture, name="bpg", *options):
    return CliRunner().invoke(
        app, ["codec", "encode", name, str(picture), f"{picture}.{name}", "--cross-check", *options]
    )


def test_both_tools_agree(tools, picture):
    tools(bpgdec="same", bpgenc="same")
    result = encode(picture, "bpg", "--quality", "30")
    assert result.exit_code == 0, result.output
    size = picture.with_name("a.png.bpg").stat().st_size
    assert result.stdout.splitlines()[1:] == [
        "cross-check: bpgdec reads the same 48x32 pixels from our file",
        f"cross-check: bpgenc takes {size} bytes, we {size}; both decoders read the same pixels from its file",
    ]


def test_a_decoder_alone_will_do(tools, picture):
    tools(bpgdec="same")
    assert "bpgenc is not on PATH" in encode(picture).stdout


@pytest.mark.parametrize(
    ("modes", "name", "says"),
    [
        ({}, "bpg", "no bpgdec on PATH (https://bellard.org/bpg)"),
        ({}, "png", "no reference tool for png; there are some for bpg, flif"),
        ({"bpgdec": "differs"}, "bpg", "our file: bpgdec and we differ in 3 of 4608 samples"),
        ({"bpgdec": "fails"}, "bpg", "bpgdec fails on ours.bpg (status 1): out of paper"),
        ({"bpgdec": "same", "bpgenc": "fails"}, "bpg", "bpgenc fails on source.png"),
    ],
    ids=["absent", "none", "differs", "fails", "encoder fails"],
)
def test_disagreement_leaves_no_file(tools, picture, modes, name, says):
    tools(**modes)
    result = encode(picture, name)
    assert result.exit_code == 1 and result.stdout == ""
    assert says in result.stderr and result.stderr.count("\n") == 1
    assert sorted(path.name for path in picture.parent.iterdir()) == ["a.png", "bin"]


def test_label_maps(tools, tmp_path):
    tools(flif="same")
    write_png(tmp_path / "l.png", np.arange(12, dtype=np.uint8).repeat(4).reshape(6, 8))
    result = encode(tmp_path / "l.png", "flif")
    assert result.exit_code == 0, result.output
    assert "flif reads the same 8x6 pixels" in result.stdout and "we " in result.stdout
