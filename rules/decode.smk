# Bytes to pictures, from the coded files alone (and the decoder's weights).


rule decode:
    input:
        coded=rules.encode.output.coded,
        weights=lambda wildcards: DECODER_WEIGHTS if wildcards.method == "spic" else [],
        resolved=rules.resolve.output[0],
    output:
        decoded=directory(f"{RUN}/{{method}}/{{point}}/{{chunk}}/decoded"),
        timing=f"{RUN}/{{method}}/{{point}}/{{chunk}}/timing_decode.csv",
    log:
        f"{RUN}/logs/decode/{{method}}_{{point}}_{{chunk}}.log",
    benchmark:
        f"{RUN}/benchmarks/decode/{{method}}_{{point}}_{{chunk}}.tsv"
    conda:
        ENV
    threads: config["torch_threads"]
    resources:
        gpu=1,
    params:
        settings=settings("ssm_codec", "coarse_codec", "decoder_weights", "seed"),
    script:
        "../scripts/decode.py"
