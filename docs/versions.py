"""What was published with each version: folders of results/published/, and the blocks that name or compare them.

The newest folder is the present version; older ones keep their tables, without figures.
"""

from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path

import pandas as pd

from spic.metrics.columns import Metric, columns_in
from spic.report.tables import read_csv

PUBLISHED = Path(__file__).resolve().parents[1] / "results" / "published"
VERSIONS = sorted((path.name for path in PUBLISHED.glob("[0-9]*")), key=lambda name: [*map(int, name.split("."))])
LAST, PRESENT = VERSIONS[-2:]
RESULTS = PUBLISHED / PRESENT / "camvid"
RIVAL = "bpg"
COMPARED = (  # columns of points.csv, in this order
    *("bpp", "miou", "miou_gt", "miou_independent", "miou_judge_*", "miou_gt_*", "miou_small_gt_*", "small_recall"),
    *("lpips", "fd_lite0", "fd_patch", "fd_alex", "fid", "hatching*", "grid*", "texture_*"),
)


def published() -> str:
    """Where the tables are, and the two figures of the present version."""
    here = f"results/published/{PRESENT}"
    older = ", ".join(f"`results/published/{name}/`" for name in VERSIONS[:-1])
    return "\n".join(
        [
            f"The judged [claims](../{here}/camvid/claims.md), all tables and the intervals are in",
            f"`{here}/camvid/`, and in `{here}/street_scenes/` for the drawn streets",
            f"([claims](../{here}/street_scenes/claims.md)). Tables of earlier versions: {older}.",
            "",
            f"![mIoU over rate](../{here}/camvid/figure4a.png)",
            f"![Fréchet distance over rate](../{here}/camvid/figure4b.png)",
        ]
    )


def since() -> str:
    """SPIC at its points, and its margins to BPG at equal rate: the last version, the present one, the difference."""
    return comparison(PUBLISHED / LAST / "camvid", RESULTS)


def comparison(last: Path, present: Path) -> str:
    """The same of two folders of tables; a number that one of them lacks is "not measured"."""
    found = [(_values(folder), _margins(folder)) for folder in (last, present)]
    points = list(found[1][0].index)
    lines = [f"| {last.parent.name} → {present.parent.name} (difference) | " + " | ".join(map(_title, points)) + " |"]
    lines.append("| --- |" + " ---: |" * len(points))
    for metric in measured_in(COMPARED, *(tables[0] for tables in found)):
        better = ", lower is better" * (metric.lower_is_better and metric.name != "bpp")
        for i, title in enumerate((metric.with_unit + better, f"{metric.short} minus BPG's")):
            pairs = [tuple(_number(tables[i], point, metric.name) for tables in found) for point in points]
            if not pd.isna(pairs).all():
                cells = [_cell(metric, *pair, signed=i == 1) for pair in pairs]
                lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def measured_in(patterns: Iterable[str], *tables: pd.DataFrame) -> list[Metric]:
    """The metrics that one of the tables has a number of, in the order of the patterns of names that they match."""
    names = {name: None for table in tables for name in table.columns[table.notna().any()]}
    return [metric for one in patterns for metric in columns_in(name for name in names if fnmatch(name, one))]


def _values(folder: Path) -> pd.DataFrame:
    """SPIC's rows of points.csv by point."""
    return read_csv(folder / "points.csv").query("method == 'spic'").set_index("point")


def _margins(folder: Path) -> pd.DataFrame:
    """SPIC minus BPG at SPIC's rates, by point."""
    table = read_csv(folder / "matched.csv")
    ours, theirs = (table[table["method"] == name].set_index("at") for name in ("spic", RIVAL))
    names = [metric.name for metric in columns_in(table.columns) if metric.compared]
    return ours[names] - theirs[names]


def _title(point: str) -> str:
    return point.replace("coarse_qp", "QP ")


def _number(table: pd.DataFrame, point: str, name: str) -> float:
    return table.at[point, name] if name in table and point in table.index else float("nan")


def _cell(metric: Metric, last: float, present: float, signed: bool) -> str:
    sign = "+" if signed else ""
    texts = ["not measured" if pd.isna(one) else f"{one:{sign}.{metric.digits}f}" for one in (last, present)]
    difference = present - last
    return " → ".join(texts) + ("" if pd.isna(difference) else f" ({difference:+.{metric.digits}f})")
