"""The command line and the workflow are one codec: the same settings give the same bytes and the same picture."""

import subprocess
import sys

import numpy as np
import pytest

from spic.pictures.reading import read_picture

pytestmark = pytest.mark.workflow
MACHINE = ["--device", "cpu", "--dtype", "float32", "--threads", "1"]  # those of config/smoke.yaml


def test_encode_and_decode_give_what_the_workflow_gives(smoke, tmp_path):
    source = sorted((smoke.results / "originals" / "0000" / "pictures").glob("*.png"))[0]
    point = smoke.results / "spic" / "coarse_qp35" / "0000"

    def spic(*arguments):
        subprocess.run([sys.executable, "-m", "spic.cli", *map(str, arguments), *MACHINE], cwd=tmp_path, check=True)

    spic("encode", source, "-o", tmp_path / "street.spic", "--quality", 35)
    (coded,) = (point / "coded").glob(f"{source.stem}.*.spic")
    assert (tmp_path / "street.spic").read_bytes() == coded.read_bytes()
    spic("decode", tmp_path / "street.spic", "-o", tmp_path / "back.png")
    workflow = read_picture(point / "decoded" / source.name)
    assert np.array_equal(read_picture(tmp_path / "back.png"), workflow)
