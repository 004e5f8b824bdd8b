"""`spic provenance`: what made the numbers of a run."""

from pathlib import Path
from typing import Annotated

import typer

from spic.strict_json import to_json


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
