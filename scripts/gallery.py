"""Show a few pictures by every method: the gallery, and a preview of it for the report."""

from itertools import islice
from pathlib import Path

import pandas as pd

from spic.benchmark.observations import label_space
from spic.pictures.labels import get_label_space
from spic.report.pages.gallery import Page, write_gallery, write_preview
from spic.report.pages.showcase import ORIGINAL, Showcase, choose_points, name_of
from spic.report.tables import read_csv
from spic.run.job import job

PREVIEWED = 3  # pictures in the report


def by_point(rows) -> dict:
    """Rows of (method, point, chunk, folder) as {(method, point): {chunk: folder}}."""
    folders = {}
    for method, point, chunk, folder in rows:
        folders.setdefault((method, point), {})[chunk] = folder
    return folders


with job(snakemake):
    given, params = snakemake.input, snakemake.params
    protocol, bpp = params.protocol, params.bpp
    points, pictures = read_csv(given.points), pd.read_parquet(given.all_pictures)
    at = choose_points(points[points["protocol"] == protocol], bpp)
    truth = params.truth_space  # set where ground truth is sent
    space = get_label_space(truth) if truth else label_space(Path(given.space).read_text())
    showcase = Showcase(
        originals=params.originals,
        ssm=params.ssm,
        space=space,
        decoded=by_point(params.decoded),
        coded=by_point(params.coded),
        pictures=pictures[pictures["protocol"] == protocol],
    )
    labels = [name_of(*one) for one in at.items()]
    others = [name_of(method, at[method]) for method in ("bpg", "jpeg2000") if method in at]
    page = Page(
        title=f"{params.run}: every method at about {bpp} bits per pixel",
        notes=f"Each method at the point whose mean rate over the run is nearest to {bpp} bpp; the numbers are those "
        "of the picture alone. mIoU compares segmentations of the original and of the rebuilt picture; the judge's "
        f"mIoU is by a network that no other part uses. Protocol {protocol}.",
        start=([*others, ORIGINAL][0], labels[0]),
        legend=tuple(zip(space.classes, space.palette, strict=True)),
    )
    write_gallery(snakemake.output.gallery, page, showcase.versions(params.chosen, at))
    write_preview(snakemake.output.preview, page, islice(showcase.versions(params.chosen, at), PREVIEWED))
