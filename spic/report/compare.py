"""Write the comparison of a run's methods: matched rates, Bjøntegaard deltas, claims, files for CompressAI's tools.

CompressAI's tools read them by `python -m compressai.utils.plot -f *.json -m METRIC -o out.png`. One file per method:
{"name", "description", "results": {metric: [one value per point]}}, means over the images. Its plots take any key under
"results", always over "bpp" and in the order of the file, so points are sorted by rate here. PSNR and MS-SSIM carry
CompressAI's names, "psnr-rgb" in dB and "ms-ssim-rgb" from 0 to 1, measured on 8-bit images; everything else keeps its
name in `points.csv`.
"""

import math
from pathlib import Path

import pandas as pd

from spic.benchmark.summary import read_replicates
from spic.errors import DataError
from spic.files import write_bytes
from spic.report.claims import judge_claims
from spic.report.margins import margins_table, with_margins
from spic.report.tables import bd_table, matched_table, read_csv, with_intervals, write_csv
from spic.strict_json import to_json

RENAMED = {"psnr": "psnr-rgb", "ms_ssim": "ms-ssim-rgb"}
NOT_RESULTS = ("run", "protocol", "method", "point", "n")
STAGES = {"encode": "encoding_time", "decode": "decoding_time"}


def compare_run(given, params, out) -> None:
    """Write all that the rule `compare` makes of the tables of a run.

    Parameters
    ----------
    given, params, out : object
        Inputs, parameters and outputs of that rule, as attributes.
    """
    points, timing = read_csv(given.points), read_csv(given.timing)
    write_csv(matched_table(points), out.matched)
    write_csv(bd_table(points), out.bd)
    replicates = [read_replicates(path) for path in given.replicates]
    margins = margins_table(points, dict(zip(map(tuple, params.points), replicates, strict=True)))
    write_csv(margins, out.margins)
    detailed = with_margins(with_intervals(points, read_csv(given.intervals)), margins)
    pictures = pd.read_parquet(given.pictures)
    folder, claims = Path(out.compressai[0]).parent.parent, []
    other = read_csv(params.second_segmenter) if params.second_segmenter else None
    steps = read_csv(params.steps) if params.steps else None
    text = f"# The paper's claims on {points['run'].iloc[0]}\n"
    for protocol, rows in points.groupby("protocol", sort=False):
        facts = {"ssm_codec": params.ssm_codec, "ssm_source": next(iter(rows["ssm_source"].dropna()), "segmenter")}
        facts |= {"judges": read_csv(given.judge), "steps": steps}
        if other is not None and protocol in set(other.get("protocol", ())):
            facts["other_segmenter"] = other
        claims.append(judge_claims(detailed, protocol=protocol, pictures=pictures, **facts))
        text += f"\n## Protocol `{protocol}`\n\n{claims_markdown(claims[-1])}"
        write_compressai(rows[rows["bpp"].notna()], folder / protocol, timing=timing[timing["protocol"] == protocol])
    write_csv(pd.concat(claims), out.claims)
    write_bytes(out.markdown, text.encode())


def claims_markdown(table: pd.DataFrame) -> str:
    """The table of `judge_claims` as Markdown, one row per claim."""
    lines = ["| | The paper's claim | On these data | Numbers |", "| --- | --- | --- | --- |"]
    for row in table.itertuples():
        cells = (f"{row.claim}", row.text, f"**{row.verdict}**", row.numbers)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def compressai_results(
    points: pd.DataFrame, method: str, *, timing: pd.DataFrame | None = None, description: str | None = None
) -> dict:
    """Results of one method as CompressAI lays them out.

    Parameters
    ----------
    points : pandas.DataFrame
        The table `points.csv`, of one run and one protocol.
    method : str
        Which method.
    timing : pandas.DataFrame, optional
        The table `timing.csv`: columns method, point, stage ("encode", "decode"), mean_seconds.
    description : str, optional
        By default the run, the protocol and the number of images.

    Returns
    -------
    dict
        "results" has "bpp" and every numeric column that is finite at all points (a list with holes would shift its
        points, and JSON knows neither NaN nor infinity), and "encoding_time", "decoding_time" in seconds where all are
        known.

    Raises
    ------
    DataError
        The method has no points, points without a rate or points of several runs or protocols.
    """
    rows = points[points["method"] == method]
    for column in ("run", "protocol"):
        if column in rows and rows[column].nunique() > 1:
            raise DataError(f"{method}: one file holds one {column}, not {', '.join(map(str, rows[column].unique()))}")
    if not len(rows) or not _finite(rows["bpp"]):
        raise DataError(f"{method}: no points with a rate")
    rows = rows.sort_values("bpp", kind="stable")
    results = {
        RENAMED.get(column, column): [float(value) for value in rows[column]]
        for column in rows
        if column not in NOT_RESULTS and pd.api.types.is_numeric_dtype(rows[column]) and _finite(rows[column])
    }
    for stage, key in STAGES.items() if timing is not None else ():
        of_stage = (timing["method"] == method) & (timing["stage"] == stage)
        seconds = timing[of_stage].set_index("point")["mean_seconds"].reindex(rows["point"])
        if _finite(seconds):
            results[key] = seconds.tolist()
    if description is None:
        parts = [f"{name} {rows[name].iloc[0]}" for name in ("run", "protocol") if name in rows]
        description = ", ".join(parts + ([f"{int(rows['n'].iloc[0])} pictures"] if "n" in rows else []))
    return {"name": method, "description": description, "results": results}


def write_compressai(points: pd.DataFrame, folder, *, timing: pd.DataFrame | None = None) -> list[Path]:
    """Write `<method>.json` of every method into `folder` and return the paths; see `compressai_results`."""
    paths = {method: Path(folder) / f"{method}.json" for method in points["method"]}
    for method, path in paths.items():
        write_bytes(path, (to_json(compressai_results(points, method, timing=timing), indent=2) + "\n").encode())
    return list(paths.values())


def _finite(column: pd.Series) -> bool:
    return all(pd.notna(value) and math.isfinite(value) for value in column)
