"""What users feed in by mistake: one line with file and reason, exit status 1, and nothing half-written."""

import io
import resource
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from spic import weights
from spic.cli import app
from spic.datasets import get_dataset
from spic.errors import ConfigError, DataError, WeightsError
from spic.files import write_bytes
from spic.pictures.labels import CAMVID11
from spic.pictures.reading import read_labels, read_picture, write_png

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)


def saved(image, kind="PNG", **options) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def spic(*arguments, **options):
    """Run the command in a process of its own: warnings of libraries are seen as a user sees them."""
    command = [sys.executable, "-m", "spic.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, **options)


def check_one_line(done, path, reason):
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith(f"spic: {path}: ") and done.stderr.count("\n") == 1, done.stderr
    assert reason in done.stderr


# pictures that are none


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda png: b"", "not a readable picture"),
        (lambda png: b"This is no picture.\n", "not a readable picture"),
        (lambda png: png[: len(png) // 2], "not a readable picture"),
        (lambda png: png[:30], "not a readable picture"),
        (None, "10000x10000 is more than"),
    ],
    ids=["empty", "text", "truncated", "header only", "huge"],
)
def test_what_is_no_picture(make, reason, pixels, tmp_path):
    path = tmp_path / "Straße bei Nacht.png"
    if make is None:
        Image.new("1", (10000, 10000)).save(path)
    else:
        path.write_bytes(make(saved(Image.fromarray(pixels))))
    check_one_line(spic("codec", "encode", "webp", path, tmp_path / "out.webp"), path, reason)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    with pytest.raises(DataError, match=r"Straße bei Nacht\.png: "):
        get_dataset("folder", tmp_path).picture(0)


def test_a_cut_jpeg_is_not_padded_with_gray(pixels, tmp_path):
    path = tmp_path / "cut.jpg"
    data = saved(Image.fromarray(pixels), "JPEG")
    path.write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(DataError, match=r"cut\.jpg: not a readable picture"):
        read_picture(path)


def test_missing_files_and_folders(tmp_path):
    for path in (tmp_path / "nöne.png", tmp_path):
        result = CliRunner().invoke(app, ["codec", "encode", "webp", str(path), str(tmp_path / "o.webp")])
        assert result.exit_code == 1 and result.stderr.startswith(f"spic: {path}: ") and result.stderr.count("\n") == 1


# pictures of other kinds, which are taken


def kinds(pixels):
    """Name to file and to the picture that it is."""
    image = Image.fromarray(pixels)
    gray = pixels[..., 0]
    alpha = Image.fromarray(np.dstack([pixels, gray]))
    palette = image.quantize(16)
    wide = gray.astype(np.uint16) * 257
    turned = Image.Exif()
    turned[0x0112] = 6  # to be shown a quarter turn to the right
    repeated = np.repeat(gray[..., None], 3, 2)
    return {
        "gray": (saved(Image.fromarray(gray)), repeated),
        "16 bits": (saved(Image.fromarray(wide)), repeated),
        "16 bits TIFF": (saved(Image.fromarray(wide), "TIFF"), repeated),
        "RGBA": (saved(alpha), pixels),
        "gray and alpha": (saved(alpha.convert("LA")), np.asarray(alpha.convert("LA").convert("RGB"))),
        "palette": (saved(palette), np.asarray(palette.convert("RGB"))),
        "palette with transparency": (saved(palette, transparency=0), np.asarray(palette.convert("RGB"))),
        "bilevel": (saved(image.convert("1")), np.asarray(image.convert("1").convert("RGB"))),
        "CMYK": (saved(image.convert("CMYK"), "TIFF"), np.asarray(image.convert("CMYK").convert("RGB"))),
        "EXIF": (saved(image, exif=turned), np.rot90(pixels, -1)),
        "1x1": (saved(Image.fromarray(pixels[:1, :1])), pixels[:1, :1]),
        "odd": (saved(Image.fromarray(pixels[:37, :53])), pixels[:37, :53]),
    }


@pytest.mark.parametrize("kind", list(kinds(np.zeros((2, 2, 3), np.uint8))))
def test_pictures_of_every_kind(kind, pixels, tmp_path):
    data, expected = kinds(pixels)[kind]
    path = tmp_path / f"Bild {kind} ä.tif"  # the content decides, not the suffix
    path.write_bytes(data)
    assert np.array_equal(read_picture(path), expected)
    assert get_dataset("folder", tmp_path).picture(0).shape == (256, 512, 3)
    coded, back = tmp_path / "süß.webp", tmp_path / "zurück 1.png"
    for command in (["encode", "webp", path, coded], ["decode", "webp", coded, back]):
        result = CliRunner().invoke(app, ["codec", *map(str, command)])
        assert result.exit_code == 0, result.output
    assert read_picture(back).shape == expected.shape


def test_samples_without_a_scale_are_refused(pixels, tmp_path):
    path = tmp_path / "float.tif"
    Image.fromarray(pixels[..., 0].astype(np.float32)).save(path)
    with pytest.raises(DataError, match=r"float\.tif: .*floating-point"):
        read_picture(path)


# label maps, settings, weights


def test_label_maps_with_ids_outside_their_space(tmp_path):
    write_png(tmp_path / "train" / "a.png", np.zeros((6, 8, 3), np.uint8))
    path = tmp_path / "trainannot" / "a.png"
    write_png(path, np.full((6, 8), 200, np.uint8))
    with pytest.raises(DataError, match=rf"^{path}: id 200 is not in label space camvid11$"):
        get_dataset("camvid", tmp_path, "train").labels(0)
    with pytest.raises(DataError, match=rf"^{path}: id 200"):
        CAMVID11.check(read_labels(path), str(path))


@pytest.mark.workflow
@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ("colour: blue", "config: $: Additional properties are not allowed ('colour' was unexpected)"),
        ("torch_threads: 0", "config: $.torch_threads: 0 is less than the minimum of 1"),
        ("dataset: kitti", "config: unknown data set 'kitti'; known: camvid, cityscapes, folder"),
        ("methods: {bpg: {qp: [high]}}", "config: $.methods.bpg.qp[0]: 'high' is not of type 'number'"),
        ("methods: {webp: {qp: [30]}}", "config: method webp is set by 'quality', not 'qp'"),
        ("ssm_codec: bpg", "config: ssm_codec 'bpg' does not code label maps"),
    ],
)
def test_misspelt_and_wrong_settings(settings, says, tmp_path):
    (tmp_path / "own.yaml").write_text(settings)
    command = ["--snakefile", ROOT / "Snakefile", "--directory", tmp_path, "--cores", "1", "--nocolor", "--dry-run"]
    command = [sys.executable, "-m", "snakemake", *map(str, command), "--configfile", str(tmp_path / "own.yaml")]
    done = subprocess.run(command, capture_output=True, text=True)
    said = done.stdout + done.stderr
    assert done.returncode == 1 and not (tmp_path / "results").exists()
    assert f"\n{says}" in f"\n{said}" and said.count("\n") < 9, said


def test_weights_with_a_wrong_hash(tiny_segmenter, tmp_path):
    for path in weights.weight_paths(tiny_segmenter):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    tensors = weights.weight_paths(tmp_path / tiny_segmenter.name)[0]
    tensors.write_bytes(tensors.read_bytes()[:-1] + b"\0")
    write_png(tmp_path / "a.png", np.zeros((8, 8, 3), np.uint8))
    command = ["segment", tmp_path / "a.png", tmp_path / "map.png", "--weights", tensors, "--device", "cpu"]
    result = CliRunner().invoke(app, [str(part) for part in command])
    assert result.exit_code == 1 and result.stderr.count("\n") == 1
    assert result.stderr.startswith(f"spic: {tensors} is not the file") and "hash differs" in result.stderr
    assert not (tmp_path / "map.png").exists()


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "a b", "x\n", "ü"])
def test_names_of_shipped_weights_stay_in_their_folder(name, tiny_segmenter, tmp_path):
    with pytest.raises(ConfigError, match="not a plain name"):
        weights.register(name, tiny_segmenter, tmp_path / "ship")
    assert not list(tmp_path.iterdir())


# a full disk: a limit on the size of files stands for it


@contextmanager
def full_disk():
    """Files can not grow beyond 2000 bytes; no fixture, because pytest's own report may go to a larger file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def _limited():
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))


def test_a_full_disk_leaves_what_was_there(pixels, tmp_path):
    write_png(tmp_path / "a.png", pixels)
    (tmp_path / "b.png").write_bytes(b"old")
    before = sorted(tmp_path.iterdir())
    done = spic("codec", "encode", "png", tmp_path / "a.png", tmp_path / "b.png", "--force", preexec_fn=_limited)
    check_one_line(done, tmp_path / "b.png", "File too large")
    assert sorted(tmp_path.iterdir()) == before and (tmp_path / "b.png").read_bytes() == b"old"


def test_writers_on_a_full_disk(pixels, tmp_path):
    import torch

    for write in (
        lambda: write_bytes(tmp_path / "a", bytes(5000)),
        lambda: write_png(tmp_path / "a.png", pixels),
    ):
        with pytest.raises(OSError), full_disk():
            write()
    with pytest.raises((OSError, WeightsError)), full_disk():
        weights.write_weights(tmp_path / "w", {"x": torch.zeros(5000)}, {})
    assert not list(tmp_path.iterdir())
