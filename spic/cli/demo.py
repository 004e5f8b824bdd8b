"""`spic demo`: one drawn street, coded and rebuilt."""

from pathlib import Path
from typing import Annotated

import typer

from spic.cli import files
from spic.cli.common import Device, Dtype, Force
from spic.cli.common import Threads as ThreadsOption
from spic.cli.transceive import there_and_back


def demo(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of the four files.")] = Path("spic-demo"),
    number: Annotated[int, typer.Option(min=0, max=99, help="Which street to draw.")] = 0,
    device: Device = "auto",
    dtype: Dtype = "auto",
    threads: ThreadsOption = None,
    force: Force = False,
):
    """Draw a street, send it through a .spic file, and write what comes out beside what went in."""
    names = ("original.png", "street.spic", "rebuilt.png", "preview.png")
    targets = [folder / name for name in names]
    for target in targets:
        files.check_target(target, force)
    from spic.datasets import get_dataset
    from spic.machine import set_threads
    from spic.receiver import Receiver
    from spic.transmitter import Transmitter

    set_threads(threads)
    picture = get_dataset("street_scenes", None, "val", number + 1).picture(number)
    receiver = Receiver(device=device, dtype=dtype)
    coded, data, rebuilt, scores = there_and_back(Transmitter(device=device, dtype=dtype), receiver, picture)
    files.write_picture_to(targets[0], picture)
    files.write_bytes_to(targets[1], data)
    files.write_picture_to(targets[2], rebuilt)
    files.write_picture_to(targets[3], receiver.preview(data))
    typer.echo(f"{targets[0]}: a drawn street, {picture.size} bytes of pixels")
    typer.echo(f"{targets[1]}: {len(data)} bytes, {coded.bpp:.4f} bpp")
    typer.echo(f"{targets[2]}: rebuilt; mIoU {scores['miou']:.3f}, PSNR {scores['psnr']:.2f} dB")
    typer.echo(f"{targets[3]}: what the coarse picture alone would show")
