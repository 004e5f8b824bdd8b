"""Compare the methods: matched rates, Bjøntegaard deltas, the paper's claims, files for CompressAI's tools."""

from pathlib import Path

import pandas as pd

from spic.files import write_bytes
from spic.report.claims import claims_markdown, judge_claims
from spic.report.compressai import write_compressai
from spic.report.tables import bd_table, matched_table, read_csv, with_intervals, write_csv
from spic.run.job import job

with job(snakemake):
    given, out = snakemake.input, snakemake.output
    points, timing = read_csv(given.points), read_csv(given.timing)
    write_csv(matched_table(points), out.matched)
    write_csv(bd_table(points), out.bd)
    detailed, pictures = with_intervals(points, read_csv(given.intervals)), pd.read_parquet(given.pictures)
    folder, claims = Path(out.compressai[0]).parent.parent, []
    for protocol, rows in points.groupby("protocol", sort=False):
        source = rows["ssm_source"].dropna()
        claims.append(
            judge_claims(
                detailed,
                protocol=protocol,
                pictures=pictures,
                ssm_codec=snakemake.params.ssm_codec,
                ssm_source=source.iloc[0] if len(source) else "segmenter",
            )
        )
        write_compressai(rows, folder / protocol, timing=timing[timing["protocol"] == protocol])
    write_csv(pd.concat(claims), out.claims)
    text = "\n".join(f"## Protocol `{table['protocol'].iloc[0]}`\n\n{claims_markdown(table)}" for table in claims)
    write_bytes(out.markdown, f"# The paper's claims on {points['run'].iloc[0]}\n\n{text}".encode())
