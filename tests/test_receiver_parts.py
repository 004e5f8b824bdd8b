"""What a receiver makes of files of which a part is missing, and of files with a residual."""

from dataclasses import replace

import numpy as np
import pytest

from spic import Receiver, Transmitter
from spic.benchmark.method import Settings
from spic.benchmark.methods import get_method
from spic.bitstream import Residual, read_spic, split_spic, write_spic
from spic.codecs import get_codec
from spic.errors import BitstreamError, ConfigError, WeightsError
from spic.machine import CPU
from spic.scsrdm.decoder import Decoder
from spic.weights import register

ON_CPU = {"device": "cpu", "dtype": "float32"}


@pytest.fixture(scope="module")
def scene(tiny_scenes):
    scenes = tiny_scenes(1, (32, 64))
    return scenes.picture(0), scenes.labels(0)


@pytest.fixture(scope="module")
def file(tiny_decoder, scene):
    sender = Transmitter(decoder_weights=tiny_decoder, ssm_codec="png", quality=30, **ON_CPU)
    return read_spic(sender.encode(*scene))


@pytest.fixture(scope="module")
def receiver(tiny_decoder, tiny_ablations):
    return lambda **options: Receiver(tiny_decoder, **{**tiny_ablations, **ON_CPU, **options})


def test_a_file_without_an_ssm_is_what_method_sr_makes_of_it(file, receiver, tiny_ablations, caplog):
    data = write_spic(replace(file, ssm=None))
    settings = Settings(sr_weights=str(tiny_ablations["sr_weights"]), machine=CPU)
    (expected,) = get_method("sr", settings).decode([{"coarse": file.coarse}], ["a"])
    assert np.array_equal(receiver().decode(data), expected)
    assert caplog.messages == [".spic: the SSM is missing; decoded from the coarse image alone"]
    parts = receiver().parts(data)
    assert parts.ssm is None and np.array_equal(parts.get("coarse"), get_codec("bpg").decode(file.coarse))
    assert np.array_equal(receiver().preview(data), receiver().preview(write_spic(file)))
    with pytest.raises(BitstreamError, match="the SSM is missing"):
        parts.get("ssm")


def test_a_file_without_a_coarse_image_is_decoded_by_the_decoder_of_sdm(file, receiver, scene, tiny_ablations, caplog):
    data = write_spic(replace(file, coarse=None))
    nothing = np.zeros((1, 8, 16, 3), np.uint8)
    network = Decoder(tiny_ablations["sdm_weights"], "cpu", "float32")
    expected = network(scene[1][None], nothing, [file.noise_seed])[0]
    assert np.array_equal(receiver().decode(data), expected)
    assert caplog.messages == [".spic: the coarse image is missing; decoded from the SSM alone"]
    with pytest.raises(BitstreamError, match="the coarse image is missing"):
        receiver().preview(data)


def test_what_a_channel_lost_is_decoded(file, receiver):
    sections = split_spic(write_spic(file, version=2))
    arrived = read_spic(sections["head"] + sections["coarse"], allow_missing=True)
    assert np.array_equal(
        receiver().decode(write_spic(arrived)), receiver().decode(write_spic(replace(file, ssm=None)))
    )
    mixed = [write_spic(one) for one in (file, arrived, replace(file, coarse=None))]
    for together, data in zip(receiver().decode_all(mixed), mixed, strict=True):
        assert np.array_equal(together, receiver().decode(data))


def test_what_is_left_is_decoded_by_the_shipped_decoders(file, receiver):
    nothing = {"sr_weights": None, "sdm_weights": None}
    images = {}
    for lost, setting in (("ssm", "sr_weights"), ("coarse", "sdm_weights")):
        data = write_spic(replace(file, **{lost: None}))
        images[lost] = receiver(**nothing).decode(data)
        named = nothing | {setting: {"ssm": "street-sr", "coarse": "street-sdm"}[lost]}
        assert np.array_equal(images[lost], receiver(**named).decode(data))  # by name
        assert not np.array_equal(images[lost], receiver().decode(data))  # a file overrules
    colours = {lost: image.astype(float) - receiver().preview(write_spic(file)) for lost, image in images.items()}
    assert np.abs(colours["ssm"]).mean() < 25 < np.abs(colours["coarse"]).mean()  # it has no colour to go by
    other = {"label_space": "cityscapes19"}
    image = receiver(**nothing).decode(write_spic(replace(file, ssm=None, **other)))  # no map, so no matter whose
    assert np.array_equal(image, images["ssm"])
    with pytest.raises(WeightsError, match=r"^label space cityscapes19; this decoder knows camvid11$"):
        receiver(**nothing).decode(write_spic(replace(file, coarse=None, **other)))


def test_without_a_decoder_for_what_is_left(file, receiver, tiny_decoder, shipping):
    register("street-decoder", tiny_decoder)
    no_coarse, no_ssm = (write_spic(replace(file, **{name: None})) for name in ("coarse", "ssm"))
    with pytest.raises(ConfigError, match="the coarse image is missing; sdm_weights: none are shipped"):
        receiver(sdm_weights=None).decode(no_coarse)
    told = "^the SSM is missing; sr_weights: .* was trained with --condition both, not coarse$"
    with pytest.raises(ConfigError, match=told):
        receiver(sr_weights=tiny_decoder).decode(no_ssm)
    with pytest.raises(BitstreamError, match="SSM and coarse image are both missing"):
        receiver().decode(write_spic(replace(file, ssm=None, coarse=None)))
    other = replace(file, coarse=None, label_space="cityscapes19")
    with pytest.raises(WeightsError, match="label space cityscapes19; this decoder knows camvid11"):
        receiver().decode(write_spic(other))


def with_residual(file, levels, **changes):
    return write_spic(replace(file, residual=Residual("png", 3, get_codec("png").encode(levels)), **changes))


@pytest.fixture(scope="module")
def levels():
    return np.random.default_rng(0).integers(0, 256, (32, 64, 3), np.uint8)


def test_a_residual_is_added_and_clipped(file, receiver, levels):
    plain = receiver().decode(write_spic(file))
    expected = np.clip(plain.astype(int) + 3 * (levels.astype(int) - 128), 0, 255)
    data = with_residual(file, levels)
    assert np.array_equal(receiver().decode(data), expected)
    assert np.array_equal(receiver(dtype="bfloat16").decode(data), expected)  # the network runs in float32
    assert receiver().notes(data) == []


@pytest.mark.parametrize(
    ("options", "changes"),
    [
        ({"seed": 5}, {}),
        ({"sampling": {"steps": 2}}, {}),
        ({"any_weights": True}, {"weights_id": "01234567"}),
        ({}, {"ssm": None}),
        ({}, {"coarse": None}),
    ],
)
def test_a_residual_is_left_out_where_it_does_not_fit(options, changes, file, receiver, levels, caplog):
    data, own = with_residual(file, levels, **changes), receiver(**options)
    assert np.array_equal(own.decode(data), own.decode(write_spic(replace(file, **changes))))
    assert [text for text in caplog.messages if "the residual is left out" in text]


def test_a_residual_fits_settings_that_say_the_same(file, receiver, levels):
    own = receiver(seed=0, sampling=receiver().info.sampling.to_dict())
    data = with_residual(file, levels)
    assert own.notes(data) == [] and np.array_equal(own.decode(data), receiver().decode(data))


def test_residuals_that_do_not_belong_to_the_file(file, receiver, levels):
    for wrong in (levels[:, :60], np.zeros((3200, 640, 3), np.uint8)):
        with pytest.raises(BitstreamError):
            receiver().parts(with_residual(file, wrong))
