# Figure 4 of the paper: (a) mIoU against rate, (b) Frechet distance against rate.


rule figure4:
    input:
        rules.tables.output.points,
    output:
        expand(
            f"{RUN}/figures/figure{{name}}.{{suffix}}",
            name=["4a", "4b"],
            suffix=["svg", "png"],
        ),
    log:
        f"{RUN}/logs/figure4.log",
    benchmark:
        f"{RUN}/benchmarks/figure4.tsv"
    conda:
        ENV
    params:
        protocol=next(iter(PROTOCOLS)),
    script:
        "../scripts/figure4.py"
