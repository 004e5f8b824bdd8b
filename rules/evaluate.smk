# Pictures to numbers: scores of each picture, then one table a run.


rule evaluate_originals:
    input:
        pictures=rules.prepare.output.pictures,
        labels=rules.prepare.output.labels,
        ssm=rules.segment.output[0],
        resolved=rules.resolve.output[0],
    output:
        f"{RUN}/originals/{{chunk}}/scores.npz",
    log:
        f"{RUN}/logs/evaluate/originals_{{chunk}}.log",
    benchmark:
        f"{RUN}/benchmarks/evaluate/originals_{{chunk}}.tsv"
    conda:
        ENV
    threads: config["torch_threads"]
    resources:
        gpu=GPU,
    params:
        settings=settings("segmenter", "segmenter_weights", "fid_weights"),
    script:
        "../scripts/evaluate.py"


rule evaluate:
    input:
        decoded=rules.decode.output.decoded,
        coded=rules.encode.output.coded,
        pictures=rules.prepare.output.pictures,
        labels=rules.prepare.output.labels,
        ssm=rules.segment.output[0],
        weights=SEGMENTER_WEIGHTS,
        resolved=rules.resolve.output[0],
    output:
        f"{RUN}/{{method}}/{{point}}/{{chunk}}/scores.npz",
    log:
        f"{RUN}/logs/evaluate/{{method}}_{{point}}_{{chunk}}.log",
    benchmark:
        f"{RUN}/benchmarks/evaluate/{{method}}_{{point}}_{{chunk}}.tsv"
    conda:
        ENV
    threads: config["torch_threads"]
    resources:
        gpu=GPU,
    params:
        settings=settings("segmenter", "segmenter_weights", "fid_weights"),
    script:
        "../scripts/evaluate.py"


rule tables:
    input:
        originals=of_originals("scores.npz"),
        scores=of_points("scores.npz"),
        timing=of_points("timing_encode.csv") + of_points("timing_decode.csv"),
    output:
        points=f"{RUN}/tables/points.csv",
        per_class=f"{RUN}/tables/per_class.csv",
        timing=f"{RUN}/tables/timing.csv",
    log:
        f"{RUN}/logs/tables.log",
    benchmark:
        f"{RUN}/benchmarks/tables.tsv"
    conda:
        ENV
    params:
        run=config["run"],
        points=POINTS,
        chunks=CHUNKS,
    script:
        "../scripts/tables.py"
