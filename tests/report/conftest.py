import pandas as pd
import pytest


@pytest.fixture
def curve():
    """Makes points of one method at some rates, with columns of metrics, as points.csv has them."""

    def make(method, rates, **columns):
        base = {
            "run": "r",
            "protocol": "corrected",
            "method": method,
            "point": [f"p{i}" for i in range(len(rates))],
            "n": 7,
        }
        return pd.DataFrame(base | {"bpp": rates} | columns)

    return make


@pytest.fixture
def points(curve):
    """SPIC with two coders of its SSM, and BPG."""
    half = 0.05  # of the intervals
    spic = curve("spic", [0.1, 0.2, 0.9], miou=[0.6, 0.7, 0.8], fd_lite0=[9.0, 7.0, 5.0], psnr=[20.0, 21.0, 22.0])
    spic = spic.assign(miou_low=spic["miou"] - half, miou_high=spic["miou"] + half)
    own = curve("spic_labelmap", [0.05, 0.4], miou=[0.7, 0.75], fd_lite0=[8.0, 6.0], psnr=[19.0, 19.5])
    own = own.assign(miou_low=[0.6, 0.55], miou_high=[0.9, 0.9])
    bpg = curve("bpg", [0.05, 0.4], miou=[0.4, 0.7], fd_lite0=[20.0, 11.0], psnr=[25.0, 28.0])
    bpg = bpg.assign(miou_low=[0.4, 0.7], miou_high=[0.4, 0.7])
    return pd.concat([spic, own, bpg], ignore_index=True)
