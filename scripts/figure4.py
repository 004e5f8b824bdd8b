"""Draw figure 4 of the paper from the table of points."""

import pandas as pd

from spic.jobs import job
from spic.report.figures import figure4

with job(snakemake.log[0]):
    stems = {path.rsplit("figure", 1)[1][:2]: path.rsplit(".", 1)[0] for path in snakemake.output}
    points = pd.read_csv(snakemake.input[0])
    figure4(points[points["protocol"] == snakemake.params.protocol], stems)
