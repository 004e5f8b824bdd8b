# The originals: images at working size, their labels, their segmentation maps.


rule resolve:
    output:
        f"{RUN}/resolved.json",
        record=f"{RUN}/resolve.provenance.json",
    log:
        f"{RUN}/logs/resolve.log",
    benchmark:
        f"{RUN}/benchmarks/resolve.tsv"
    conda:
        ENV
    resources:
        gpu=GPU,
    params:
        settings=plan.settings("device", "dtype", "torch_threads"),
        identity=plan.fingerprint("resolve"),
    script:
        "../scripts/resolve.py"


rule prepare:
    output:
        pictures=directory(f"{RUN}/originals/{{chunk}}/pictures"),
        labels=directory(f"{RUN}/originals/{{chunk}}/labels"),
        record=f"{RUN}/originals/{{chunk}}/prepare.provenance.json",
    log:
        f"{RUN}/logs/prepare/{{chunk}}.log",
    benchmark:
        f"{RUN}/benchmarks/prepare/{{chunk}}.tsv"
    conda:
        ENV
    params:
        settings=plan.settings(
            "dataset", "dataset_root", "split", "limit", "chunk_size"
        ),
        identity=lambda wildcards: plan.fingerprint("prepare", wildcards.chunk),
    script:
        "../scripts/prepare.py"


rule segment:
    input:
        pictures=rules.prepare.output.pictures,
        weights=given(plan.files("segment")),
        resolved=rules.resolve.output[0],
    output:
        ssm=directory(f"{RUN}/originals/{{chunk}}/ssm"),
        space=f"{RUN}/originals/{{chunk}}/label_space.json",
        record=f"{RUN}/originals/{{chunk}}/segment.provenance.json",
    log:
        f"{RUN}/logs/segment/{{chunk}}.log",
    benchmark:
        f"{RUN}/benchmarks/segment/{{chunk}}.tsv"
    conda:
        ENV
    threads: config["torch_threads"]
    resources:
        gpu=GPU,
    params:
        settings=plan.settings("segmenter", "segmenter_weights", "segmenter_input"),
        weights=plan.weights("segment"),
        identity=lambda wildcards: plan.fingerprint("segment", wildcards.chunk),
    script:
        "../scripts/segment.py"
