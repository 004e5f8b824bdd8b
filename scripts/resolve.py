"""Decide once a run what "auto" means for device and dtype."""

from spic.stages import resolve
from spic.user_errors import one_line_errors

with one_line_errors(snakemake.log[0]):
    resolve(snakemake.params.settings, snakemake.output[0])
