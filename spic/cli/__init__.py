"""The command line: `spic encode`, `spic decode` and what is around them (docs/cli.md).

What a user can get wrong ends in one line on stderr, `spic: <file>: reason`, and exit status 1; wrong usage in 2.
Results are written under a temporary name first, so that a failure leaves nothing half-written. Heavy libraries load
inside the commands that need them.
"""

import logging
import sys
from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperCommand

from spic import __version__
from spic.cli import codec, compare, doctor, files, roundtrip, train, transceive, transmit, weights
from spic.cli.common import Commands, Device, Dtype, Force, Segmenter, Source, group
from spic.errors import ConfigError, about
from spic.strict_json import to_json

app = group(
    "Semantic-preserving image coding: pictures as segmentation map and coarse image.",
    cls=Commands,
    add_completion=True,
)
for command in (transceive.encode, transceive.decode, transceive.info, roundtrip.roundtrip, compare.compare):
    app.command()(command)
for command in (transmit.transmit, roundtrip.demo, doctor.doctor):
    app.command()(command)
for name, room in {"codec": codec, "train": train, "weights": weights}.items():
    app.add_typer(room.app, name=name)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"spic {__version__}")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
]


@app.callback()
def main(version: Version = False):
    for out in (sys.stdout, sys.stderr):  # take names that they can not spell (\u591c.png in Latin-1), in escapes
        if hasattr(out, "reconfigure"):
            out.reconfigure(errors="backslashreplace")
    logging.basicConfig(format="spic: %(message)s")
    logging.getLogger("spic").setLevel(logging.INFO)  # what takes long and why, on stderr


@app.command()
def segment(
    source: Source,
    target: Annotated[Path, typer.Argument(metavar="OUT.png", help="PNG file to write.")],
    segmenter: Segmenter = "street",
    weights: Annotated[Path | None, typer.Option(help="Its weights; the shipped ones by default.")] = None,
    color: Annotated[bool, typer.Option(help="Paint the classes instead of writing their ids.")] = False,
    device: Device = "auto",
    dtype: Dtype = "auto",
    force: Force = False,
):
    """Write the segmentation map of an image at working size (256x512)."""
    from spic.pictures.sizes import to_working_size
    from spic.segmentation import get_segmenter

    target = files.as_target(target)
    if files.image_format(target) != "PNG":
        raise ConfigError(f"{target}: a label map is written as .png")
    files.check_target(target, force, [source])
    with about(source):
        picture = to_working_size(files.read_picture_from(source))
    network = get_segmenter(segmenter, weights, device, dtype)
    with about(source):
        labels = network.segment(picture[None])[0]
    files.write_picture_to(target, network.label_space.colorize(labels) if color else labels)


class _AsGiven(TyperCommand):
    """All arguments are another program's, `--` and `--help` too."""

    def parse_args(self, ctx, args):
        ctx.args = list(args)
        return ctx.args


@app.command(cls=_AsGiven)
def run(context: typer.Context):
    """Run the workflow of this folder: arguments go to `snakemake`. Unlocks a folder whose last run was killed."""
    from spic.run.launch import run_workflow

    sys.argv = ["spic run", *context.args]  # what Snakemake's help and its log call the program
    raise typer.Exit(run_workflow(context.args))


@app.command()
def provenance(
    run: Annotated[Path, typer.Argument(metavar="results/RUN", help="Folder of a run.")],
    as_json: Annotated[bool, typer.Option("--json", help="Everything, for programs; hashes in full.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Hash all files again and compare; status 1 where one differs.")
    ] = False,
):
    """Print what made each point: versions, settings, hashes of weights and inputs, device, time.

    Ends with status 1 if a result was made from other files than there are now.
    """
    from spic.provenance.history import points, stale, text

    entries = points(run)
    typer.echo(to_json(entries, indent=1) if as_json else text(entries))
    wrong = stale(run, content=check)
    for line in wrong:
        typer.echo(f"spic: {line}", err=True)
    if wrong:
        raise typer.Exit(1)
