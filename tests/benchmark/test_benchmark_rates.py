"""Every method that is registered: the rate that is scored is the size of the files on disk, and they decode."""

import json
import sys
from dataclasses import asdict

import numpy as np
import pytest

from spic.benchmark.coding import decode, encode, read_folder
from spic.benchmark.method import Settings
from spic.benchmark.methods import get_method, method_names
from spic.benchmark.observations import Maps, load_arrays
from spic.benchmark.scores import score
from spic.machine import CPU
from spic.pictures.reading import write_png
from spic.pictures.sizes import WORKING_SIZE

SIZE = (64, 96)
TOY = """
import zlib, numpy as np
class Toy:
    def compress(self, image, quality): return bytes(image.shape[:2]) + zlib.compress(image.tobytes(), quality)
    def decompress(self, data): return np.frombuffer(zlib.decompress(data[2:]), np.uint8).reshape(*data[:2], 3)
"""
POINTS = {"simplify": 8, "bpp": 2.0, "quality": 9, "distance": 2.0, "factor": 4}  # by what sets the rate; else 35


def value(method):
    """A point of a method, by the names of its settings."""
    if isinstance(method.parameter, str):
        return POINTS.get(method.parameter.removeprefix("coarse_"), 35)
    return {name: POINTS.get(name, 35) for name in method.parameter}


@pytest.fixture(scope="module")
def scenes(tiny_scenes, tmp_path_factory):
    """By their size: folders of two images and their maps, which are the SSM and the ground truth."""
    return {size: folders(tmp_path_factory.mktemp("scene"), tiny_scenes(2, size)) for size in (SIZE, WORKING_SIZE)}


def folders(folder, scenes):
    for i in range(2):
        for kind, pixels in (("pictures", scenes.picture(i)), ("ssm", scenes.labels(i))):
            (folder / kind).mkdir(exist_ok=True)
            write_png(folder / kind / f"{i}.png", pixels)
    (folder / "looks").mkdir()
    (folder / "space.json").write_text(json.dumps(asdict(scenes.label_space)))
    return folder


@pytest.fixture(scope="module")
def settings(tiny_decoder, tiny_chain, tiny_ablations, tiny_ldm, tmp_path_factory):
    """Tiny weights, and what else a method needs."""
    codec = tmp_path_factory.mktemp("codec") / "toy.py"
    codec.write_text(TOY)
    options = {"learned": {"codec": f"{codec}:Toy"}, "ldm": {"steps": 1}}
    weights = {"decoder_weights": str(tiny_decoder), "ldm_weights": str(tiny_ldm)}
    weights["spic_20_weights"] = str(tiny_chain)
    weights |= {name: str(path) for name, path in tiny_ablations.items()}
    return Settings(**weights, ssm_codec="png", machine=CPU, learned_python=sys.executable, method_options=options)


@pytest.mark.parametrize("name", method_names())
def test_the_rate_is_the_size_of_the_files(name, scenes, settings, tmp_path):
    method, size = get_method(name, settings), WORKING_SIZE if name in ("hevc", "av1") else SIZE  # they know no other
    scene = scenes[size]
    assert method.lack is None
    encode(name, value(method), settings, scene / "pictures", scene / "ssm", tmp_path / "coded", tmp_path / "t1.csv")
    sizes = {"0": 0, "1": 0}
    for path in (tmp_path / "coded").iterdir():
        sizes[path.name.partition(".")[0]] += path.stat().st_size
    originals = Maps(scene / "ssm", scene / "space.json", scene / "ssm", "camvid11", scene / "looks")
    score(originals, tmp_path / "scores.npz", method=name, counted=tmp_path / "coded", settings=settings)
    found = load_arrays(tmp_path / "scores.npz")
    kinds = [key for key in found if key.startswith("bytes_")]
    counted = found["bytes_file"] if "bytes_file" in kinds else sum(found[key] for key in kinds)
    assert list(found["names"]) == ["0", "1"] and counted.tolist() == [sizes["0"], sizes["1"]] and min(counted) > 20
    decode(name, settings, tmp_path / "coded", tmp_path / "decoded", tmp_path / "t2.csv")
    decoded = dict(read_folder(tmp_path / "decoded"))
    assert [picture.shape for picture in decoded.values()] == [(*size, 3)] * 2
    assert not np.array_equal(*decoded.values())
