"""`spic compare`: every method on a few images, at one rate."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from spic.cli import files
from spic.cli.common import Device, Dtype, Force, Json, Threads, about, complain, report
from spic.cli.transceive import DecoderWeights, Pictures, SegmenterWeights
from spic.errors import ConfigError, SpicError
from spic.files import IMAGES, spelled

_COLUMNS = ("picture", "method", "setting", "bpp", "miou", "psnr", "status")


@dataclass(frozen=True)
class Result:
    """An image by a method at the setting nearest the rate; `picture` is None where the rate is out of reach."""

    method: str
    setting: object
    bpp: float | None
    status: str
    picture: object = None


Folder = Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="Folder to write.")]


def compare(
    inputs: Pictures,
    bpp: Annotated[float, typer.Option(help="Rate of all methods, in bits per pixel.")] = 0.16,
    output: Folder = Path("spic-compare"),
    method: Annotated[list[str] | None, typer.Option(help="Method to compare instead of all; repeatable.")] = None,
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
    from spic.benchmark.method import Picture, Settings
    from spic.benchmark.methods import get_method, method_names
    from spic.machine import Machine, set_threads
    from spic.metrics import miou_of_maps, psnr
    from spic.pictures.sizes import downscale
    from spic.report.pages.gallery import entry
    from spic.report.pages.showcase import COARSE, ORIGINAL, SSM, enlarged, under
    from spic.transmitter import Transmitter

    machine = {"device": device, "dtype": dtype}
    settings = Settings(decoder_weights=decoder_weights and str(decoder_weights), machine=Machine(**machine))
    methods = {name: get_method(name, settings) for name in method or method_names()}
    methods = {name: coder for name, coder in methods.items() if method or not (coder.missing or coder.of_clips)}
    transmitter = Transmitter(segmenter_weights=segmenter_weights, decoder_weights=decoder_weights, **machine)
    set_threads(threads)
    rows, entries = [], []

    def work(source):
        prepared = transmitter.prepare(files.read_picture_from(source))
        picture = Picture(prepared.pixels, prepared.ssm)
        name = files.stem(source)
        space, shown, missing = transmitter.label_space, [], []

        def show(label, pixels, numbers, stem):
            files.write_picture_to(output / f"{name}.{stem}.png", pixels)
            shown.append((label, quote(f"{name}.{stem}.png", errors="surrogateescape"), numbers))

        show(ORIGINAL, prepared.pixels, {}, "original")
        show(SSM, space.colorize(prepared.ssm), {}, "ssm")
        show(COARSE, enlarged(downscale(prepared.pixels), prepared.ssm.shape), {}, "coarse")
        for method_name, coder in methods.items():
            result = at_rate(method_name, coder, picture, bpp)
            row = {"picture": name, "method": method_name, "setting": result.setting, "bpp": result.bpp}
            row |= {"miou": None, "psnr": None, "status": result.status}
            if result.picture is not None:
                found = transmitter.segmenter.segment(result.picture[None])[0]
                row["miou"] = miou_of_maps(prepared.ssm, found, space)
                row["psnr"] = psnr(prepared.pixels, result.picture)
                show(_name(method_name), result.picture, {"setting": _text(result.setting), **under(row)}, method_name)
            else:
                reached = f" ({result.bpp:.3f} bpp is the nearest it reaches)" if result.bpp else ""
                missing.append(f"{method_name}: {result.status}{reached}")
            rows.append(row)
            report(row, _line(row), as_json)
        entries.append(entry(spelled(name), prepared.pixels.shape[:2], shown, "; ".join(missing)))

    try:
        files.for_each("comparing", sources, work)
    finally:
        if rows:
            files.write_bytes_to(output / "compare.csv", _csv(rows))
        if entries:
            page = _page(bpp, transmitter.label_space, methods)
            files.write_bytes_to(output / "index.html", page.render(entries))
    if not as_json:
        typer.echo(spelled(f"{output / 'index.html'}: all of it"))


def at_rate(name: str, coder, picture, bpp: float) -> Result:
    """Code and decode at the setting whose rate is nearest to `bpp`, in bits per pixel of all payloads."""
    from spic.metrics.matching import find_quality

    coded, pixels = {}, picture.pixels.shape[0] * picture.pixels.shape[1]

    def rate_of(setting):
        coded[setting] = coder.encode(picture, setting)
        sizes = coder.sizes(coded[setting])
        return 8 * sum(size for part, size in sizes.items() if part != "file") / pixels

    if coder.quality_range is None:
        return Result(name, None, None, f"no quality_range of {coder.parameter}")
    try:
        with about(name):
            setting, rate, status = find_quality(coder.parameter, coder.quality_range, rate_of, bpp)
            if setting is None:
                return Result(name, None, rate, status)
            decoded = coder.decode([coded[setting]], ["picture"])[0]
    except ConfigError as error:  # JPEG 2000: the headers alone take more
        complain(error)
        return Result(name, None, None, "unreachable")
    except SpicError as error:
        complain(error)
        return Result(name, None, None, "failed")
    return Result(name, setting, rate, "met", decoded)


def _text(value) -> str:
    return "" if value is None or value != value else f"{value:.4f}" if isinstance(value, float) else str(value)


def _line(row: dict) -> str:
    return "  ".join(f"{_text(row[key]):{width}}" for key, width in zip(_COLUMNS, (16, 12, 8, 7, 7, 8, 4), strict=True))


def _csv(rows: list[dict]) -> bytes:
    import csv
    import io

    text = io.StringIO()
    csv.writer(text).writerows([_COLUMNS, *([_text(row[key]) for key in _COLUMNS] for row in rows)])
    return spelled(text.getvalue()).encode()


def _page(bpp: float, space, methods):
    from spic.report.pages.gallery import Page
    from spic.report.pages.showcase import ORIGINAL

    first = next((_name(name) for name in ("bpg", "jpeg2000") if name in methods), ORIGINAL)
    return Page(
        title=f"Every method at {bpp} bits per pixel",
        notes=f"Each picture by each method at the setting whose rate is nearest to {bpp} bpp. mIoU compares the "
        "segmentations of the original and of the decoded picture. The coarse picture is shown before it is coded.",
        start=(first, _name("spic")),
        legend=tuple(zip(space.classes, space.palette, strict=True)),
    )


def _name(method: str) -> str:
    from spic.report.figures.style import styles_of

    return styles_of([method])[method].label
