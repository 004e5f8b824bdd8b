# Semantic-preserving image coding, measured: pictures in, rate against mIoU and Frechet distance out (figure 4 of SPIC).
#
#   results/<run>/originals/<chunk>/          pictures, labels and segmentation maps of the data set
#   results/<run>/<method>/<point>/<chunk>/   coded/ (the files whose bytes are the rate), decoded/, looks/, scores
#   results/<run>/tables/, figures/, gallery/ the results; report.html has all of them
#   results/cache/                            what networks saw in pictures, by content; may be deleted
# Beside what a job wrote is its record, <rule>.provenance.json, by which the next one checks what it reads.
from snakemake.utils import min_version

min_version("9.27.1")


include: "rules/common.smk"
include: "rules/data.smk"
include: "rules/encode.smk"
include: "rules/decode.smk"
include: "rules/evaluate.smk"
include: "rules/figures.smk"
include: "rules/report.smk"


if config["channel"]:

    include: "rules/channel.smk"


rule all:
    default_target: True
    input:
        plan.targets(PLOTS),
