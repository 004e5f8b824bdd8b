"""A noisy channel around the points of a run: patterns, weights and averages against counts by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from spic.benchmark.channel import KEYS, Reading, Sent, averaged, check_channel, lost_row, message_sizes, point_rows
from spic.benchmark.lost import averaged_images, mean_images, training_split
from spic.benchmark.methods import get_method
from spic.benchmark.protocols import CORRECTED
from spic.bitstream import Residual, SpicFile, read_spic, write_spic
from spic.channel import Code
from spic.channel.losses import BlockErrors
from spic.channel.realisations import Realisations, Scheme, channel_uses, schemes, shares
from spic.channel.spicfile import to_messages
from spic.datasets import get_dataset
from spic.errors import ConfigError, DataError
from spic.metrics import iou_per_class
from spic.pictures.reading import read_picture, write_png

CHANNEL = {"snr_db": [-9, 20], "modulation": ["qpsk"], "code_rate": ["1/2"], "fading": "none", "realisations": 50}
CHANNEL |= {"cbr": None, "packet_bytes": 128, "seed": 0}
READING = Reading(CORRECTED)
NAMES = [f"street_{i}" for i in range(6)]


def scores_of(seed: int, psnr: float = 20.0) -> dict:
    """Scores of six images in two classes."""
    rng = np.random.default_rng(seed)
    return {
        "names": np.array(NAMES),
        "height": np.array(256),
        "width": np.array(512),
        "classes": np.array(["road", "sky"]),
        "confusion": rng.integers(1, 1000, (6, 2, 3)),
        "psnr": psnr + rng.random(6),
        "lpips": rng.random(6),
    }


OWN, SR, LOST = scores_of(1, 30), scores_of(2, 25), scores_of(3, 10)
SIZES = {"ssm": np.full(6, 700), "coarse": np.full(6, 900)}


@pytest.fixture
def step(monkeypatch):
    """Codes that lose everything below 10 log10(2^R - 1) dB for R bits per symbol, and nothing above."""

    def curve(code):
        edge = 10 * np.log10(2**code.efficiency - 1)
        return BlockErrors(np.array([edge - 1e-9, edge + 1e-9]), np.array([1.0, 0.0]))

    monkeypatch.setattr("spic.channel.realisations.block_errors", curve)


def test_channel_uses_by_hand():
    codes = Scheme("qpsk", {"ssm": "1/2", "coarse": "2/3"}).codes(SIZES)
    # 700 bytes are 6 packets of 120, of 1024 symbols; 900 are 8, of 768
    assert channel_uses(SIZES, codes).tolist() == [6 * 1024 + 8 * 768] * 6
    assert Scheme("qpsk", {"ssm": "1/2", "coarse": 2 / 3}).spelled(SIZES) == "ssm 1/2, coarse 2/3"
    assert Scheme("qpsk", {"ssm": "1/2"}).codes(SIZES) is None and Scheme("qpsk", 0.5).spelled(SIZES) == "1/2"


def test_messages_of_methods():
    spic, bpg = get_method("spic"), get_method("bpg")
    data = write_spic(SpicFile((256, 512), (256, 512), "camvid11", "flif", "bpg", "0123abcd", b"S" * 70, b"C" * 90))
    sizes = message_sizes(spic, {"a": {"picture": data}}, ["a"])
    assert {name: size.tolist() for name, size in sizes.items()} == {k: [len(v)] for k, v in to_messages(data).items()}
    assert tuple(sizes) == spic.message_names and bpg.message_names == ("image",)
    assert message_sizes(bpg, {"a": {"picture": b"12345"}}, ["a"])["image"].tolist() == [5]
    full = write_spic(read_spic(data), version=2)  # the same messages, whatever the version
    assert {name: size.tolist() for name, size in message_sizes(spic, {"a": {"picture": full}}, ["a"]).items()} == {
        name: size.tolist() for name, size in sizes.items()
    }
    lost = write_spic(replace(read_spic(data), ssm=None))
    with pytest.raises(DataError, match="a is sent as coarse, not as ssm, coarse"):
        message_sizes(spic, {"a": {"picture": lost}}, ["a"])
    shown, coarse = spic.stand_ins(35), {"coarse_qp": 35}
    assert shown == {("coarse",): [("sr", coarse), ("upsampled", coarse)], ("ssm",): [("sdm", {"simplify": 0})]}


def test_a_residual_is_a_third_message():
    file = SpicFile(
        (256, 512), (256, 512), "camvid11", "flif", "bpg", "0123abcd", b"S", b"C", residual=Residual("bpg", 2, b"R")
    )
    dsslic = get_method("dsslic")
    assert tuple(dsslic.messages({"picture": write_spic(file)})) == dsslic.message_names
    shown = dsslic.stand_ins({"coarse_qp": 35, "residual_qp": 40})
    assert shown["ssm", "coarse"] == [("spic", {"coarse_qp": 35})] and ("residual",) not in shown
    assert shown["coarse", "residual"] == shown["coarse",] and shown["ssm", "residual"] == shown["ssm",]


def test_patterns_by_hand():
    arrived = {
        "ssm": np.array([[1, 1, 0, 0], [1, 1, 1, 1]], bool),
        "coarse": np.array([[1, 0, 1, 0], [1, 1, 1, 0]], bool),
    }
    weights = shares(arrived, [("ssm", "coarse"), ("coarse",)])
    assert weights.tolist() == [[0.25, 0.75], [0.25, 0.0], [0.5, 0.25]]  # both; no SSM; all else is lost
    assert shares(arrived, [("ssm", "coarse"), ("coarse",), ("ssm",)])[-1].tolist() == [0.25, 0.0]


def test_far_above_the_cliff_and_far_below_it():
    low, high = point_rows(Sent("bpg", "qp40", {"image": np.full(6, 1000)}, OWN), LOST, CHANNEL, READING, draws())
    assert (low["outage"], low["complete"], high["outage"], high["complete"]) == (1, 0, 0, 1)
    assert high["miou"] == np.nanmean(iou_per_class(OWN["confusion"].sum(axis=0)))
    assert high["psnr"] == OWN["psnr"].mean() and low["psnr"] == LOST["psnr"].mean()
    assert low["cbr"] == high["cbr"] == 9 * 1024 / (3 * 256 * 512)
    expected = lost_row(LOST, READING)
    assert all(low[name] == pytest.approx(expected[name], nan_ok=True) for name in low if name not in KEYS)


def draws(**settings) -> Realisations:
    return Realisations(NAMES, CHANNEL | settings)


def test_realisations_weigh_what_was_seen_once():
    """Averages over realisations, against the same loop by hand."""
    channel = CHANNEL | {"snr_db": [1.25], "code_rate": [{"ssm": "1/2", "coarse": "1/2"}]}
    sent = Sent("spic", "coarse_qp35", SIZES, OWN, {("coarse",): SR})
    (row,) = point_rows(sent, LOST, channel, READING, draws())
    came = draws().arrive(SIZES, dict.fromkeys(SIZES, Code("qpsk", "1/2")), 1.25)
    shown = np.where(came["ssm"] & came["coarse"], 0, np.where(came["coarse"], 1, 2))  # (image, realisation)
    assert len(np.unique(shown)) == 3
    sources = [OWN, SR, LOST]
    values = [[sources[shown[i, r]]["psnr"][i] for i in range(6)] for r in range(50)]
    assert row["psnr"] == pytest.approx(np.mean(values)) and row["psnr_low"] < row["psnr"] < row["psnr_high"]
    total = sum(sources[shown[i, r]]["confusion"][i] for i in range(6) for r in range(50))
    assert row["miou"] == pytest.approx(np.nanmean(iou_per_class(total)))
    assert row["outage"] == pytest.approx((shown == 2).mean()) and row["complete"] == pytest.approx((shown == 0).mean())


def test_identical_images_have_a_finite_psnr():
    own = OWN | {"psnr": np.where(np.arange(6) == 0, np.inf, OWN["psnr"])}
    half = averaged([own, LOST], np.full((2, 6), 0.5), READING)
    assert np.isfinite(half["psnr"]) and averaged([own, LOST], np.array([[1.0] * 6, [0.0] * 6]), READING)["psnr"] > 30


def test_same_seed_same_losses_whatever_else_is_sent():
    codes = {"image": Code("qpsk", "1/2")}
    size = {"image": np.full(6, 1000)}
    first = draws().arrive(size, codes, 1.25)["image"]
    assert (draws().arrive(size, codes, 1.25)["image"] == first).all()
    one = Realisations(NAMES[2:3], CHANNEL).arrive({"image": size["image"][:1]}, codes, 1.25)["image"]
    assert (one == first[2:3]).all()  # an image is lost as often in whatever chunk it is
    assert (draws(realisations=20).arrive(size, codes, 1.25)["image"] == first[:, :20]).all()
    assert (draws(seed=1).arrive(size, codes, 1.25)["image"] != first).any() and 0 < first.mean() < 1


def test_rayleigh_outage_is_the_closed_formula(step):
    """A message is lost where |h|^2 SNR < 2^R - 1, which happens with the probability 1 - exp(-(2^R - 1) / SNR)."""
    names = [f"s{i}" for i in range(40)]
    many = Realisations(names, CHANNEL | {"fading": "rayleigh", "realisations": 100})
    for snr_db, code in ((3, Code("qpsk", "1/2")), (10, Code("16qam", "2/3"))):
        arrived = many.arrive({"image": np.full(40, 1000)}, {"image": code}, snr_db)["image"]
        expected = 1 - np.exp(-(2**code.efficiency - 1) / 10 ** (snr_db / 10))
        assert 1 - arrived.mean() == pytest.approx(expected, abs=3.5 * np.sqrt(expected * (1 - expected) / 4000))


def test_messages_of_one_image_meet_one_gain(step):
    came = draws(fading="rayleigh").arrive(SIZES, dict.fromkeys(SIZES, Code("qpsk", "1/2")), 0)
    assert (came["ssm"] == came["coarse"]).all() and 0 < came["ssm"].mean() < 1


def methods(*names):
    return {name: get_method(name) for name in names}


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"code_rate": ["1/9"]}, "code rate '1/9': expected 1/5 to 19/20"),
        ({"code_rate": [{"ssm": "1/2"}]}, "channel.code_rate: no method sends ssm alone"),
        ({"code_rate": [{"ssm": "1/2", "coarse": "1/3"}]}, "none of them is for what bpg sends, image"),
    ],
)
def test_one_line_for_codes_that_do_not_fit(settings, message):
    with pytest.raises(ConfigError, match=message):
        check_channel(CHANNEL | settings, methods("spic", "bpg"))
    assert len(schemes(CHANNEL | {"modulation": ["bpsk", "qpsk"], "code_rate": ["1/2", "1/3"]})) == 4


def test_codes_that_nobody_measured_need_sionna(monkeypatch):
    monkeypatch.setattr("spic.channel.losses.find_spec", lambda name: None)
    check_channel(CHANNEL | {"modulation": ["bpsk", "qpsk"], "code_rate": ["1/2", 1]}, methods("spic"))
    for settings in ({"code_rate": ["5/6"]}, {"packet_bytes": 64}):
        with pytest.raises(ConfigError, match=r"not measured yet, which needs Sionna: pip install .*\[channel\]'"):
            check_channel(CHANNEL | settings, methods("spic"))


def test_a_lost_image_is_the_mean_image_of_the_training_split(tmp_path, monkeypatch):
    monkeypatch.setattr("spic.benchmark.lost.AVERAGED", 3)
    config = {"dataset": "street_scenes", "dataset_root": None, "split": "val", "limit": 2}
    train = get_dataset("street_scenes", None, "train")
    assert averaged_images(train) == [0, 1000, 1999]
    write_png(tmp_path / "a.png", np.zeros((256, 512, 3), np.uint8))
    mean_images(config, tmp_path, tmp_path / "lost")
    mean = read_picture(tmp_path / "lost" / "a.png").astype(float)
    assert abs(mean - np.mean([train.picture(i) for i in (0, 1000, 1999)], axis=0)).max() <= 0.5
    folder = {"dataset": "folder", "dataset_root": str(tmp_path), "split": "val", "limit": 1}
    assert training_split(folder).names == ["a"]


def test_the_table_keeps_its_columns():
    row = lost_row(LOST, READING)
    assert set(row) - set(KEYS) == {f"{name}{end}" for name in METRICS for end in ("", "_low", "_high")}
    assert pd.DataFrame([row])["cbr"].item() == 0


METRICS = ("miou", "miou_all", "psnr", "lpips", "pixel_accuracy")
