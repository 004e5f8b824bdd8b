"""What docs/channel.md shows runs as it stands there."""

import re
from pathlib import Path

import numpy as np
import pytest

from spic.benchmark.method import Picture, Settings
from spic.datasets import get_dataset

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "channel.md").read_text(encoding="utf-8")
TEN_LINES, MODEL = re.findall(r"```python\n(.*?)```", TEXT, re.S)


def test_bpg_and_ldpc_in_ten_lines():
    pytest.importorskip("sionna")
    image = np.zeros((64, 128, 3), np.uint8)
    names = {"image": image, "mean_image": None}
    assert len(TEN_LINES.splitlines()) <= 10
    exec(TEN_LINES, names)
    assert names["rebuilt"].shape == image.shape and names["cbr"] == 1024 / (3 * 64 * 128)  # one packet
    exec(TEN_LINES.replace("snr_db=3", "snr_db=-9"), names)
    assert names["rebuilt"] is None


def test_symbols_of_a_model():
    names = {}
    exec(MODEL, names)
    method, image = names["Analog"](Settings()), get_dataset("street_scenes", None, "val", 1).picture(0)
    near, far = (method.encode(Picture(image), snr_db) for snr_db in (40, 0))
    assert method.channel_uses(near) == 64 * 128 * 3 / 2
    clean, noisy = method.decode([near, far], ["a", "a"])
    assert np.abs(noisy - image.astype(int)).mean() > np.abs(clean - image.astype(int)).mean()
