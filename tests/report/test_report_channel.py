"""Figure and page of a noisy channel."""

import re

import numpy as np
import pandas as pd
import pytest

from spic.report.channel import budget, capacity_bound, envelope, shown_metrics
from spic.report.figures.channel import channel_curves
from spic.report.pages.channel import write_channel_page

CHANNEL = {"snr_db": [0, 4], "cbr": None, "fading": "none", "realisations": 100}


def row(method, code_rate, snr_db, cbr, miou, outage=0.0):
    found = {"run": "r", "protocol": "corrected", "method": method, "point": "p", "n": 2, "modulation": "qpsk"}
    found |= {"code_rate": code_rate, "fading": "none", "realisations": 100, "snr_db": snr_db, "cbr": cbr}
    return found | {
        "outage": outage,
        "complete": 1 - outage,
        "miou": miou,
        "psnr": 20.0,
        "miou_all": miou,
        "fid": np.nan,
    }


TABLE = pd.DataFrame(
    [
        row("spic", "1/2", 0, 0.04, 0.1, 1.0),
        row("spic", "1/2", 4, 0.04, 0.8),
        row("spic", "1/3", 0, 0.06, 0.75),
        row("spic", "1/3", 4, 0.06, 0.75),
        row("bpg", "1/2", 0, 0.03, 0.1, 1.0),
        row("bpg", "1/2", 4, 0.03, 0.4),
        row("bpg", "1/2", 0, 0.05, 0.1, 1.0),
        row("bpg", "1/2", 4, 0.05, 0.6),
        {**row("mean image", "", np.nan, 0, 0.1, 1.0), "point": ""},
    ]
)
POINTS = pd.DataFrame({"method": "bpg", "bpp": [0.1, 0.2, 0.4], "miou": [0.4, 0.6, 0.7], "psnr": [20.0, 25, 30]})


def test_equal_channel_uses_by_hand():
    assert budget(TABLE, None) == 0.04 and budget(TABLE, 0.1) == 0.1
    assert budget(TABLE[TABLE["method"] != "spic"], None) == 0.03
    assert envelope(TABLE, "spic", "miou", 0.04).to_dict() == {0: 0.1, 4: 0.8}  # the code of rate 1/3 costs more
    assert envelope(TABLE, "spic", "miou", 0.06).to_dict() == {0: 0.75, 4: 0.8}
    assert envelope(TABLE, "bpg", "miou", 0.04).to_dict() == pytest.approx({0: 0.1, 4: 0.5})  # between two points
    assert envelope(TABLE, "bpg", "miou", 0.02).empty
    assert envelope(TABLE, "spic", "outage", 0.06).to_dict() == {0: 0.0, 4: 0.0}  # low is better


def test_capacity_by_hand():
    # at 0 dB a complex channel use carries 1 bit: 3 x 0.05 bits per pixel, half of the way from 0.1 to 0.2 in logarithm
    between = 0.4 + 0.2 * np.log(1.5) / np.log(2)
    found = capacity_bound(POINTS, 0.1, "miou", 0.05, [0, -20, 60], "none")
    assert found == pytest.approx([between, 0.1, 0.7])
    faded = capacity_bound(POINTS, 0.1, "miou", 0.05, [0, -20, 60], "rayleigh")
    assert faded[0] < between and faded[1] == pytest.approx(0.1) and faded[2] == pytest.approx(0.7)
    assert np.isnan(capacity_bound(POINTS.iloc[:0], 0.1, "miou", 0.05, [0], "none")).all()


def test_figure_and_page(tmp_path):
    assert shown_metrics(TABLE) == ["miou", "psnr", "outage"]
    channel_curves(TABLE, POINTS, CHANNEL, tmp_path / "channel")
    text = (tmp_path / "channel.svg").read_text()
    assert "SPIC" in text and "BPG at capacity" in text and "share of images lost" in text and "0.0400" in text
    write_channel_page(tmp_path / "channel.html", TABLE, CHANNEL, tmp_path / "channel.svg")
    page = (tmp_path / "channel.html").read_text()
    assert re.search(r"<th>SPIC</th><td class=\"best\">0.100</td><td class=\"best\">0.800</td>", page)
    assert "<h2>share of images lost</h2>" in page and (tmp_path / "channel.png").stat().st_size > 1000
