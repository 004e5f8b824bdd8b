"""`spic roundtrip`, `spic demo`: there and back, with what it cost and what was kept."""

from pathlib import Path
from typing import Annotated

import typer

import spic
from spic.cli import files
from spic.cli.common import Device, Dtype, Force, Json, Threads, report, whole
from spic.cli.transceive import (
    DecoderWeights,
    Native,
    Pictures,
    Quality,
    ResidualQp,
    Segmenter,
    SegmenterWeights,
    TargetBpp,
    describe,
)
from spic.files import IMAGES
from spic.machine import set_threads


def roundtrip(
    inputs: Pictures,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FOLDER", help="Keep .spic files and rebuilt images.")
    ] = None,
    quality: Quality = None,
    target_bpp: TargetBpp = None,
    residual_qp: ResidualQp = None,
    native: Native = False,
    segmenter: Segmenter = "street",
    segmenter_weights: SegmenterWeights = None,
    decoder_weights: DecoderWeights = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    threads: Threads = None,
    force: Force = False,
    as_json: Json = False,
):
    """Encode and decode, and say what it cost and what was kept."""
    sources = files.find_sources(inputs, IMAGES, beside=(".spic",))
    kept = (".spic", ".png") if output is not None else ()
    targets = {suffix: files.find_targets([], sources, f"{output}/", suffix, force) for suffix in kept}
    machine = {"device": device, "dtype": dtype}
    rate = {"quality": whole(quality), "target_bpp": target_bpp, "residual_qp": residual_qp}
    transmitter = spic.Transmitter(segmenter, segmenter_weights, decoder_weights, native=native, **rate, **machine)
    receiver = spic.Receiver(decoder_weights, **machine)
    set_threads(threads)

    def work(source):
        coded, data, rebuilt, scores = there_and_back(transmitter, receiver, files.read_picture_from(source))
        if targets:
            files.write_bytes_to(targets[".spic"][source], data)
            files.write_picture_to(targets[".png"][source], rebuilt)
        record = {"input": str(source), **describe(coded, len(data)), **scores}
        line = "{input}: {bytes} bytes, {bpp:.4f} bpp, mIoU {miou:.3f}, PSNR {psnr:.2f} dB".format(**record)
        report(record, line, as_json)

    files.for_each("coding", sources, work)


def demo(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of the four files.")] = Path("spic-demo"),
    number: Annotated[int, typer.Option(min=0, max=99, help="Which street to draw.")] = 0,
    device: Device = "auto",
    dtype: Dtype = "auto",
    threads: Threads = None,
    force: Force = False,
):
    """Draw a street, send it through a .spic file, and write what comes out beside what went in."""
    targets = [folder / name for name in ("original.png", "street.spic", "rebuilt.png", "preview.png")]
    for target in targets:
        files.check_target(target, force)
    from spic.datasets import get_dataset

    set_threads(threads)
    picture = get_dataset("street_scenes", None, "val", number + 1).picture(number)
    receiver = spic.Receiver(device=device, dtype=dtype)
    transmitter = spic.Transmitter(device=device, dtype=dtype)
    coded, data, rebuilt, scores = there_and_back(transmitter, receiver, picture)
    files.write_picture_to(targets[0], picture)
    files.write_bytes_to(targets[1], data)
    files.write_picture_to(targets[2], rebuilt)
    files.write_picture_to(targets[3], receiver.preview(data))
    typer.echo(
        f"{targets[0]}: a drawn street, {picture.size} bytes of pixels\n"
        f"{targets[1]}: {len(data)} bytes, {coded.bpp:.4f} bpp\n"
        f"{targets[2]}: rebuilt; mIoU {scores['miou']:.3f}, PSNR {scores['psnr']:.2f} dB\n"
        f"{targets[3]}: what the coarse picture alone would show"
    )


def there_and_back(transmitter, receiver, picture):
    """Code and rebuild an image: (SpicFile, bytes, rebuilt image, {"miou", "psnr"} between the two)."""
    from spic.bitstream import write_spic
    from spic.metrics import miou_of_maps, psnr

    prepared = transmitter.prepare(picture)
    coded = transmitter.code(prepared)
    data = write_spic(coded)
    rebuilt = receiver.decode(data)
    miou = miou_of_maps(prepared.ssm, transmitter.prepare(rebuilt).ssm, transmitter.label_space)
    return coded, data, rebuilt, {"miou": miou, "psnr": psnr(picture, rebuilt)}
