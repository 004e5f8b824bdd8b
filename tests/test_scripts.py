"""Scripts of the workflow on tables made up for it: runs whose names look like numbers, numbers that are none."""

import json
import multiprocessing
import re
import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from snakemake.iocontainers import Namedlist

from spic.benchmark.summary import point_columns, write_parquet
from spic.metrics.columns import columns_of
from spic.metrics.objects import SIZE_NAMES
from spic.report.compare import compare_run
from spic.report.tables import INTERVAL_COLUMNS, read_csv, write_csv

ROOT = Path(__file__).resolve().parents[1]
METRICS = [row.name for row in columns_of(()) if row.value and row.compared]
KEYS = ["run", "protocol", "method", "point"]
POINTS = [  # method, point, bpp, ssm_source; both points of SPIC lie between those of BPG
    ("spic", "coarse_qp40", 0.2, "segmenter"),
    ("spic", "coarse_qp30", 0.3, "segmenter"),
    ("bpg", "qp40", 0.1, ""),
    ("bpg", "qp30", 0.4, ""),
]


def make_tables(folder, run="r", **values) -> dict[str, str]:
    """The tables of a run as rule `tables` leaves them, {name: path}; `values` are columns of the points."""
    points = pd.DataFrame(POINTS, columns=["method", "point", "bpp", "ssm_source"]).assign(
        run=run, protocol="corrected"
    )
    points = points.assign(n=2, miou=points["bpp"], fd_lite0=1 / points["bpp"], psnr=20 + points["bpp"])
    points = points.assign(**values).reindex(columns=point_columns())
    keys, nan = points[KEYS], np.nan
    intervals = [keys.assign(metric=name, value=points[name], low=nan, high=nan, spread=nan) for name in METRICS]
    sizes = [keys.assign(**{"class": "sign", "size": s, "found": 1, "total": 2, "recall": nan}) for s in SIZE_NAMES]
    tables = {
        "points": points,
        "intervals": pd.concat(intervals)[INTERVAL_COLUMNS],
        "timing": pd.concat([keys.assign(stage=stage, n=2, mean_seconds=0.5) for stage in ("encode", "decode")]),
        "per_class": keys.assign(**{"class": "road", "iou": [0.5, nan, 0.5, nan], "iou_gt": nan}),
        "recall": pd.concat(sizes),
        "judge": pd.DataFrame({"run": [run], "judge": "judge", "class": "mean", "iou_gt": nan}),
    }
    for name, table in tables.items():
        write_csv(table, folder / f"{name}.csv")
    pictures = pd.concat([points.assign(name=name, small_found=1.0, small_total=2.0) for name in ("a", "a.left")])
    write_parquet(pictures, folder / "pictures.parquet")
    return {name: str(folder / f"{name}.csv") for name in tables} | {"pictures": str(folder / "pictures.parquet")}


def files(paths: dict) -> Namedlist:
    """Paths, and lists of them, under their names, as Snakemake gives them to a script."""
    found = Namedlist()
    for name, value in paths.items():
        start, several = len(found), isinstance(value, list)
        found.extend(value if several else [value])
        found._set_name(name, start, end=len(found) if several else None)
    return found


def run_script(folder, name, given, out, params):
    """Run a script as its job does, in a process of its own; an error shows its log."""
    log = folder / f"{name}.log"
    job = SimpleNamespace(log=[str(log)], input=files(given), output=files(out), params=Namedlist(fromdict=params))
    arguments = (str(ROOT / "scripts" / f"{name}.py"), {"snakemake": job})
    process = multiprocessing.get_context("fork").Process(target=runpy.run_path, args=arguments)
    process.start()
    process.join(120)
    process.kill()
    assert process.exitcode == 0, log.read_text()


def compare_and_show(folder, given, run="r") -> dict[str, Path]:
    """What the rules `compare` and `overview` make of the tables."""
    out = {name: str(folder / f"{name}.csv") for name in ("matched", "margins", "bd", "claims")}
    out |= {"markdown": str(folder / "claims.md"), "compressai": [str(folder / "corrected" / "bpg.json")]}
    params = {"ssm_codec": "flif", "second_segmenter": None, "steps": None, "points": []}
    run_script(folder, "compare", given | {"replicates": []}, out, params)
    (folder / "resolved.json").write_text("{}")
    more = {"resolved": str(folder / "resolved.json"), "figures": [], "records": []}
    more |= {"all_pictures": given["pictures"]}
    pages = {"page": str(folder / "overview.html"), "tables": str(folder / "tables.html")}
    params = {"run": run, "protocol": "corrected", "captions": [], "settings": {}}
    run_script(folder, "overview", given | out | more, pages, params)
    made = {name: Path(path) for name, path in (out | pages).items() if isinstance(path, str)}
    return made | {"compressai": Path(out["compressai"][0])}


@pytest.mark.parametrize("run", ["007", "nan"])
def test_a_run_keeps_its_name_in_tables_and_pages(run, tmp_path):
    made = compare_and_show(tmp_path, make_tables(tmp_path, run), run)
    for table in ("matched", "bd"):
        assert set(read_csv(made[table])["run"]) == {run}
    assert f"claims on {run}\n" in made["markdown"].read_text()
    described = json.loads(made["compressai"].read_text())["description"]
    assert described == f"run {run}, protocol corrected, 2 pictures"
    assert f"<h1>{run}: 2 pictures, protocol corrected</h1>" in made["page"].read_text()
    assert f"run: {run}," in made["tables"].read_text()


def test_a_figure_names_its_run(tmp_path):
    names = ("figure4a", "figure4b", "rate_split", "iou_per_class")
    out = {f"{name}_svg": str(tmp_path / f"{name}.svg") for name in names}
    params = {"protocol": "corrected", "names": names, "steps": None, "anchors": [], "frame_rate": 15}
    run_script(tmp_path, "figures", make_tables(tmp_path, "007"), out, params)
    for path in out.values():
        assert ">007: 2 pictures" in Path(path).read_text()
    assert "kbit/s at 15 frames" in Path(out["figure4a_svg"]).read_text()


def test_a_run_with_another_segmenter_judges_claim_8(tmp_path):
    given, second = make_tables(tmp_path, miou=0.8), tmp_path / "second.csv"
    out = {name: tmp_path / f"{name}.csv" for name in ("matched", "margins", "bd", "claims")}
    out |= {"markdown": tmp_path / "claims.md", "compressai": [tmp_path / "corrected" / "bpg.json"]}

    def judged(**changes):
        read_csv(given["points"]).assign(run="other", miou_independent=np.nan, **changes).to_csv(second, index=False)
        params = {
            "ssm_codec": "flif",
            "second_segmenter": str(second) if changes else None,
            "steps": None,
            "points": [],
        }
        compare_run(SimpleNamespace(**given, replicates=[]), SimpleNamespace(**params), SimpleNamespace(**out))
        return read_csv(out["claims"]).set_index("claim").loc[8]

    assert judged()["verdict"] == judged(protocol="official")["verdict"] == "cannot be judged"
    for miou, verdict in ((0.75, "holds"), (0.6, "does not hold")):
        claim = judged(miou=miou)
        assert claim["verdict"] == verdict and "segmenter (run other) is at least" in claim["numbers"]


def test_a_run_with_a_table_of_steps_judges_claim_9(tmp_path):
    given, steps = make_tables(tmp_path), tmp_path / "steps.csv"
    out = {name: tmp_path / f"{name}.csv" for name in ("matched", "margins", "bd", "claims")}
    out |= {"markdown": tmp_path / "claims.md", "compressai": [tmp_path / "corrected" / "bpg.json"]}

    def judged(rows):
        steps.write_text("steps,seconds\n" + "".join(f"{count},{time}\n" for count, time in rows))
        params = SimpleNamespace(ssm_codec="flif", second_segmenter=None, steps=str(steps), points=[])
        compare_run(SimpleNamespace(**given, replicates=[]), params, SimpleNamespace(**out))
        return read_csv(out["claims"]).set_index("claim").loc[9]

    assert judged([(1, 0.5), (8, 4.0)])["verdict"] == "cannot be judged"
    assert judged([(20, 10), (1000, 500)])["verdict"] == "holds"
    assert judged([(20, 10), (1000, 9)])["verdict"] == "does not hold"


INF, NAN = np.inf, np.nan


@pytest.mark.parametrize(
    "values",
    [
        {"psnr": [20, 21, INF, INF]},
        {"psnr": INF},
        dict.fromkeys(METRICS, NAN),
        {"miou": [NAN, 0.5, NAN, 0.6], "small_recall": NAN, "psnr": [INF, NAN, 20, INF]},
    ],
)
def test_numbers_that_are_infinite_or_missing_leave_no_page_out(values, tmp_path):
    made = compare_and_show(tmp_path, make_tables(tmp_path, **values))
    points = read_csv(tmp_path / "points.csv")
    (shown, *_) = (t for t in strict(made["tables"], "tables") if t["heading"] == "Points")
    said = f"{shown['note']}, {shown['rows']}"
    assert ("inf" in said) == bool(np.isinf(points["psnr"]).any()) and "nan" not in said.lower()
    page = re.sub(r"<style>.*?</style>", "", made["page"].read_text(), flags=re.S)
    assert not re.search(r"\b(inf|nan)\b", re.sub(r"<[^>]+>", " ", page))
    assert ("identical images, at most 2 of 2 by" in page) == bool(np.isinf(points["psnr"]).any())
    assert list(read_csv(made["claims"])["claim"]) == list(range(1, 10))
    results = json.loads(made["compressai"].read_text(), parse_constant=pytest.fail)["results"]
    assert ("psnr-rgb" in results) == bool(np.isfinite(points["psnr"][2:]).all())
    assert not np.isinf(read_csv(made["matched"])["psnr"]).any()


def strict(page: Path, name: str):
    """The JSON that a page holds, read as browsers read it."""
    return json.loads(re.search(rf"const {name} = (.*);\n", page.read_text())[1], parse_constant=pytest.fail)


def test_a_method_without_a_rate_stands_in_tables_and_figures(tmp_path):
    """Methods that make channel symbols have no bits per pixel."""
    given = make_tables(tmp_path, bpp=[0.2, 0.3, NAN, NAN])
    made = compare_and_show(tmp_path, given)
    assert list(read_csv(made["claims"])["claim"]) == list(range(1, 10))
    assert not made["compressai"].exists()
    names = ("figure4a", "figure4b", "rate_split", "iou_per_class")
    out = {f"{name}_svg": str(tmp_path / f"{name}.svg") for name in names}
    params = {"protocol": "corrected", "names": names, "steps": None, "anchors": [], "frame_rate": None}
    run_script(tmp_path, "figures", given, out, params)
