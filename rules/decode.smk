# Bytes to images, from the coded files alone (and the decoder's weights).


rule decode:
    input:
        coded=rules.encode.output.coded,
        weights=decoder_weights,
        resolved=rules.resolve.output[0],
    output:
        decoded=(
            temp(directory(f"{RUN}/{{coder}}/{{point}}/{{chunk}}/decoded"))
            if config["keep"] == "scores"
            else directory(f"{RUN}/{{coder}}/{{point}}/{{chunk}}/decoded")
        ),
        timing=f"{RUN}/{{coder}}/{{point}}/{{chunk}}/timing_decode.csv",
        record=f"{RUN}/{{coder}}/{{point}}/{{chunk}}/decode.provenance.json",
    log:
        f"{RUN}/logs/decode/{{coder}}_{{point}}_{{chunk}}.log",
    benchmark:
        f"{RUN}/benchmarks/decode/{{coder}}_{{point}}_{{chunk}}.tsv"
    conda:
        ENV
    threads: config["torch_threads"]
    resources:
        gpu=1,
    params:
        method=lambda wildcards: plan.coders[wildcards.coder][0],
        settings=lambda wildcards: plan.coding_settings(
            wildcards.coder, "ssm_codec", "coarse_codec", "seed"
        ),
        codecs=lambda wildcards: plan.coder(wildcards.coder)["codecs"],
        weights=lambda wildcards: plan.coder(wildcards.coder)["weights"],
        identity=lambda wildcards: plan.fingerprint(
            "decode", wildcards.chunk, wildcards.coder, wildcards.point
        ),
    script:
        "../scripts/decode.py"
