"""What a receiver shows of images that are lost: the mean image of the training split, for each image of a chunk."""

from spic.benchmark.lost import mean_images
from spic.run.job import job

with job(snakemake):
    mean_images(snakemake.params.settings, snakemake.input.pictures, snakemake.output[0])
