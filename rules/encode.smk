# Pictures to bytes. Nothing random, no GPU.


rule encode:
    input:
        pictures=rules.prepare.output.pictures,
        ssm=sent_maps,
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
        method=lambda wildcards: CODERS[wildcards.coder][0],
        value=lambda wildcards: POINTS[CODERS[wildcards.coder][0]][wildcards.point],
        settings=coding("ssm_codec", "coarse_codec", "seed"),
        limit=limit,
        codecs=lambda wildcards: coder(wildcards.coder)["codecs"],
        weights=lambda wildcards: coder(wildcards.coder)["weights"],
        identity=depends("encode", "chunk", "coder", "point"),
    script:
        "../scripts/encode.py"


# What the authors' scripts count: other files than those that are decoded.
rule count_official:
    input:
        pictures=rules.prepare.output.pictures,
        ssm=sent_maps,
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
        method=lambda wildcards: CODERS[wildcards.coder][0],
        value=lambda wildcards: POINTS[CODERS[wildcards.coder][0]][wildcards.point],
        settings=coding("coarse_codec"),
        limit=limit,
        codecs=lambda wildcards: counted_codecs(wildcards.coder),
        identity=depends("count_official", "chunk", "coder", "point"),
    script:
        "../scripts/count.py"
