"""BPG against files of the reference tools: a few synthetic ones travel with the repository, the full set is shared."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spic.codecs.bpg import BpgCodec, decode_planes
from spic.errors import BitstreamError

OWN = Path(__file__).resolve().parent.parent / "data" / "bpg"
OWN_CASES = json.loads((OWN / "manifest.json").read_text())["cases"]


def _digest(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def _check_decoding(data, case):
    planes = decode_planes(data)
    assert set(planes) == set(case["planes"])
    for name, plane in planes.items():
        assert list(plane.shape) == case["planes"][name]["shape"]
        assert _digest(plane) == case["planes"][name]["sha256"], name
    rgb = BpgCodec().decode(data)
    assert rgb.dtype == np.uint8 and list(rgb.shape) == case["pixels"]["shape"]
    assert _digest(rgb) == case["pixels"]["sha256"]


def _psnr(one, other):
    return 10 * np.log10(255**2 / np.mean((one.astype(float) - other) ** 2))


def _check_encoding(source, case, size_slack, psnr_slack):
    picture = np.asarray(Image.open(source))
    picture = picture[:, :, None] if picture.ndim == 2 else picture
    data = BpgCodec().encode(picture, qp=case["q"])
    assert len(data) <= case["bytes"] * (1 + size_slack) + 1
    assert _psnr(BpgCodec().decode(data), picture) >= case["psnr_rgb_db"] - psnr_slack
    return len(data) / case["bytes"]


@pytest.mark.parametrize("case", OWN_CASES, ids=lambda case: case["id"])
def test_own_vectors_decode_exactly(case):
    _check_decoding((OWN / case["file"]).read_bytes(), case)


@pytest.mark.parametrize("case", [case for case in OWN_CASES if case["encoder"] == "x265"], ids=lambda case: case["id"])
def test_own_vectors_encode_like_the_reference(case):
    _check_encoding(OWN / case["source"], case, size_slack=0.02, psnr_slack=0.3)


@pytest.fixture(scope="module")
def vectors(shared):
    folder = shared / "conformance" / "bpg"
    if not folder.is_dir():
        pytest.skip(f"no folder {folder}")
    return folder, json.loads((folder / "manifest.json").read_text())["cases"]


@pytest.mark.shared
def test_every_valid_vector_decodes_exactly(vectors):
    folder, cases = vectors
    valid = [case for case in cases if case["expect"] == "decode"]
    assert len(valid) >= 30
    for case in valid:
        _check_decoding((folder / case["file"]).read_bytes(), case)


@pytest.mark.shared
def test_malformed_vectors_are_refused_or_keep_their_size(vectors):
    folder, cases = vectors
    for case in cases:
        if case["scope"] != "malformed":
            continue
        try:
            picture = BpgCodec().decode((folder / case["file"]).read_bytes())
        except BitstreamError:
            continue
        assert case["expect"] == "error-or-decode", case["id"]
        assert picture.shape == (64, 128, 3)


@pytest.mark.shared
def test_sizes_are_within_one_percent_of_the_reference(vectors):
    folder, cases = vectors
    ratios = [
        _check_encoding(folder / case["source"], case, size_slack=0.02, psnr_slack=0.3)
        for case in cases
        if case.get("encoder") == "x265" and case["scope"] == "core" and case["options"] == f"-c ycbcr -q {case['q']}"
    ]
    assert len(ratios) >= 10
    assert 0.99 < np.median(ratios) < 1.01
