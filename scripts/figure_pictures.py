"""Draw figures 2 and 3 of the paper: chosen pictures by SPIC, BPG, and without source compression."""

from spic.benchmark.coding import read_resolved
from spic.report.figures.shown import draw_run
from spic.run.cards import take_card
from spic.run.job import job

with job(snakemake):
    decided = read_resolved(snakemake.input.resolved)
    take_card(decided["device"])
    draw_run(snakemake.input, snakemake.params, snakemake.output, decided)
