# Semantic-preserving image coding, measured: pictures in, rate against mIoU and Frechet distance out (figure 4 of SPIC).
#
#   results/<run>/originals/<chunk>/          pictures, labels and segmentation maps of the data set
#   results/<run>/<method>/<point>/<chunk>/   coded/ (the files whose bytes are the rate), decoded/, scores.npz
#   results/<run>/tables/, figures/           what one came for
from pathlib import Path

from snakemake.utils import min_version, validate

min_version("9.8")


configfile: Path(workflow.basedir) / "config.yaml"


validate(config, "config/schema.yaml")


include: "rules/common.smk"
include: "rules/data.smk"
include: "rules/encode.smk"
include: "rules/decode.smk"
include: "rules/evaluate.smk"
include: "rules/figures.smk"


rule all:
    default_target: True
    input:
        targets(),
