# Pictures to numbers: what networks see (looks), scores of each picture, then one summary a point.


rule look_at_originals:
    input:
        pictures=rules.prepare.output.pictures,
        weights=given(ORIGINALS_WEIGHTS),
        resolved=rules.resolve.output[0],
    output:
        directory(f"{RUN}/originals/{{chunk}}/looks"),
        record=f"{RUN}/originals/{{chunk}}/look_at_originals.provenance.json",
    log:
        f"{RUN}/logs/look/originals_{{chunk}}.log",
    benchmark:
        f"{RUN}/benchmarks/look/originals_{{chunk}}.tsv"
    conda:
        ENV
    threads: config["torch_threads"]
    resources:
        gpu=GPU,
    params:
        settings={
            **settings("judge", "judge_weights", "fid_weights"),
            **(settings("segmenter", "segmenter_weights") if OTHER_LOOKS else {}),
            "segmenter_inputs": OTHER_LOOKS,
        },
        cache=CACHE,
        weights=weights(ORIGINALS_WEIGHTS),
        identity=depends("look_at_originals", "chunk"),
    script:
        "../scripts/look.py"


rule look:
    input:
        pictures=rules.decode.output.decoded,
        originals=rules.prepare.output.pictures,
        labels=rules.prepare.output.labels,
        ssm=rules.segment.output.ssm,
        space=rules.segment.output.space,
        weights=given(LOOK_WEIGHTS),
        resolved=rules.resolve.output[0],
    output:
        directory(f"{RUN}/{{coder}}/{{point}}/{{chunk}}/looks"),
        record=f"{RUN}/{{coder}}/{{point}}/{{chunk}}/look.provenance.json",
    log:
        f"{RUN}/logs/look/{{coder}}_{{point}}_{{chunk}}.log",
    benchmark:
        f"{RUN}/benchmarks/look/{{coder}}_{{point}}_{{chunk}}.tsv"
    # before the next decode, so that few decoded pictures wait on the disk
    priority: 1
    conda:
        ENV
    threads: config["torch_threads"]
    resources:
        gpu=GPU,
    params:
        settings={
            **settings("segmenter", "segmenter_weights"),
            **settings("judge", "judge_weights", "fid_weights", "lpips_weights"),
            "segmenter_inputs": {
                "segmenter": config["segmenter_input"],
                **OTHER_LOOKS,
            },
        },
        cache=CACHE,
        truth_space=TRUTH_SPACE,
        limit=limit,
        weights=weights(LOOK_WEIGHTS),
        identity=depends("look", "chunk", "coder", "point"),
    script:
        "../scripts/look.py"


rule score_originals:
    input:
        labels=rules.prepare.output.labels,
        ssm=rules.segment.output.ssm,
        space=rules.segment.output.space,
        original_looks=rules.look_at_originals.output[0],
    output:
        f"{RUN}/originals/{{chunk}}/scores.npz",
        record=f"{RUN}/originals/{{chunk}}/score_originals.provenance.json",
    log:
        f"{RUN}/logs/score/originals_{{chunk}}.log",
    benchmark:
        f"{RUN}/benchmarks/score/originals_{{chunk}}.tsv"
    conda:
        ENV
    params:
        truth_space=TRUTH_SPACE,
        identity=depends("score_originals", "chunk"),
    script:
        "../scripts/score.py"


rule score:
    input:
        looks=rules.look.output[0],
        counted=counted_files,
        labels=rules.prepare.output.labels,
        ssm=rules.segment.output.ssm,
        space=rules.segment.output.space,
        original_looks=rules.look_at_originals.output[0],
    output:
        f"{RUN}/{{coder}}/{{point}}/{{chunk}}/scores_{{protocol}}.npz",
        record=f"{RUN}/{{coder}}/{{point}}/{{chunk}}/score_{{protocol}}.provenance.json",
    log:
        f"{RUN}/logs/score/{{coder}}_{{point}}_{{chunk}}_{{protocol}}.log",
    benchmark:
        f"{RUN}/benchmarks/score/{{coder}}_{{point}}_{{chunk}}_{{protocol}}.tsv"
    conda:
        ENV
    params:
        method=lambda wildcards: CODERS[wildcards.coder][0],
        settings=settings("ssm_codec", "coarse_codec"),
        segmenter_look=lambda wildcards: segmenter_look(wildcards.protocol),
        truth_space=TRUTH_SPACE,
        identity=depends("score", "chunk", "coder", "point", "protocol"),
    script:
        "../scripts/score.py"


rule summarize:
    input:
        scores=of_chunks("scores_{protocol}.npz"),
        looks=of_chunks("looks"),
        originals=lambda wildcards: [
            f"{RUN}/originals/{chunk}/looks" for chunk in PARTS[wildcards.protocol]
        ],
    output:
        summary=f"{RUN}/{{coder}}/{{point}}/summary_{{protocol}}.json",
        pictures=f"{RUN}/{{coder}}/{{point}}/pictures_{{protocol}}.parquet",
        record=f"{RUN}/{{coder}}/{{point}}/summarize_{{protocol}}.provenance.json",
    log:
        f"{RUN}/logs/summarize/{{coder}}_{{point}}_{{protocol}}.log",
    benchmark:
        f"{RUN}/benchmarks/summarize/{{coder}}_{{point}}_{{protocol}}.tsv"
    conda:
        ENV
    params:
        run=config["run"],
        method=lambda wildcards: CODERS[wildcards.coder][0],
        ssm_source=ssm_source,
        settings=settings("classes_of_interest", "interval_block"),
        identity=depends("summarize", "coder", "point", "protocol"),
    script:
        "../scripts/summarize.py"


rule tables:
    input:
        summaries=of_points("summary_{protocol}.json"),
        pictures=of_points("pictures_{protocol}.parquet"),
        originals=of_originals("scores.npz"),
        timing=[path for paths in timings().values() for path in paths],
    output:
        **{name: f"{RUN}/tables/{name}.csv" for name in TABLES},
        all_pictures=f"{RUN}/tables/pictures.parquet",
        record=f"{RUN}/tables/tables.provenance.json",
    log:
        f"{RUN}/logs/tables.log",
    benchmark:
        f"{RUN}/benchmarks/tables.tsv"
    conda:
        ENV
    params:
        run=config["run"],
        judge=config["judge"],
        timing=list(timings().items()),
        identity=identity("tables"),
    script:
        "../scripts/tables.py"


rule compare:
    input:
        points=rules.tables.output.points,
        intervals=rules.tables.output.intervals,
        pictures=rules.tables.output.all_pictures,
        timing=rules.tables.output.timing,
    output:
        matched=f"{RUN}/tables/matched.csv",
        bd=f"{RUN}/tables/bd.csv",
        claims=f"{RUN}/tables/claims.csv",
        markdown=f"{RUN}/tables/claims.md",
        compressai=compressai_files(),
        record=f"{RUN}/tables/compare.provenance.json",
    log:
        f"{RUN}/logs/compare.log",
    benchmark:
        f"{RUN}/benchmarks/compare.tsv"
    conda:
        ENV
    params:
        ssm_codec=config["ssm_codec"],
        identity=identity("compare"),
    script:
        "../scripts/compare.py"
