# The paper's figures 2, 3, 4a and 4b, and those that tell where rate and quality come from.


include: "figure_names.smk"


STEPS_CSV = [config["steps_csv"]] if config["steps_csv"] else []


rule figures:
    input:
        points=rules.tables.output.points,
        per_class=rules.tables.output.per_class,
        recall=rules.tables.output.recall,
        intervals=rules.tables.output.intervals,
        steps=given(STEPS_CSV),
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
        protocol=FIRST,
        names=PLOTS,
        steps=lambda wildcards: config["steps_csv"],
        steps_content=weights(STEPS_CSV),
        identity=identity("figures"),
    script:
        "../scripts/figures.py"


if PAINTED:
    PAINTED_CHUNKS = painted_chunks()
    # Decoded anew from coded files, which stay, so that another point does not ask for decoded pictures that are gone.
    PAINTED_CODED = {
        f"{RUN}/{FOLDERS[method, FIRST]}/{point}/{chunk}/coded": (method, point)
        for method in ("spic", "bpg")
        if "figure2" in PAINTED
        for point in POINTS[method]
        for chunk in PAINTED_CHUNKS
    }
    PAINTED_WEIGHTS = SEGMENTER_WEIGHTS + [
        path
        for method in ("spic", "sr")
        if method in POINTS
        for path in stages.decoder_files(method_under(method, FIRST), config)
    ]

    rule figure_pictures:
        input:
            all_pictures=rules.tables.output.all_pictures,
            pictures=expand(rules.prepare.output.pictures, chunk=PAINTED_CHUNKS),
            labels=expand(rules.prepare.output.labels, chunk=PAINTED_CHUNKS),
            ssm=expand(rules.segment.output.ssm, chunk=PAINTED_CHUNKS),
            sent=expand(
                f"{RUN}/originals/{{chunk}}/{SENT_FOLDER[SENT[FIRST]]}",
                chunk=PAINTED_CHUNKS,
            ),
            space=f"{RUN}/originals/{PAINTED_CHUNKS[0]}/label_space.json",
            coded=list(PAINTED_CODED),
            weights=given(PAINTED_WEIGHTS),
            resolved=rules.resolve.output[0],
        output:
            **figure_files(PAINTED),
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
            protocol=FIRST,
            names=lambda wildcards: config["figure_pictures"],
            limits=[PARTS[FIRST][chunk] for chunk in PAINTED_CHUNKS],
            coded=list(PAINTED_CODED.values()),
            methods=[
                "upsampled",
                *(method for method in ("sr", "spic") if method in POINTS),
            ],
            truth_space=TRUTH_SPACE,
            segmenter={
                "name": config["segmenter"],
                "weights": config["segmenter_weights"],
                "input_size": INPUTS[FIRST],
            },
            settings={
                **settings(
                    "ssm_codec",
                    "coarse_codec",
                    "decoder_weights",
                    "sr_weights",
                    "seed",
                ),
                "protocol": FIRST,
            },
            weights=weights(PAINTED_WEIGHTS),
            identity=identity("figure_pictures"),
        script:
            "../scripts/figure_pictures.py"


FIGURES = PLOTS + PAINTED
