"""Methods of clips in finished runs, for docs/video.md: python benchmarks/video_curves.py results/RUN... [-o FILE].

One row per point of a method that codes clips, of the first protocol of each run; a run with other `method_options`
has rows of its own ("spic_video, halve"). The runs need `frame_rate`; a judge called espnet fills `espnet_gt`.
"""

import argparse
import re
import sys
from pathlib import Path

import pandas as pd

from spic.benchmark.methods import get_method, method_names
from spic.errors import DataError, SpicError
from spic.files import write_bytes
from spic.metrics.columns import column
from spic.provenance.records import read_record
from spic.report.tables import read_csv

COLUMNS = {  # of the table: of points.csv
    "bpp": "bpp",
    "kbps": "kbps",
    "ssm": "bpp_ssm",
    "miou": "miou",
    "judge": "miou_independent",
    "espnet_gt": "miou_gt_espnet",
    "psnr": "psnr",
    "flicker": "flicker",
}


def curves(runs) -> pd.DataFrame:
    """The rows of all runs, as text: methods as they come first, empty where nothing was measured."""
    clips, rows = [name for name in method_names() if get_method(name).of_clips], []
    for run in map(Path, runs):
        if not (run / "tables" / "points.csv").is_file():
            raise DataError(f"{run}: no finished run, tables/points.csv is missing")
        points = read_csv(run / "tables" / "points.csv")
        if "kbps" not in points:
            raise DataError(f"{run}: no rate in kbit/s; the config of the run needs frame_rate")
        points = points[points["protocol"] == points["protocol"].iloc[0]]
        for _, point in points[points["method"].isin(clips)].iterrows():
            numbers = {name: _text(point, source) for name, source in COLUMNS.items()}
            rows.append({"method": _called(run, point), "point": _point(point["point"]), **numbers})
    if not rows:
        raise DataError(f"{', '.join(map(str, runs))}: no method that codes clips ({', '.join(clips)})")
    order = list(dict.fromkeys(row["method"].partition(",")[0] for row in rows))
    rows.sort(key=lambda row: order.index(row["method"].partition(",")[0]))
    return pd.DataFrame(rows)


def _called(run: Path, point: pd.Series) -> str:
    """A method and its options, where they are not the usual ones, as its first chunk was coded."""
    name = point["method"]
    records = sorted(run.glob(f"{name}/{point['point']}/*/encode.provenance.json"))
    if not records:
        raise DataError(f"{run}: no record of {name} {point['point']}")
    given, usual = read_record(records[0])["params"]["settings"].get("method_options", {}), get_method(name).options
    other = {key: value for key, value in given.get(name, {}).items() if value != usual[key]}
    return ", ".join([name, *(_option(key, value) for key, value in other.items())])


def _option(key: str, value) -> str:
    if isinstance(value, bool):
        return key if value else f"no {key}"
    return f"{key} {value}"


def _point(name: str) -> str:
    """ "coarse_qp30" as "coarse QP 30"."""
    *words, last = re.sub(r"(?<=[a-z])(?=-?\d)", " ", name).replace("_", " ").split(" ")
    return " ".join([*words[:-1], words[-1].upper(), last]) if words else name


def _text(point: pd.Series, name: str) -> str:
    value = point.get(name)
    digits = 0 if name == "kbps" else column(name).digits
    return "" if value is None or pd.isna(value) else f"{value:.{digits}f}"


def main() -> None:
    """Print the table as CSV, or write it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("runs", nargs="+", type=Path, help="folders of finished runs")
    parser.add_argument("-o", "--output", type=Path, help="CSV file")
    arguments = parser.parse_args()
    try:
        text = curves(arguments.runs).to_csv(index=False, lineterminator="\n")
        if arguments.output:
            write_bytes(arguments.output, text.encode())
        else:
            sys.stdout.write(text)
    except (SpicError, OSError) as error:
        sys.exit(f"video_curves: {error}")


if __name__ == "__main__":
    main()
