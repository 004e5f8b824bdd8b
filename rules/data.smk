# The originals: pictures at working size, their labels, their segmentation maps.


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
        settings=settings("device", "dtype", "torch_threads"),
        identity=identity("resolve"),
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
        settings=settings("dataset", "dataset_root", "split", "limit", "chunk_size"),
        identity=depends("prepare", "chunk"),
    script:
        "../scripts/prepare.py"


rule segment:
    input:
        pictures=rules.prepare.output.pictures,
        weights=given(SEGMENTER_WEIGHTS),
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
        settings=settings("segmenter", "segmenter_weights", "segmenter_input"),
        weights=weights(SEGMENTER_WEIGHTS),
        identity=depends("segment", "chunk"),
    script:
        "../scripts/segment.py"
