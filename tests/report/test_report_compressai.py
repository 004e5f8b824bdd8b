import json

import numpy as np
import pandas as pd
import pytest

from spic.errors import DataError
from spic.report.compare import compressai_results, write_compressai


def points():
    return pd.DataFrame(
        {
            "run": "demo",
            "protocol": "corrected",
            "method": ["bpg", "bpg", "bpg", "spic", "spic"],
            "point": ["qp30", "qp40", "qp50", "coarse_qp35", "coarse_qp25"],
            "n": 8,
            "bpp": [0.9, 0.3, 0.1, 0.15, 0.2],
            "bpp_ssm": [np.nan, np.nan, np.nan, 0.1, 0.1],
            "miou": [0.9, 0.8, 0.5, 0.5, 0.6],
            "fid": np.nan,
            "psnr": [36.0, 30.0, 25.0, 23.0, np.inf],
            "ms_ssim": [0.99, 0.95, 0.9, 0.8, 0.82],
        }
    )


def timing():
    rows = [
        ("bpg", p, stage, 0.1 * i) for i, p in enumerate(("qp30", "qp40", "qp50")) for stage in ("encode", "decode")
    ]
    rows.append(("spic", "coarse_qp35", "decode", 0.5))
    return pd.DataFrame(rows, columns=["method", "point", "stage", "mean_seconds"])


def test_results_are_sorted_by_rate_and_carry_compressais_names():
    bpg = compressai_results(points(), "bpg", timing=timing())
    assert bpg["name"] == "bpg" and bpg["description"] == "run demo, protocol corrected, 8 pictures"
    assert bpg["results"] == {
        "bpp": [0.1, 0.3, 0.9],
        "miou": [0.5, 0.8, 0.9],
        "psnr-rgb": [25.0, 30.0, 36.0],
        "ms-ssim-rgb": [0.9, 0.95, 0.99],
        "encoding_time": pytest.approx([0.2, 0.1, 0.0]),
        "decoding_time": pytest.approx([0.2, 0.1, 0.0]),
    }


def test_a_number_that_is_missing_or_infinite_at_one_point_is_left_out():
    spic = compressai_results(points(), "spic", timing=timing(), description="ours")
    assert set(spic["results"]) == {"bpp", "bpp_ssm", "miou", "ms-ssim-rgb"}
    assert spic["description"] == "ours"


def test_files_are_strict_json_one_a_method(tmp_path):
    paths = write_compressai(points(), tmp_path / "compressai", timing=timing())
    assert [path.name for path in paths] == ["bpg.json", "spic.json"]
    for path in paths:
        written = json.loads(path.read_text(), parse_constant=pytest.fail)
        assert written == compressai_results(points(), path.stem, timing=timing())
        assert len({len(values) for values in written["results"].values()}) == 1


def test_points_that_do_not_belong_together_are_refused():
    table = points()
    with pytest.raises(DataError, match="no points"):
        compressai_results(table, "jpeg2000")
    table.loc[0, "protocol"] = "official"
    with pytest.raises(DataError, match="one protocol"):
        compressai_results(table, "bpg")
    table = points()
    table.loc[0, "bpp"] = np.nan
    with pytest.raises(DataError, match="no points with a rate"):
        compressai_results(table, "bpg")
