# A noisy channel around every method; only with `channel` in the config. Nothing is decoded here.


rule mean_images:
    input:
        pictures=rules.prepare.output.pictures,
    output:
        directory(f"{RUN}/channel/{{chunk}}/lost"),
        record=f"{RUN}/channel/{{chunk}}/mean_images.provenance.json",
    log:
        f"{RUN}/logs/channel/mean_images_{{chunk}}.log",
    benchmark:
        f"{RUN}/benchmarks/channel/mean_images_{{chunk}}.tsv"
    conda:
        ENV
    params:
        settings=plan.settings("dataset", "dataset_root", "split", "limit"),
        identity=lambda wildcards: plan.fingerprint("mean_images", wildcards.chunk),
    script:
        "../scripts/mean_images.py"


use rule look as look_at_lost with:
    input:
        pictures=rules.mean_images.output[0],
        originals=rules.prepare.output.pictures,
        labels=rules.prepare.output.labels,
        ssm=rules.segment.output.ssm,
        space=rules.segment.output.space,
        weights=given(plan.files("look")),
        resolved=rules.resolve.output[0],
    output:
        directory(f"{RUN}/channel/{{chunk}}/looks"),
        record=f"{RUN}/channel/{{chunk}}/look_at_lost.provenance.json",
    log:
        f"{RUN}/logs/channel/look_{{chunk}}.log",
    benchmark:
        f"{RUN}/benchmarks/channel/look_{{chunk}}.tsv"
    params:
        limit=None,
        identity=lambda wildcards: plan.fingerprint("look_at_lost", wildcards.chunk),


use rule score_originals as score_lost with:
    input:
        looks=rules.look_at_lost.output[0],
        labels=rules.prepare.output.labels,
        ssm=rules.segment.output.ssm,
        space=rules.segment.output.space,
        original_looks=rules.look_at_originals.output[0],
    output:
        f"{RUN}/channel/{{chunk}}/scores.npz",
        record=f"{RUN}/channel/{{chunk}}/score_lost.provenance.json",
    log:
        f"{RUN}/logs/channel/score_{{chunk}}.log",
    benchmark:
        f"{RUN}/benchmarks/channel/score_{{chunk}}.tsv"
    params:
        segmenter_look=plan.segmenter_look(plan.first),
        identity=lambda wildcards: plan.fingerprint("score_lost", wildcards.chunk),


# Of each point: its names, its settings, and the files of its chunks.
CHANNEL_POINTS = plan.channel_points()


rule channel:
    input:
        scores=[path for point in CHANNEL_POINTS for path in point["scores"]],
        coded=[path for point in CHANNEL_POINTS for path in point["coded"]],
        lost=plan.of_chunks(plan.first, "channel", "scores.npz"),
    output:
        table=f"{RUN}/tables/channel.csv",
        record=f"{RUN}/tables/channel.provenance.json",
    log:
        f"{RUN}/logs/channel/table.log",
    benchmark:
        f"{RUN}/benchmarks/channel/table.tsv"
    conda:
        ENV
    params:
        run=config["run"],
        protocol=plan.first,
        channel=config["channel"],
        block=config["interval_block"],
        points=CHANNEL_POINTS,
        identity=plan.fingerprint("channel"),
    script:
        "../scripts/channel.py"


rule channel_figure:
    input:
        table=rules.channel.output.table,
        points=rules.tables.output.points,
    output:
        **figure_files(["channel"]),
        page=report(
            f"{RUN}/channel.html",
            category="1 Result",
            caption="../report/channel.rst",
            labels={"what": "a noisy channel: all numbers of the figure"},
        ),
        record=f"{RUN}/channel_figure.provenance.json",
    log:
        f"{RUN}/logs/channel/figure.log",
    benchmark:
        f"{RUN}/benchmarks/channel/figure.tsv"
    conda:
        ENV
    params:
        protocol=plan.first,
        channel=config["channel"],
        identity=plan.fingerprint("channel_figure"),
    script:
        "../scripts/channel_figure.py"
