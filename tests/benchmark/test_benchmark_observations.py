"""Looks: each picture is seen once, by content; what does not fit is named."""

import numpy as np
import pytest

from spic.benchmark.observations import Look, label_space, look, plan_looks, read_look
from spic.errors import DataError
from spic.machine import Machine
from spic.pictures.labels import CAMVID11
from spic.pictures.reading import read_picture, write_png


@pytest.fixture
def pictures(tmp_path):
    rng = np.random.default_rng(0)
    for folder in ("decoded", "originals"):
        for name in ("a", "b.c", "d"):
            write_png(tmp_path / folder / f"{name}.png", rng.integers(0, 256, (16, 32, 3), np.uint8))
    return tmp_path / "decoded"


class Means:
    """A look that counts how often it loads and sees."""

    def __init__(self, version=1, paired=False):
        self.loaded = self.seen = 0
        self.look = Look({"look": "means", "version": version}, self.build, paired)

    def build(self):
        self.loaded += 1

        def see(sample):
            self.seen += 1
            return {"mean": sample.decoded.mean(), "error": np.abs(sample.decoded.astype(int) - sample.original).mean()}

        return see


def test_a_look_holds_every_picture_by_name(pictures, tmp_path):
    look(pictures, tmp_path / "out", {"means": Means().look})
    arrays = read_look(tmp_path / "out", "means")
    assert list(arrays["names"]) == ["a", "b.c", "d"] and list(arrays["size"]) == [16, 32]
    assert arrays["mean"].tolist() == [read_picture(path).mean() for path in sorted(pictures.glob("*.png"))]
    assert not arrays["error"].any() and read_look(tmp_path / "out", "judge") is None


def test_the_same_network_never_sees_the_same_pictures_twice(pictures, tmp_path):
    def run(means, out):
        look(pictures, tmp_path / out, {"means": means.look}, cache=tmp_path / "cache")
        return means.loaded, means.seen

    assert run(Means(), "one") == (1, 3)
    assert run(Means(), "two") == (0, 0)
    assert (tmp_path / "one" / "means.npz").read_bytes() == (tmp_path / "two" / "means.npz").read_bytes()
    assert run(Means(version=2), "three") == (1, 3)
    write_png(pictures / "a.png", np.zeros((16, 32, 3), np.uint8))
    assert run(Means(), "four") == (1, 3)
    assert read_look(tmp_path / "four", "means")["mean"][0] == 0


def test_a_new_network_looks_alone(pictures, tmp_path):
    old, new = Means(), Means(version="new")
    look(pictures, tmp_path / "one", {"old": old.look}, cache=tmp_path / "cache")
    look(pictures, tmp_path / "two", {"old": old.look, "new": new.look}, cache=tmp_path / "cache")
    assert old.seen == new.seen == 3 and (tmp_path / "two" / "old.npz").exists()


def test_pairs_are_known_by_both_pictures(pictures, tmp_path):
    means = Means(paired=True)

    def run(out):
        originals = tmp_path / "originals"
        look(pictures, tmp_path / out, {"means": means.look}, originals=originals, cache=tmp_path / "cache")
        return read_look(tmp_path / out, "means")

    assert run("one")["error"].all()
    write_png(tmp_path / "originals" / "d.png", read_picture(pictures / "d.png"))
    assert run("two")["error"].tolist()[2] == 0 and means.seen == 6


@pytest.mark.parametrize("damage", [lambda data: data[:-40], lambda data: b"", lambda data: data[:99] + b"x" * 50])
def test_a_damaged_cache_is_not_believed(pictures, tmp_path, damage):
    means = Means()
    look(pictures, tmp_path / "one", {"means": means.look}, cache=tmp_path / "cache")
    (known,) = (tmp_path / "cache" / "means").iterdir()
    known.write_bytes(damage(known.read_bytes()))
    look(pictures, tmp_path / "two", {"means": means.look}, cache=tmp_path / "cache")
    assert means.seen == 6
    assert (tmp_path / "one" / "means.npz").read_bytes() == (tmp_path / "two" / "means.npz").read_bytes()


def test_pictures_without_a_partner_are_named(pictures, tmp_path):
    def run(limit=None):
        look(pictures, tmp_path / "out", {"m": Means().look}, originals=tmp_path / "originals", limit=limit)

    with pytest.raises(DataError, match=r"\bd is in only one"):
        run(limit=2)
    (pictures / "b.c.png").unlink()
    with pytest.raises(DataError, match=r"b\.c is in only one"):
        run()
    assert not (tmp_path / "out").exists()


def test_pictures_of_another_size_are_named(pictures, tmp_path):
    write_png(pictures / "d.png", np.zeros((16, 16, 3), np.uint8))
    with pytest.raises(DataError, match=r"d\.png"):
        look(pictures, tmp_path / "out", {"means": Means().look})


def test_damaged_looks_are_named(pictures, tmp_path):
    look(pictures, tmp_path / "out", {"means": Means().look})
    (tmp_path / "out" / "means.npz").write_bytes(b"PK\x03\x04 nonsense")
    with pytest.raises(DataError, match=r"means\.npz: damaged"):
        read_look(tmp_path / "out", "means")


def test_the_plan_follows_the_settings(tiny_segmenter):
    weights = {"fid_weights": __file__, "lpips_weights": __file__}
    everything = {"segmenter": "street", "judge": "street", "metric_weights": weights}
    known = ["segmenter", "judge", "lite0", "inception", "distortion", "lpips"]

    def planned(**settings):
        return [name for name in plan_looks(**settings) if name in known]

    assert planned() == ["lite0", "distortion"]
    assert planned(paired=False) == ["lite0"]
    assert planned(**everything) == known
    further = {"second": {"segmenter": "street", "weights": tiny_segmenter}}
    looks = plan_looks(judge="street", judges=further)
    assert looks["judge_second"].identity["weights"] != looks["judge"].identity["weights"]
    own = plan_looks(segmenter="street", segmenter_weights=tiny_segmenter)["segmenter"].identity
    shipped = plan_looks(segmenter="street")["segmenter"].identity
    assert own["weights"] != shipped["weights"]
    assert plan_looks(segmenter="street", machine=Machine("cpu", "bfloat16"))["segmenter"].identity != shipped
    assert plan_looks(segmenter="street", machine=Machine("cpu", "float32", 2))["segmenter"].identity != shipped


def test_a_segmenter_looks(pictures, tmp_path, tiny_segmenter):
    from spic.segmentation import get_segmenter

    settings = {"device": "cpu", "dtype": "float32"}
    plan = plan_looks(judge="street", judge_weights=tiny_segmenter)
    look(pictures, tmp_path / "out", {"judge": plan["judge"]})
    seen = read_look(tmp_path / "out", "judge")
    network = get_segmenter("street", tiny_segmenter, **settings)
    assert np.array_equal(seen["labels"][1], network.segment(read_picture(pictures / "b.c.png")[None])[0])
    assert label_space(seen["space"]) == CAMVID11
