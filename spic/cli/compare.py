"""`spic compare`: every method on a few images, at one rate."""

from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

import spic
from spic.cli import files
from spic.cli.common import Device, Dtype, Force, Json, Segmenter, Threads, complain, report
from spic.cli.transceive import DecoderWeights, Pictures, SegmenterWeights
from spic.errors import ConfigError, SpicError, about
from spic.files import IMAGES, spelled
from spic.machine import Machine, set_threads

# and their widths in the lines for people
_COLUMNS = {"picture": 16, "method": 12, "setting": 8, "bpp": 7, "miou": 7, "psnr": 8, "status": 4}


def compare(
    inputs: Pictures,
    bpp: Annotated[float, typer.Option(help="Rate of all methods, in bits per pixel.")] = 0.16,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="Folder to write.")] = Path(
        "spic-compare"
    ),
    method: Annotated[list[str] | None, typer.Option(help="Method to compare instead of all; repeatable.")] = None,
    segmenter: Segmenter = "street",
    segmenter_weights: SegmenterWeights = None,
    decoder_weights: DecoderWeights = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    threads: Threads = None,
    force: Force = False,
    as_json: Json = False,
):
    """Code images by every method at one rate; writes images, compare.csv and index.html to FOLDER.

    Images are compared at working size. mIoU is that of the decoded image's segmentation with the original's.
    """
    if not 0 < bpp <= 24:
        raise ConfigError(f"--bpp {bpp}: expected a rate above 0, at most 24")
    sources = files.find_sources(inputs, IMAGES, beside=(".spic",))
    files.check_distinct(sources, [output / files.stem(source) for source in sources])
    files.check_target(output / "index.html", force)
    import pandas as pd

    from spic.benchmark.method import Picture, Settings
    from spic.benchmark.methods import get_method, method_names
    from spic.metrics import miou_of_maps, psnr
    from spic.pictures.sizes import downscale
    from spic.report.comparison import BASELINES
    from spic.report.figures.style import label_of
    from spic.report.pages.gallery import COARSE, ORIGINAL, SSM, enlarged, entry, under

    settings = Settings(decoder_weights=decoder_weights, machine=Machine(device, dtype))
    methods = {name: get_method(name, settings) for name in method or method_names()}
    methods = {name: coder for name, coder in methods.items() if method or _comparable(coder)}
    transmitter = spic.Transmitter(segmenter, segmenter_weights, decoder_weights, device=device, dtype=dtype)
    set_threads(threads)
    rows, entries = [], []

    def work(source):
        prepared = transmitter.prepare(files.read_picture_from(source))
        name = files.stem(source)
        space, shown, missing = transmitter.label_space, [], []

        def show(label, pixels, numbers, stem):
            files.write_picture_to(output / f"{name}.{stem}.png", pixels)
            shown.append((label, quote(f"{name}.{stem}.png", errors="surrogateescape"), numbers))

        show(ORIGINAL, prepared.pixels, {}, "original")
        show(SSM, space.colorize(prepared.ssm), {}, "ssm")
        show(COARSE, enlarged(downscale(prepared.pixels), prepared.ssm.shape), {}, "coarse")
        for method_name, coder in methods.items():
            (setting, rate, status), decoded = at_rate(method_name, coder, Picture(prepared.pixels, prepared.ssm), bpp)
            row = {"picture": name, "method": method_name, "setting": setting, "bpp": rate, "status": status}
            if decoded is not None:
                row["miou"] = miou_of_maps(prepared.ssm, transmitter.segmenter.segment(decoded[None])[0], space)
                row["psnr"] = psnr(prepared.pixels, decoded)
                show(label_of(method_name), decoded, {"setting": _text(setting), **under(row)}, method_name)
            else:
                reached = f" ({rate:.3f} bpp is the nearest it reaches)" if rate else ""
                missing.append(f"{method_name}: {status}{reached}")
            rows.append({column: row.get(column) for column in _COLUMNS})
            report(rows[-1], "  ".join(f"{_text(rows[-1][key]):{_COLUMNS[key]}}" for key in _COLUMNS), as_json)
        entries.append(entry(spelled(name), prepared.pixels.shape[:2], shown, "; ".join(missing)))

    try:
        files.for_each("comparing", sources, work)
    finally:
        if rows:
            table = pd.DataFrame(rows, dtype=object).map(_text).to_csv(index=False, lineterminator="\r\n")
            files.write_bytes_to(output / "compare.csv", spelled(table).encode())
        if entries:
            start = next((label_of(name) for name in BASELINES if name in methods), ORIGINAL), label_of("spic")
            files.write_bytes_to(output / "index.html", _page(bpp, transmitter.label_space, start).render(entries))
    if not as_json:
        typer.echo(spelled(f"{output / 'index.html'}: all of it"))


def _comparable(coder) -> bool:
    """Whether a method can decode single images, and has one setting whose rate can be looked for."""
    usable = not (coder.missing or coder.of_clips) and isinstance(coder.parameter, str)
    return usable and coder.quality_range is not None


def _page(bpp: float, space, start: tuple[str, str]):
    from spic.report.pages.gallery import Page

    return Page(
        title=f"Every method at {bpp} bits per pixel",
        notes=f"Each picture by each method at the setting whose rate is nearest to {bpp} bpp. mIoU compares the "
        "segmentations of the original and of the decoded picture. The coarse picture is shown before it is coded.",
        start=start,
        legend=tuple(zip(space.classes, space.palette, strict=True)),
    )


def at_rate(name: str, coder, picture, bpp: float) -> tuple:
    """Code and decode at the setting whose rate is nearest to `bpp`, in bits per pixel of all payloads.

    Returns a `spic.metrics.Match` and the decoded image, None where the rate is out of reach or the method fails.
    """
    from spic.metrics.matching import Match, find_quality

    coded, pixels = {}, picture.pixels.shape[0] * picture.pixels.shape[1]

    def rate_of(setting):
        coded[setting] = coder.encode(picture, setting)
        return 8 * sum(size for part, size in coder.sizes(coded[setting]).items() if part != "file") / pixels

    if coder.quality_range is None:
        names = [coder.parameter] if isinstance(coder.parameter, str) else coder.parameter
        return Match(None, None, f"no quality_range of {' and '.join(names)}"), None
    try:
        with about(name):
            found = find_quality(coder.parameter, coder.quality_range, rate_of, bpp)
            return found, None if found.setting is None else coder.decode([coded[found.setting]], ["picture"])[0]
    except SpicError as error:
        complain(error)
        # of JPEG 2000 the headers alone may take more
        return Match(None, None, "unreachable" if isinstance(error, ConfigError) else "failed"), None


def _text(value) -> str:
    return "" if value is None or value != value else f"{value:.4f}" if isinstance(value, float) else str(value)
