"""Transmitter and receiver: what goes through a .spic file, and what a receiver refuses."""

import logging
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import spic
from spic import Receiver, Transmitter
from spic.bitstream import read_spic, write_spic
from spic.codecs import get_codec
from spic.codecs.simplify import simplify
from spic.datasets import get_dataset
from spic.errors import BitstreamError, ConfigError, DataError, SpicError, WeightsError
from spic.metrics import psnr
from spic.pictures.sizes import downscale, resize, upscale
from spic.scsrdm import tiles
from spic.scsrdm.decoder import Decoder
from spic.segmentation import get_segmenter
from spic.weights import sha256, weight_paths

CPU = {"device": "cpu", "dtype": "float32"}


@pytest.fixture(scope="module")
def scene(tiny_scenes):
    scenes = tiny_scenes(1, (32, 64))
    return scenes.picture(0), scenes.labels(0)


@pytest.fixture(scope="module")
def transmitter(tiny_decoder, tiny_segmenter):
    weights = {"segmenter_weights": tiny_segmenter, "decoder_weights": tiny_decoder}
    return lambda **options: Transmitter(**{**weights, "ssm_codec": "png", **CPU, **options})


@pytest.fixture(scope="module")
def receiver(tiny_decoder):
    return lambda **options: Receiver(tiny_decoder, **CPU, **options)


@pytest.fixture(scope="module")
def bits(transmitter, scene):
    return transmitter(quality=30).encode(*scene)


def test_what_is_sent(bits, transmitter, scene, tiny_decoder):
    picture, ssm = scene
    file = read_spic(bits)
    assert file.ssm == get_codec("png").encode(ssm)
    assert file.coarse == get_codec("bpg").encode(downscale(picture), qp=30, chroma="444")
    assert (file.size, file.original_size, file.label_space) == ((32, 64), (32, 64), "camvid11")
    assert sha256(weight_paths(tiny_decoder)[0]).startswith(file.weights_id)
    assert file.sampling is None and file.seed == 0 and len(bits) - len(file.ssm) - len(file.coarse) == 21


def test_the_receiver_does_what_the_decoder_does(bits, receiver, scene, tiny_decoder):
    file = read_spic(bits)
    coarse = get_codec("bpg").decode(file.coarse)
    expected = Decoder(tiny_decoder, "cpu", "float32")(scene[1][None], coarse[None], [file.noise_seed])[0]
    assert np.array_equal(receiver().decode(bits), expected)
    parts = receiver().parts(bits)
    assert np.array_equal(parts.ssm, scene[1]) and np.array_equal(parts.coarse, coarse)
    assert np.array_equal(receiver().preview(bits), upscale(coarse, (32, 64)))


def test_companions_change_nothing(bits, receiver, transmitter, scene):
    other = transmitter(quality=40).encode(scene[0][::-1].copy(), scene[1])
    differing = transmitter(quality=40, sampling={"steps": 1}).encode(*scene)
    alone = [(data, receiver().decode(data)) for data in (bits, other, differing)]
    for companions in (alone[:2], alone):
        together = receiver().decode_all([data for data, _ in companions])
        for (_, expected), found in zip(companions, together, strict=True):
            assert np.array_equal(found, expected)


def test_any_picture_goes_through_and_keeps_its_size(transmitter, receiver, tiny_segmenter):
    picture = np.random.default_rng(0).integers(0, 256, (45, 60, 3), np.uint8)
    data = transmitter().encode(Image.fromarray(picture))
    file = read_spic(data)
    assert file.size == (384, 512) and file.original_size == (45, 60)
    assert receiver().decode(data).shape == receiver().preview(data).shape == (45, 60, 3)
    enlarged = np.array(Image.fromarray(picture).resize((512, 384), Image.Resampling.LANCZOS))
    ssm = get_segmenter("street", tiny_segmenter, **CPU).segment(enlarged[None])[0]
    assert np.array_equal(receiver().parts(data).ssm, ssm)


def test_native_keeps_the_size(transmitter, receiver):
    picture = np.random.default_rng(0).integers(0, 256, (90, 1040, 3), np.uint8)
    data = transmitter(native=True).encode(picture)
    assert read_spic(data).size == (96, 1040)
    assert receiver().decode(data).shape == picture.shape


def test_large_pictures_go_by_tiles(bits, receiver, monkeypatch):
    whole = receiver().decode(bits)
    seen = []
    monkeypatch.setattr(tiles, "MAX_WHOLE", 1000)
    condition = tiles.Tiled.condition
    monkeypatch.setattr(tiles.Tiled, "condition", lambda self, ssm: seen.append(1) or condition(self, ssm))
    tiled = receiver().decode(bits)  # one tile covers it all
    assert seen and np.array_equal(whole, tiled)


def test_target_rates(transmitter, scene):
    def rate(**options):
        return read_spic(transmitter(**options).encode(*scene)).bpp

    least, most = rate(quality=51), rate(quality=0)
    middle = rate(quality=30)
    assert rate(target_bpp=middle) == middle and rate(target_bpp=most + 1) == most
    assert middle <= rate(target_bpp=middle * 1.05) <= middle * 1.05
    with pytest.raises(ConfigError, match="out of reach: the SSM takes"):
        rate(target_bpp=least * 0.9)
    for codec, quality in {"jpeg2000": 16, "jpeg": 50, "webp": 50, "avif": 50, "jpegxl": 4}.items():
        some = rate(coarse_codec=codec, quality=quality)
        assert some / 1.03 <= rate(target_bpp=some * 1.03, coarse_codec=codec) <= some * 1.03
    with pytest.raises(ConfigError, match=r"out of reach: the SSM takes \d\.\d+ bpp, JPEG 2000 cannot code"):
        rate(target_bpp=least, coarse_codec="jpeg2000")


def test_a_quality_holds_for_one_image(transmitter, scene, bits):
    own = transmitter(quality=40)
    prepared, before = own.prepare(*scene), own.encode(*scene)
    assert write_spic(own.code(prepared, 30)) == bits != before == own.encode(*scene)
    assert write_spic(transmitter(target_bpp=9).code(prepared, 30)) == bits


def test_a_residual_brings_the_image_back(transmitter, receiver, scene):
    """At the working size; an image of another size is resized from what is then nearly the original."""
    own = transmitter(quality=40, residual_qp=8)
    prepared = replace(own.prepare(*scene), original_size=(20, 50))
    file = own.code(prepared)
    at_working_size = receiver().decode(write_spic(replace(file, original_size=file.size)))
    assert np.abs(at_working_size.astype(int) - scene[0]).mean() < 1.5
    assert np.array_equal(receiver().decode(write_spic(file)), resize(at_working_size, (20, 50)))
    assert transmitter(quality=40).code(prepared, 40, 8) == file != own.code(prepared, 40, 20)
    assert replace(file, residual=None) == transmitter(quality=40).code(prepared)
    for wrong, match in (
        ({"residual_qp": 52}, "residual_qp must be"),
        ({"target_bpp": 1}, "residual_qp or a target_bpp"),
    ):
        with pytest.raises(ConfigError, match=match):
            transmitter(**{"residual_qp": 20, **wrong})


def test_a_residual_by_the_shipped_decoder():
    """A drawn scene of the demo comes back at 38 dB and more, from the file alone."""
    scenes = get_dataset("street_scenes", None, "val", 1)
    data = Transmitter(residual_qp=20, device="cpu", dtype="float32").encode(scenes.picture(0), scenes.labels(0))
    assert psnr(scenes.picture(0), Receiver(device="cpu").decode(data)) >= 38


def test_small_islands_can_be_dropped(transmitter, scene):
    picture, ssm = scene
    spotted = ssm.copy()
    spotted[5, 5] = (ssm[5, 5] + 1) % 11
    kept, dropped = (read_spic(transmitter(quality=30, simplify=n).encode(picture, spotted)) for n in (0, 16))
    assert np.array_equal(get_codec("png").decode(kept.ssm), spotted)
    sent = get_codec("png").decode(dropped.ssm)
    assert np.array_equal(sent, simplify(spotted, 16)) and not np.array_equal(sent, spotted)
    assert len(dropped.ssm) < len(kept.ssm) and dropped.coarse == kept.coarse


def test_recommendations(transmitter, receiver, scene, bits):
    own = {"sampler": "ddim", "steps": 3, "start": 100, "guidance": 1.0}
    assert transmitter(quality=30, sampling=own).encode(*scene) == bits  # the weights' own cost nothing
    data = transmitter(quality=30, sampling={"steps": 1}, seed=5).encode(*scene)
    assert read_spic(data).sampling.to_dict() == {**own, "steps": 1} and read_spic(data).seed == 5
    picture = receiver().decode(data)
    assert not np.array_equal(picture, receiver().decode(bits))
    assert np.array_equal(picture, receiver(sampling={"steps": 1}, seed=5).decode(bits))
    listed = transmitter(sampling={"timesteps": [0, 50]}).encode(*scene)
    assert read_spic(listed).sampling.to_dict() == {"sampler": "ddim", "guidance": 1.0, "timesteps": [0, 50]}
    for wrong in ({"steps": 0}, {"sampler": "magic"}, {"speed": 1}, {"start": 1000}):
        with pytest.raises(ConfigError):
            transmitter(sampling=wrong).encode(*scene)
        with pytest.raises(ConfigError):
            receiver(sampling=wrong).decode(bits)


def test_nobody_asks_for_hours(transmitter, receiver, scene):
    data = transmitter(sampling={"steps": 60, "guidance": 2.0}).encode(*scene)
    with pytest.raises(BitstreamError, match="asks for 120 network passes"):
        receiver().decode(data)
    assert receiver(max_steps=120, sampling={"steps": 1}).decode(data).shape == (32, 64, 3)


def test_other_weights_are_refused(bits, receiver, tiny_decoder):
    other = write_spic(replace(read_spic(bits), weights_id="0badcafe"))
    with pytest.raises(WeightsError, match=r"made for decoder weights 0badcafe, these are \w{8}: .*--any-weights"):
        receiver().decode(other)
    assert np.array_equal(receiver(any_weights=True).decode(other), receiver().decode(bits))
    assert receiver().parts(other).ssm.shape == (32, 64)  # needs no weights


def test_a_street_is_told_from_other_pictures(transmitter, tiny_scenes, caplog, monkeypatch):
    scenes = tiny_scenes(1, (256, 512))
    own = transmitter()
    with caplog.at_level(logging.WARNING, "spic"):
        own.encode(scenes.picture(0), scenes.labels(0))
        monkeypatch.setattr(own.segmenter, "segment", lambda pictures: scenes.labels(0)[None])
        own.encode(scenes.picture(0))
        assert not caplog.records
        monkeypatch.setattr(own.segmenter, "segment", lambda pictures: scenes.labels(0)[None, ::-1])
        own.encode(scenes.picture(0))
    assert "does not look like a street" in caplog.text


def test_wrong_settings(transmitter, tiny_segmenter):
    for options in (
        {"ssm_codec": "bpg"},
        {"ssm_codec": "none"},
        {"coarse_codec": "flif"},
        {"coarse_codec": "png", "quality": 3},
        {"coarse_codec": "png", "target_bpp": 3},
        {"quality": 3, "target_bpp": 3},
        {"target_bpp": 0},
        {"target_bpp": float("nan")},
    ):
        with pytest.raises(ConfigError):
            transmitter(**options)
    with pytest.raises(WeightsError, match="not the config of a decoder"):
        transmitter(decoder_weights=tiny_segmenter)
    with pytest.raises(WeightsError, match=r"nowhere\.safetensors: no such file"):
        transmitter(decoder_weights="nowhere")


def test_wrong_pictures(transmitter, scene):
    picture, ssm = scene
    for image, labels in ((picture[:, :62], ssm[:, :62]), (picture, ssm[:16]), (picture, ssm + 100), ("a.png", None)):
        with pytest.raises(DataError):
            transmitter().encode(image, labels)
    with pytest.raises(ConfigError, match="qp"):
        transmitter(quality=99).encode(*scene)


def test_payloads_that_do_not_belong_together(bits, receiver, monkeypatch):
    file, png, bpg = read_spic(bits), get_codec("png"), get_codec("bpg")
    wrong = {
        "an SSM of another size": {"ssm": png.encode(np.zeros((32, 60), np.uint8))},
        "a colour SSM": {"ssm": png.encode(np.zeros((32, 64, 3), np.uint8))},
        "unknown ids": {"ssm": png.encode(np.full((32, 64), 12, np.uint8))},
        "a large SSM": {"ssm": png.encode(np.zeros((3200, 640), np.uint8))},
        "a coarse picture of another size": {"coarse": bpg.encode(np.zeros((8, 12, 3), np.uint8))},
        "no codec of that name": {"ssm_codec": "h266"},
        "no label space of that name": {"label_space": "mars"},
        "another codec's bytes": {"ssm_codec": "jpegxl-lossless"},
    }
    for changes in wrong.values():
        with pytest.raises(BitstreamError):
            receiver().decode(write_spic(replace(file, **changes)))
    with pytest.raises(BitstreamError, match="out of range"):
        receiver(max_pixels=32 * 64 - 1).decode(bits)


def test_photographs_of_48_megapixels_come_back(transmitter, receiver):
    """By default; what is decoded at working size is only resized to it."""
    data = transmitter().encode(np.full((6000, 8000, 3), 99, np.uint8))
    assert read_spic(data).original_size == (6000, 8000) and read_spic(data).size == (384, 512)
    assert receiver().preview(data).shape == (6000, 8000, 3)
    with pytest.raises(BitstreamError, match="max_pixels is 47999999"):
        receiver(max_pixels=47_999_999).preview(data)


def test_strips_at_their_own_size(transmitter, receiver):
    """The coarse picture of 5000x16 is one that x265 would refuse for its level, which BPG does not have."""
    strip = np.zeros((64, 20000, 3), np.uint8)
    parts = receiver().parts(transmitter(native=True).encode(strip))
    assert parts.ssm.shape == (64, 20000) and parts.coarse.shape == (16, 5000, 3)


@pytest.mark.parametrize(
    ("size", "options", "reason"),
    [
        ((8, 70000), {}, "original size 70000x8 is out of range"),
        ((8191, 8193), {"native": True}, "working size 8208x8192 is out of range"),
        ((64, 65535), {"native": True}, "working size 65536x64 is out of range"),
        ((64, 16384), {"native": True, "ssm_codec": "webp-lossless"}, "16384x64 pixels: webp-lossless takes sides"),
        ((9000, 9000), {}, "no or too many pixels"),
    ],
)
def test_what_no_file_can_hold_is_refused_before_the_work(size, options, reason, transmitter, monkeypatch):
    own = transmitter(**options)
    monkeypatch.setattr(Transmitter, "segmenter", None)
    with pytest.raises(DataError, match=reason):
        own.prepare(np.broadcast_to(np.uint8(0), (*size, 3)))


def test_a_size_that_does_not_suit_the_network(receiver, transmitter):
    data = transmitter().encode(np.zeros((36, 60, 3), np.uint8), np.zeros((36, 60), np.uint8))
    assert receiver().decode(data).shape == (36, 60, 3)


def test_what_the_decoder_refuses_is_the_fault_of_the_bytes(receiver, bits, monkeypatch):
    own = receiver()
    monkeypatch.setattr(own.decoder, "memory", 1000)
    with pytest.raises(BitstreamError, match="MiB"):
        own.decode(bits)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damaged_payloads_end_in_a_bitstream_error(bits, receiver, data):
    file = read_spic(bits)
    part = data.draw(st.sampled_from(["ssm", "coarse"]))
    payload = bytearray(getattr(file, part))
    for _ in range(data.draw(st.integers(1, 4))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    try:
        parts = receiver().parts(write_spic(replace(file, **{part: bytes(payload)})))
    except SpicError as error:
        assert type(error) is BitstreamError
    else:
        assert parts.ssm.shape == (32, 64) and parts.coarse.shape == (8, 16, 3)


def test_exports_are_lazy():
    code = (
        "import sys, spic; assert 'numpy' not in sys.modules and 'torch' not in sys.modules; spic.Receiver;"
        "from spic import Transmitter; print('torch' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
    with pytest.raises(AttributeError, match="nothing"):
        spic.nothing  # noqa: B018
