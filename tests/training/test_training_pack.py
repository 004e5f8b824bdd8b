"""Packs: what is written comes back, what is wrong is named."""

import json
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest

from spic.codecs import get_codec
from spic.errors import ConfigError, DataError
from spic.pictures.sizes import downscale
from spic.training.pack import read_pack, read_split, write_pack


@pytest.fixture(scope="module")
def path(tiny_scenes, tmp_path_factory):
    path = tmp_path_factory.mktemp("pack") / "two.zip"
    done = []
    assert write_pack(path, [tiny_scenes(2)], [40, 30, 30], get_codec("bpg"), report=done.append) == 2
    assert done == ["scene_00000", "scene_00001"]
    return path


def test_round_trip(path, tiny_scenes):
    pack, scenes = read_pack(path), tiny_scenes(2)
    assert len(pack) == 2 and pack.names == scenes.names and pack.sources == ["street_scenes"] * 2
    assert pack.label_space == "camvid11" and sorted(pack.coarse) == [30, 40]
    bpg = get_codec("bpg")
    for i in range(2):
        assert np.array_equal(pack.labels[i], scenes.labels(i))
        error = pack.pictures[i].astype(float) - scenes.picture(i)
        assert np.sqrt(np.square(error).mean()) < 4  # JPEG of quality 95
        for qp in (30, 40):
            expected = bpg.decode(bpg.encode(downscale(scenes.picture(i)), qp=qp, chroma="444"))
            assert np.array_equal(pack.coarse[qp][i], expected)


def test_where(path):
    pack = read_pack(path)
    part = pack.where(lambda name: name.endswith("1"))
    assert part.names == ["scene_00001"] and part.sources == ["street_scenes"] and part.label_space == "camvid11"
    assert np.array_equal(part.pictures, pack.pictures[1:]) and np.array_equal(part.labels, pack.labels[1:])
    assert np.array_equal(part.coarse[30], pack.coarse[30][1:])
    assert len(pack.where(lambda name: False)) == 0


def test_split(path):
    """What is left out to validate is no longer there to train on."""
    whole = read_pack(path)
    kept, apart = read_split(path, [whole.names[0]])
    assert kept.names == whole.names[1:] and apart.names == whole.names[:1]
    assert np.array_equal(apart.pictures, whole.pictures[:1])
    everything, nothing = read_split(path, [])
    assert everything.names == whole.names and nothing is None
    for prefix, left in (("scene", 0), ("none", len(whole))):
        with pytest.raises(ConfigError, match=f"leaves {left} of {len(whole)}"):
            read_split(path, [prefix])


def test_without_qps_any_size_will_do(tiny_scenes, tmp_path):
    write_pack(tmp_path / "a.zip", [tiny_scenes(1, (30, 41))])
    pack = read_pack(tmp_path / "a.zip")
    assert pack.coarse == {} and pack.pictures.shape == (1, 30, 41, 3)


def stranger(scenes, **changes):
    """A data set like `scenes`, except for `changes`."""
    own = {"name": "stranger", "label_space": scenes.label_space, "names": ["x"], "size": scenes.size}
    return SimpleNamespace(**{**own, "picture": scenes.picture, "labels": scenes.labels, **changes})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"names": ["scene_00000"]}, "scene_00000 comes twice"),
        ({"labels": lambda i: None}, "stranger: x has no labels"),
        ({"label_space": SimpleNamespace(name="other")}, "one label space"),
        ({"size": (1, 1)}, "one label space and size"),
    ],
)
def test_what_is_not_packed(changes, reason, tiny_scenes, tmp_path):
    with pytest.raises(DataError, match=reason):
        write_pack(tmp_path / "a.zip", [tiny_scenes(1), stranger(tiny_scenes(1), **changes)])
    assert list(tmp_path.iterdir()) == []


def test_nothing_half_written(tiny_scenes, tmp_path):
    with pytest.raises(ConfigError):
        write_pack(tmp_path / "a.zip", [tiny_scenes(1)], [99], get_codec("bpg"))
    with pytest.raises(DataError):
        write_pack(tmp_path / "a.zip", [])
    assert list(tmp_path.iterdir()) == []


def repack(path, target, drop=None, replace=None):
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            if name != drop:
                new.writestr(name, (replace or {}).get(name, old.read(name)))
    return target


@pytest.mark.parametrize(
    "name", ["pack.json", "picture/scene_00001.jpg", "labels/scene_00000.png", "coarse-30/scene_00000.webp"]
)
def test_missing_members(name, path, tmp_path):
    with pytest.raises(DataError, match=rf"a\.zip: not a training pack .*{name}"):
        read_pack(repack(path, tmp_path / "a.zip", drop=name))


def test_not_a_pack(path, tmp_path):
    with pytest.raises(DataError, match=r"none\.zip"):
        read_pack(tmp_path / "none.zip")
    (tmp_path / "a.zip").write_bytes(b"not a zip file")
    with pytest.raises(DataError, match=r"a\.zip: not a training pack"):
        read_pack(tmp_path / "a.zip")
    data = bytearray(path.read_bytes())
    data[len(data) // 4] ^= 255
    (tmp_path / "b.zip").write_bytes(data)
    with pytest.raises(DataError, match=r"b\.zip"):
        read_pack(tmp_path / "b.zip")


def test_odd_contents(path, tmp_path):
    with zipfile.ZipFile(path) as archive:
        meta = json.loads(archive.read("pack.json"))
        picture = archive.read("picture/scene_00000.jpg")
    for replace in (
        {"pack.json": b"[]"},
        {"pack.json": b"{"},
        {"pack.json": json.dumps({**meta, "items": []})},
        {"pack.json": json.dumps({**meta, "label_space": "mars"})},
        {"pack.json": json.dumps({**meta, "qps": 3})},
        {"labels/scene_00000.png": picture},
        {"labels/scene_00000.png": b"\x89PNG\r\n\x1a\n"},
        {"coarse-30/scene_00000.webp": picture, "coarse-30/scene_00001.webp": picture},
    ):
        with pytest.raises(DataError):
            read_pack(repack(path, tmp_path / "a.zip", replace=replace))
