"""Draw figures 2 and 3 of the paper: chosen pictures by SPIC, BPG, and without source compression."""

from pathlib import Path

import pandas as pd

from spic.benchmark.coding import load_segmenter, method_settings, png_files
from spic.benchmark.observations import label_space
from spic.pictures.labels import get_label_space
from spic.report.figures.pictures import figure2, figure3
from spic.report.figures.shown import (
    Eye,
    choose,
    coded_versions,
    numbers,
    uncompressed_versions,
    write_pictures,
)
from spic.report.tables import write_csv
from spic.run.cards import own_machine
from spic.run.job import job

NO_SR = "Super-resolution without the SSM (method sr) is left out: the run has no such method, which needs sr_weights."

with job(snakemake):
    given, params, out = snakemake.input, snakemake.params, snakemake.output
    machine = own_machine(given.resolved)
    labelled = all(png_files(folder) for folder in given.labels)
    space = get_label_space(params.truth_space) if labelled else label_space(Path(given.space).read_text())
    guides = given.labels if labelled else given.ssm
    chosen = choose(given.pictures, guides, space, given.sent, params.limits, params.names)
    settings, eye = method_settings(params.settings, machine), Eye(load_segmenter(**params.segmenter, machine=machine))
    figures = {"figure3": uncompressed_versions(chosen, params.methods, settings, eye)}
    note = "" if "sr" in params.methods else NO_SR
    figure3(figures["figure3"], note, out.figure3_svg.removesuffix(".svg"))
    if "figure2_svg" in out.keys():
        table = pd.read_parquet(given.all_pictures)
        table = table[table["protocol"] == params.protocol]
        coded = {}
        for (method, point), folder in zip(params.coded, given.coded, strict=True):
            coded.setdefault((method, point), []).append(folder)
        figures["figure2"] = [coded_versions(chosen[0], table, coded, settings, eye)]
        figure2(figures["figure2"][0], eye.space, out.figure2_svg.removesuffix(".svg"))
    write_csv(numbers(figures), out.numbers)
    write_pictures(figures, out.pictures)
