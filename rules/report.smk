# Outputs for readers: gallery, overview (first page), and Snakemake's report of everything.


from spic.report.pages.gallery import choose_pictures
from spic.run.launch import check_cluster, hold_folder, write_report


report: "../report/workflow.rst"


onstart:
    if workflow.is_main_process:
        try:
            check_cluster(workflow)
            hold_folder()
        except SpicError as error:
            sys.exit(f"spic: {error}")


onsuccess:
    made = {job.rule.name for job in workflow.dag.jobs}
    if workflow.is_main_process and "overview" in made:
        write_report(workflow, f"{RUN}/report.html")


# Gallery and first page show the first protocol, as the figures do.
SHOWN = choose_pictures(
    plan.dataset.names,
    plan.parts[plan.first],
    plan.chunk_size,
    config["gallery"]["pictures"],
)
# Method whose .spic files show the coarse image.
SENDERS = [method for method in ("spic", "spic_labelmap") if method in plan.points][:1]


# Decoded images that are dropped after scoring leave behind those that are shown, so that another point does not
# decode all points again.
# Folders of the images that are shown, by chunk, and of what methods made: (method, point, chunk, folder).
PICTURES_SHOWN = {chunk: placed(f"{RUN}/originals/{chunk}/pictures") for chunk in SHOWN}
SSM_SHOWN = {chunk: placed(plan.maps(plan.sent(plan.first), chunk)) for chunk in SHOWN}
DECODED_SHOWN, CODED_SHOWN = (
    [(*of, placed(folder)) for *of, folder in plan.shown(methods, SHOWN, kind)]
    for methods, kind in ((plan.points, plan.kept), (SENDERS, "coded"))
)

if plan.kept == "shown":

    rule show:
        input:
            rules.decode.output.decoded,
        output:
            directory(f"{RUN}/{{coder}}/{{point}}/{{chunk}}/shown"),
        log:
            f"{RUN}/logs/show/{{coder}}_{{point}}_{{chunk}}.log",
        benchmark:
            f"{RUN}/benchmarks/show/{{coder}}_{{point}}_{{chunk}}.tsv"
        conda:
            ENV
        params:
            files=lambda wildcards: [f"{name}.png" for name in SHOWN[wildcards.chunk]],
        shell:
            """
            (mkdir -p {output} && for file in {params.files:q}; do cp -- {input}/"$file" {output}; done) 2>{log}
            """


rule gallery:
    input:
        points=rules.tables.output.points,
        all_pictures=rules.tables.output.all_pictures,
        space=f"{RUN}/originals/{next(iter(SHOWN))}/label_space.json",
        originals=PICTURES_SHOWN.values(),
        ssm=SSM_SHOWN.values(),
        decoded=[folder for *_, folder in DECODED_SHOWN],
        coded=[folder for *_, folder in CODED_SHOWN],
    output:
        gallery=directory(f"{RUN}/gallery"),
        preview=report(
            f"{RUN}/gallery_preview.html",
            category="2 Pictures",
            caption="../report/gallery.rst",
            labels={"what": "pictures by every method, with a slider"},
        ),
    log:
        f"{RUN}/logs/gallery.log",
    benchmark:
        f"{RUN}/benchmarks/gallery.tsv"
    conda:
        ENV
    params:
        run=config["run"],
        protocol=plan.first,
        bpp=config["gallery"]["bpp"],
        chosen=SHOWN,
        originals=PICTURES_SHOWN,
        ssm=SSM_SHOWN,
        truth_space=TRUTH_SPACE if plan.sent(plan.first) == "ground_truth" else None,
        decoded=DECODED_SHOWN,
        coded=CODED_SHOWN,
        clip=plan.clip(SHOWN),
        identity=plan.fingerprint("gallery"),
    script:
        "../scripts/gallery.py"


rule overview:
    input:
        **{
            name: f"{RUN}/tables/{name}.csv"
            for name in [*TABLES, "matched", "margins", "bd", "claims"]
        },
        all_pictures=rules.tables.output.all_pictures,
        figures=expand(f"{RUN}/figures/figure{{name}}.svg", name=["4a", "4b"]),
        resolved=rules.resolve.output[0],
        records=[
            expand(rules.segment.output.record, chunk=plan.chunks[0]),
            expand(rules.look_at_originals.output.record, chunk=plan.chunks[0]),
            *(
                expand(
                    rules.decode.output.record,
                    coder=plan.folders[method, plan.first],
                    point=point,
                    chunk=plan.chunks[0],
                )
                for method, points in plan.points.items()
                for point in list(points)[:1]
            ),
            rules.tables.output.record,
        ],
    output:
        page=f"{RUN}/overview.html",
        tables=report(
            f"{RUN}/tables.html",
            category="3 Details",
            caption="../report/tables.rst",
            labels={"what": "all tables, sortable"},
        ),
    log:
        f"{RUN}/logs/overview.log",
    benchmark:
        f"{RUN}/benchmarks/overview.tsv"
    conda:
        ENV
    params:
        run=config["run"],
        protocol=plan.first,
        captions=[
            "Figure 4a: semantics kept over rate",
            "Figure 4b: distance to the originals over rate",
        ],
        settings={
            "pictures": f"{config['dataset']}, split {config['split']}, {len(plan.dataset)} pictures at 256x512",
            "SSM": f"from the {plan.sent(plan.first).replace('_', ' ')}, coded by {config['ssm_codec']}",
            "coarse picture": f"64x128, coded by {config['coarse_codec']}",
            "segmenter": f"{config['segmenter']}, looks at {plan.segmenter_input()} size",
            "judge": config["judge"] or "none",
            "intervals": f"95 %, neighbours drawn together: {config['interval_block']}",
            "seed": config["seed"],
        },
        identity=plan.fingerprint("overview"),
    script:
        "../scripts/overview.py"
