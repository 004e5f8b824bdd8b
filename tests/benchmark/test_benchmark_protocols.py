"""Protocols: what they change in a method's bytes and pictures, and what they share."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from spic.benchmark.method import Picture, Settings
from spic.benchmark.methods import get_method
from spic.benchmark.protocols import OFFICIAL, PROTOCOLS, get_protocol
from spic.codecs import get_codec
from spic.errors import ConfigError
from spic.machine import CPU
from spic.pictures.sizes import downscale, downscale_bilinear
from spic.scsrdm.sampling import Sampling


@pytest.fixture(scope="module")
def pictures(tiny_scenes):
    scenes = tiny_scenes(2, (32, 64))
    return [Picture(scenes.picture(i), scenes.labels(i)) for i in range(2)]


@pytest.fixture
def spic(tiny_decoder):
    """Factory of the method with tiny weights."""
    settings = Settings(decoder_weights=str(tiny_decoder), machine=CPU, ssm_codec="jpegxl-lossless")
    return lambda protocol="official", **changes: get_method("spic", replace(settings, protocol=protocol, **changes))


def test_there_are_two_and_a_variant():
    assert list(PROTOCOLS) == ["corrected", "official", "official_unguided"]
    with pytest.raises(ConfigError, match=r"'paper'.*corrected, official"):
        get_protocol("paper")
    assert get_protocol("official_unguided").sampling.guidance == 1.0 and OFFICIAL.sampling.guidance == 1.5


def test_official_counts_other_files_than_those_it_decodes(pictures, spic):
    picture = pictures[0]
    parts = spic().official_parts(picture, 35)
    assert set(parts) == {"ssm.flif", "coarse.bpg"}
    gray = get_codec("flif").decode(parts["ssm.flif"])
    assert gray.shape == (32, 64, 3) and np.array_equal(gray[..., 0], gray[..., 2])
    assert np.array_equal(gray[..., 0], np.rint(picture.ssm * (255 / 35)).astype(np.uint8))
    assert parts["coarse.bpg"] == get_codec("bpg").encode(downscale_bilinear(picture.pixels), qp=35, chroma="444")
    coded = spic().encode(picture, 35)
    assert coded == spic("corrected").encode(picture, 35)
    assert spic().sizes(coded)["coarse"] == len(get_codec("bpg").encode(downscale(picture.pixels), 35, "444"))
    assert spic().sizes({"ssm": b"123", "coarse": b"4"}) == {"ssm": 3, "coarse": 1}
    upsampled = get_method("upsampled")
    assert upsampled.counts_officially and set(upsampled.official_parts(picture, 35)) == {"coarse.bpg"}
    assert not get_method("bpg").counts_officially


def test_the_counted_picture_is_torchs_bilinear_one(pictures):
    torch = pytest.importorskip("torch")
    x = torch.from_numpy(pictures[0].pixels).permute(2, 0, 1)[None].float()
    y = torch.nn.functional.interpolate(x, scale_factor=0.25, mode="bilinear", align_corners=False)
    assert np.abs(y[0].permute(1, 2, 0).numpy() - downscale_bilinear(pictures[0].pixels)).max() <= 0.5


def test_official_draws_from_one_generator(pictures, spic):
    parts = [spic().encode(picture, 35) for picture in pictures]
    together = spic().decode(parts, ["a", "b"])
    renamed = spic().decode(parts, ["x", "y"])
    assert all(np.array_equal(a, b) for a, b in zip(together, renamed, strict=True))
    (alone,) = spic().decode(parts[1:], ["b"])
    assert not np.array_equal(alone, together[1])
    (reseeded,) = spic(seed=1).decode(parts[:1], ["a"])
    assert not np.array_equal(reseeded, together[0])


def test_official_samples_as_the_authors_do_whatever_the_weights_say(pictures, spic, monkeypatch):
    from spic.scsrdm import decoder

    seen = []
    sample = decoder.sample

    def spy(*arguments, **settings):
        seen.append(settings["sampling"])
        return sample(*arguments, **settings)

    monkeypatch.setattr(decoder, "sample", spy)
    for protocol in ("official", "official_unguided", "corrected"):
        method = spic(protocol)
        method.decode([method.encode(pictures[0], 35)], ["a"])
    assert [one.sampler for one in seen] == ["published", "published", "ddim"]
    assert [one.guidance for one in seen] == [1.5, 1.0, 1.0]
    assert seen[0].start == 192 and seen[0].steps == 20 and seen[2].steps == 3


def test_void_is_the_null_condition_of_official(tiny_decoder):
    from spic.scsrdm.decoder import Decoder

    plain, null = (
        partial(Decoder(tiny_decoder, "cpu", "float32", void_is_null=flag), sampling=Sampling("ddim", 1))
        for flag in (False, True)
    )
    coarse, void = np.full((1, 8, 16, 3), 99, np.uint8), np.full((1, 32, 64), 11, np.uint8)
    assert not np.array_equal(plain(void, coarse, [1]), null(void, coarse, [1]))
    road = np.full_like(void, 3)
    assert np.array_equal(plain(road, coarse, [1]), null(road, coarse, [1]))
