"""Draw figures 2 and 3 of the paper: chosen pictures by SPIC, BPG, and without source compression."""

from spic.report.figures.shown import draw_run
from spic.run.host import own_machine
from spic.run.job import job

with job(snakemake):
    machine = own_machine(snakemake.input.resolved)
    draw_run(snakemake.input, snakemake.params, snakemake.output, machine)
