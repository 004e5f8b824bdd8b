"""Write the comparison of a run's methods: matched rates, Bjøntegaard deltas, claims, files for CompressAI's tools."""

from pathlib import Path

import pandas as pd

from spic.files import write_bytes
from spic.report.claims import claims_markdown, judge_claims
from spic.report.compressai import write_compressai
from spic.report.tables import bd_table, matched_table, read_csv, with_intervals, write_csv


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
    detailed, pictures = with_intervals(points, read_csv(given.intervals)), pd.read_parquet(given.pictures)
    folder, claims = Path(out.compressai[0]).parent.parent, []
    text = f"# The paper's claims on {points['run'].iloc[0]}\n"
    for protocol, rows in points.groupby("protocol", sort=False):
        source = rows["ssm_source"].dropna()
        facts = {"ssm_codec": params.ssm_codec, "ssm_source": source.iloc[0] if len(source) else "segmenter"}
        claims.append(judge_claims(detailed, protocol=protocol, pictures=pictures, **facts))
        text += f"\n## Protocol `{protocol}`\n\n{claims_markdown(claims[-1])}"
        write_compressai(rows[rows["bpp"].notna()], folder / protocol, timing=timing[timing["protocol"] == protocol])
    write_csv(pd.concat(claims), out.claims)
    write_bytes(out.markdown, text.encode())
