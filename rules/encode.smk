# Pictures to bytes. Nothing random, no GPU.


rule encode:
    input:
        pictures=rules.prepare.output.pictures,
        ssm=(
            rules.segment.output[0]
            if config["ssm_source"] == "segmenter"
            else rules.prepare.output.labels
        ),
    output:
        coded=directory(f"{RUN}/{{method}}/{{point}}/{{chunk}}/coded"),
        timing=f"{RUN}/{{method}}/{{point}}/{{chunk}}/timing_encode.csv",
    log:
        f"{RUN}/logs/encode/{{method}}_{{point}}_{{chunk}}.log",
    benchmark:
        f"{RUN}/benchmarks/encode/{{method}}_{{point}}_{{chunk}}.tsv"
    conda:
        ENV
    params:
        value=lambda wildcards: POINTS[wildcards.method][wildcards.point],
        settings=settings("ssm_codec", "coarse_codec", "ssm_source"),
    script:
        "../scripts/encode.py"
