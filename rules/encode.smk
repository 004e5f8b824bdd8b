# Images to bytes. Nothing random, no GPU.


rule encode:
    input:
        pictures=rules.prepare.output.pictures,
        ssm=lambda wildcards: plan.sent_maps(wildcards.coder, wildcards.chunk),
        weights=decoder_weights,
    output:
        coded=directory(f"{RUN}/{{coder}}/{{point}}/{{chunk}}/coded"),
        timing=f"{RUN}/{{coder}}/{{point}}/{{chunk}}/timing_encode.csv",
        record=f"{RUN}/{{coder}}/{{point}}/{{chunk}}/encode.provenance.json",
    log:
        f"{RUN}/logs/encode/{{coder}}_{{point}}_{{chunk}}.log",
    benchmark:
        f"{RUN}/benchmarks/encode/{{coder}}_{{point}}_{{chunk}}.tsv"
    conda:
        ENV
    params:
        method=lambda wildcards: plan.coders[wildcards.coder][0],
        value=lambda wildcards: plan.value(
            plan.coders[wildcards.coder][0], wildcards.point
        ),
        settings=lambda wildcards: plan.coding_settings(
            wildcards.coder, "ssm_codec", "coarse_codec", "seed"
        ),
        limit=lambda wildcards: plan.limit(wildcards.coder, wildcards.chunk),
        codecs=lambda wildcards: plan.coder(wildcards.coder)["codecs"],
        weights=lambda wildcards: plan.coder(wildcards.coder)["weights"],
        identity=lambda wildcards: plan.fingerprint(
            "encode", wildcards.chunk, wildcards.coder, wildcards.point
        ),
    script:
        "../scripts/encode.py"


# What the authors' scripts count: other files than those that are decoded.
rule count_official:
    input:
        pictures=rules.prepare.output.pictures,
        ssm=lambda wildcards: plan.sent_maps(wildcards.coder, wildcards.chunk),
    output:
        directory(f"{RUN}/{{coder}}/{{point}}/{{chunk}}/counted_official"),
        record=f"{RUN}/{{coder}}/{{point}}/{{chunk}}/count_official.provenance.json",
    log:
        f"{RUN}/logs/count_official/{{coder}}_{{point}}_{{chunk}}.log",
    benchmark:
        f"{RUN}/benchmarks/count_official/{{coder}}_{{point}}_{{chunk}}.tsv"
    conda:
        ENV
    params:
        method=lambda wildcards: plan.coders[wildcards.coder][0],
        value=lambda wildcards: plan.value(
            plan.coders[wildcards.coder][0], wildcards.point
        ),
        settings=lambda wildcards: plan.coding_settings(wildcards.coder, "coarse_codec"),
        limit=lambda wildcards: plan.limit(wildcards.coder, wildcards.chunk),
        codecs=lambda wildcards: plan.counted_codecs(wildcards.coder),
        identity=lambda wildcards: plan.fingerprint(
            "count_official", wildcards.chunk, wildcards.coder, wildcards.point
        ),
    script:
        "../scripts/count.py"
