# The paper's figures 2, 3, 4a and 4b, and figures of where rate and quality come from.


rule figures:
    input:
        points=rules.tables.output.points,
        per_class=rules.tables.output.per_class,
        recall=rules.tables.output.recall,
        intervals=rules.tables.output.intervals,
        given=given(plan.files("figures")),
    output:
        **figure_files(PLOTS),
        record=f"{RUN}/figures/figures.provenance.json",
    log:
        f"{RUN}/logs/figures.log",
    benchmark:
        f"{RUN}/benchmarks/figures.tsv"
    conda:
        ENV
    params:
        protocol=plan.first,
        names=PLOTS,
        steps=lambda wildcards: config["steps_csv"],
        anchors=lambda wildcards: plan.anchors,
        frame_rate=lambda wildcards: config["frame_rate"],
        given_content=plan.weights("figures"),
        identity=plan.fingerprint("figures"),
    script:
        "../scripts/figures.py"


if plan.painted:
    PAINTED_CHUNKS = plan.painted_chunks()
    # Decoded again from coded files, which stay, so that another point does not ask for decoded images that are gone.
    PAINTED_CODED = plan.shown(
        ("spic", "bpg") if "figure2" in plan.painted else (), PAINTED_CHUNKS, "coded"
    )

    rule figure_pictures:
        input:
            all_pictures=rules.tables.output.all_pictures,
            pictures=expand(rules.prepare.output.pictures, chunk=PAINTED_CHUNKS),
            labels=expand(rules.prepare.output.labels, chunk=PAINTED_CHUNKS),
            ssm=expand(rules.segment.output.ssm, chunk=PAINTED_CHUNKS),
            sent=[plan.maps(plan.sent(plan.first), chunk) for chunk in PAINTED_CHUNKS],
            space=f"{RUN}/originals/{PAINTED_CHUNKS[0]}/label_space.json",
            coded=[folder for *_, folder in PAINTED_CODED],
            weights=given(plan.files("figure_pictures")),
            resolved=rules.resolve.output[0],
        output:
            **figure_files(plan.painted),
            numbers=f"{RUN}/figures/pictures.csv",
            pictures=directory(f"{RUN}/figures/pictures"),
            record=f"{RUN}/figures/figure_pictures.provenance.json",
        log:
            f"{RUN}/logs/figure_pictures.log",
        benchmark:
            f"{RUN}/benchmarks/figure_pictures.tsv"
        conda:
            ENV
        threads: config["torch_threads"]
        resources:
            gpu=1,
        params:
            protocol=plan.first,
            names=lambda wildcards: config["figure_pictures"],
            limits=[plan.parts[plan.first][chunk] for chunk in PAINTED_CHUNKS],
            coded=[(method, point) for method, point, *_ in PAINTED_CODED],
            methods=plan.uncompressed,
            truth_space=TRUTH_SPACE,
            segmenter={
                "name": config["segmenter"],
                "weights": config["segmenter_weights"],
                "input_size": plan.segmenter_input(plan.first),
            },
            settings=plan.figure_settings(),
            weights=plan.weights("figure_pictures"),
            identity=plan.fingerprint("figure_pictures"),
        script:
            "../scripts/figure_pictures.py"
