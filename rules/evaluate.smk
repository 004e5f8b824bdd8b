# Images to numbers: what networks see (looks), scores of each image, then one summary per point.


rule look_at_originals:
    input:
        pictures=rules.prepare.output.pictures,
        weights=given(plan.files("look_at_originals")),
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
            **plan.settings("judge", "judge_weights", "judges"),
            "metric_weights": plan.metric_weights,
            **(
                plan.settings("segmenter", "segmenter_weights")
                if plan.other_looks
                else {}
            ),
            "segmenter_inputs": plan.other_looks,
        },
        cache=CACHE,
        weights=plan.weights("look_at_originals"),
        identity=lambda wildcards: plan.fingerprint(
            "look_at_originals", wildcards.chunk
        ),
    script:
        "../scripts/look.py"


use rule look_at_originals as look with:
    input:
        pictures=rules.decode.output.decoded,
        originals=rules.prepare.output.pictures,
        labels=rules.prepare.output.labels,
        ssm=rules.segment.output.ssm,
        space=rules.segment.output.space,
        weights=given(plan.files("look")),
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
    params:
        settings={
            **plan.settings("segmenter", "segmenter_weights"),
            **plan.settings("judge", "judge_weights", "judges"),
            "metric_weights": plan.metric_weights,
            "segmenter_inputs": {
                "segmenter": plan.segmenter_input(),
                **plan.other_looks,
            },
        },
        truth_space=TRUTH_SPACE,
        limit=lambda wildcards: plan.limit(wildcards.coder, wildcards.chunk),
        weights=plan.weights("look"),
        identity=lambda wildcards: plan.fingerprint(
            "look", wildcards.chunk, wildcards.coder, wildcards.point
        ),


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
        identity=lambda wildcards: plan.fingerprint("score_originals", wildcards.chunk),
    script:
        "../scripts/score.py"


use rule score_originals as score with:
    input:
        looks=rules.look.output[0],
        counted=lambda wildcards: f"{RUN}/{wildcards.coder}/{wildcards.point}/{wildcards.chunk}/"
        + plan.counted(wildcards.coder, wildcards.protocol),
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
    params:
        method=lambda wildcards: plan.coders[wildcards.coder][0],
        settings=plan.settings("ssm_codec", "coarse_codec"),
        segmenter_look=lambda wildcards: plan.segmenter_look(wildcards.protocol),
        identity=lambda wildcards: plan.fingerprint(
            "score",
            wildcards.chunk,
            wildcards.coder,
            wildcards.point,
            wildcards.protocol,
        ),


rule summarize:
    input:
        scores=lambda wildcards: plan.of_chunks(
            wildcards.protocol,
            f"{wildcards.coder}/{wildcards.point}",
            f"scores_{wildcards.protocol}.npz",
        ),
        looks=lambda wildcards: plan.of_chunks(
            wildcards.protocol, f"{wildcards.coder}/{wildcards.point}", "looks"
        ),
        originals=lambda wildcards: plan.of_chunks(
            wildcards.protocol, "originals", "looks"
        ),
    output:
        summary=f"{RUN}/{{coder}}/{{point}}/summary_{{protocol}}.json",
        pictures=f"{RUN}/{{coder}}/{{point}}/pictures_{{protocol}}.parquet",
        replicates=f"{RUN}/{{coder}}/{{point}}/replicates_{{protocol}}.npz",
        record=f"{RUN}/{{coder}}/{{point}}/summarize_{{protocol}}.provenance.json",
    log:
        f"{RUN}/logs/summarize/{{coder}}_{{point}}_{{protocol}}.log",
    benchmark:
        f"{RUN}/benchmarks/summarize/{{coder}}_{{point}}_{{protocol}}.tsv"
    conda:
        ENV
    params:
        run=config["run"],
        method=lambda wildcards: plan.coders[wildcards.coder][0],
        ssm_source=lambda wildcards: plan.sends(wildcards.coder) or "",
        settings=plan.settings("classes_of_interest", "interval_block"),
        identity=lambda wildcards: plan.fingerprint(
            "summarize", wildcards.coder, wildcards.point, wildcards.protocol
        ),
    script:
        "../scripts/summarize.py"


TIMINGS = {of: [placed(path) for path in paths] for of, paths in plan.timings().items()}


rule tables:
    input:
        summaries=[
            f"{RUN}/{folder}/summary_{protocol}.json"
            for protocol, *_, folder in plan.each_point()
        ],
        pictures=[
            f"{RUN}/{folder}/pictures_{protocol}.parquet"
            for protocol, *_, folder in plan.each_point()
        ],
        originals=expand(rules.score_originals.output[0], chunk=plan.chunks),
        timing=[path for paths in TIMINGS.values() for path in paths],
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
        judges=list(config["judges"]),
        frame_rate=config["frame_rate"],
        timing=list(TIMINGS.items()),
        identity=plan.fingerprint("tables"),
    script:
        "../scripts/tables.py"


rule compare:
    input:
        points=rules.tables.output.points,
        intervals=rules.tables.output.intervals,
        pictures=rules.tables.output.all_pictures,
        timing=rules.tables.output.timing,
        judge=rules.tables.output.judge,
        replicates=[
            f"{RUN}/{folder}/replicates_{protocol}.npz"
            for protocol, *_, folder in plan.each_point()
        ],
        given=given(plan.files("compare")),
    output:
        matched=f"{RUN}/tables/matched.csv",
        margins=f"{RUN}/tables/margins.csv",
        bd=f"{RUN}/tables/bd.csv",
        claims=f"{RUN}/tables/claims.csv",
        markdown=f"{RUN}/tables/claims.md",
        compressai=plan.compressai_files(),
        record=f"{RUN}/tables/compare.provenance.json",
    log:
        f"{RUN}/logs/compare.log",
    benchmark:
        f"{RUN}/benchmarks/compare.tsv"
    conda:
        ENV
    params:
        ssm_codec=config["ssm_codec"],
        second_segmenter=lambda wildcards: config["second_segmenter"],
        steps=lambda wildcards: config["steps_csv"],
        points=[one[:3] for one in plan.each_point()],
        given_content=plan.weights("compare"),
        identity=plan.fingerprint("compare"),
    script:
        "../scripts/compare.py"
