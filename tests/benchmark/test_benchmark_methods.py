"""Methods: pictures to parts of bytes, and back from nothing but those."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

import spic.plugins
from spic import Receiver, Transmitter
from spic.benchmark.method import Method, Picture, Settings
from spic.benchmark.methods import get_method, method_names, point_name
from spic.benchmark.protocols import OFFICIAL
from spic.bitstream import read_spic, write_spic
from spic.codecs import get_codec
from spic.errors import BitstreamError, ConfigError, DataError, WeightsError
from spic.machine import CPU
from spic.pictures.sizes import downscale
from spic.scsrdm.decoder import Decoder
from spic.scsrdm.sampling import Sampling
from spic.weights import register, sha256

LAYERED = {"coarse_qp": 30, "residual_qp": 20}
POINTS = {"spic": 30, "dsslic": LAYERED, "upsampled": 30, "bpg": 35, "jpeg2000": 1.5}
PARTS = {"spic": {"picture": "spic"}, "dsslic": {"picture": "spic"}, "upsampled": {"coarse": "bpg"}}


@pytest.fixture(scope="module")
def pictures(tiny_scenes):
    scenes = tiny_scenes(2, (32, 64))
    return [Picture(scenes.picture(i), scenes.labels(i)) for i in range(2)]


@pytest.fixture(scope="module")
def method(tiny_decoder):
    """Factory of methods with tiny weights."""
    settings = {"ssm_codec": "jpegxl-lossless", "decoder_weights": str(tiny_decoder), "machine": CPU}
    return lambda name, **changes: get_method(name, Settings(**{**settings, **changes}))


def error(a, b):
    return np.sqrt(np.square(a.astype(float) - b).mean())


@pytest.mark.parametrize("name", POINTS)
def test_round_trip(name, method, pictures):
    encoder = method(name)
    assert encoder.needs_ssm == (name in ("spic", "dsslic"))
    parts = [encoder.encode(picture, POINTS[name]) for picture in pictures]
    for part in parts:
        assert set(part) == set(PARTS.get(name, {"picture": ""}))
        assert all(type(data) is bytes and data for data in part.values())
    decoded = method(name).decode(parts, ["a", "b"])  # by a receiver of its own: all it has are the bytes
    assert len(decoded) == 2
    for picture, result in zip(pictures, decoded, strict=True):
        assert result.shape == (32, 64, 3) and result.dtype == np.uint8
        assert error(result, picture.pixels) < 60


def test_parts_are_files_of_their_codecs(method, pictures):
    parts = method("spic").encode(pictures[0], 30)
    assert {part: method("spic").extension(part) for part in parts} == PARTS["spic"]
    file = read_spic(parts["picture"])
    assert np.array_equal(get_codec("jpegxl-lossless").decode(file.ssm), pictures[0].ssm)
    assert file.coarse == get_codec("bpg").encode(downscale(pictures[0].pixels), qp=30, chroma="444")
    sizes = {"ssm": len(file.ssm), "coarse": len(file.coarse), "file": len(parts["picture"])}
    assert method("spic").sizes(parts) == sizes
    assert method("spic").sizes({"ssm": b"12", "coarse": b"3"}) == {"ssm": 2, "coarse": 1}  # counted officially
    assert method("bpg").extension("picture") == "bpg" and method("jpeg2000").extension("picture") == "j2k"


@pytest.mark.parametrize(("name", "low", "high"), [("spic", 45, 20), ("upsampled", 45, 20), ("jpeg2000", 0.8, 4)])
def test_points_set_the_rate(name, low, high, method, pictures):
    sizes = [sum(map(len, method(name).encode(pictures[0], value).values())) for value in (low, high)]
    assert sizes[0] < sizes[1]


def test_upsampled_is_bicubic(method, pictures):
    parts = method("upsampled").encode(pictures[0], 25)
    coarse = get_codec("bpg").decode(parts["coarse"])
    expected = Image.fromarray(coarse).resize((64, 32), Image.Resampling.BICUBIC)
    assert np.array_equal(method("upsampled").decode([parts], ["a"])[0], np.asarray(expected))


def test_a_picture_does_not_depend_on_its_companions_or_its_name(method, pictures):
    own = method("spic")
    first, second = (own.encode(picture, 30) for picture in pictures)
    together = own.decode([first, second], ["one", "two"])
    (alone,) = own.decode([second], ["three"])
    assert np.array_equal(alone, together[1])
    (reseeded,) = own.decode([method("spic", seed=1).encode(pictures[1], 30)], ["two"])
    assert error(reseeded, alone) > 1


def test_transmitter_and_receiver_make_the_same(method, pictures, tiny_decoder):
    parts = method("spic", seed=7).encode(pictures[0], 30)
    options = {"ssm_codec": "jpegxl-lossless", "quality": 30, "seed": 7}
    sender = Transmitter(decoder_weights=tiny_decoder, **options)
    assert sender.encode(pictures[0].pixels, pictures[0].ssm) == parts["picture"]
    receiver = Receiver(tiny_decoder, device="cpu", dtype="float32")
    (decoded,) = method("spic").decode([parts], ["a"])
    assert np.array_equal(receiver.decode(parts["picture"]), decoded)


def test_official_noise_and_chain_overrule_the_file(method, pictures, tiny_decoder):
    parts = [method("spic").encode(picture, 30) for picture in pictures]
    official = method("spic", protocol="official")
    first, second = (official.decode([part], ["a"])[0] for part in parts)  # one generator: the order matters
    both = method("spic", protocol="official").decode(parts, ["a", "b"])
    assert np.array_equal(both[0], first) and np.array_equal(both[1], second)
    assert error(official.decode([parts[0]], ["a"])[0], first) > 0

    def by_steps(steps):
        options = {"sampling": OFFICIAL.sampling.to_dict() | {"steps": steps}, "void_is_null": True}
        generator = torch.Generator().manual_seed(0)
        receiver = Receiver(tiny_decoder, device="cpu", dtype="float32", **options)
        return receiver.decode_all([parts[0]["picture"]], lambda shape: torch.randn(shape, generator=generator))[0]

    assert np.array_equal(by_steps(20), first) and not np.array_equal(by_steps(19), first)


def test_dsslic_is_spic_and_the_residual(method, pictures, tiny_decoder):
    own, picture = method("dsslic"), pictures[0]
    coded = {qp: own.encode(picture, {"coarse_qp": 30, "residual_qp": qp}) for qp in (4, 16, 28, 40)}
    decoded = dict(zip(coded, method("dsslic").decode(list(coded.values()), ["a"] * 4), strict=True))
    errors = [error(image, picture.pixels) for image in decoded.values()]
    sizes = [own.sizes(parts) for parts in coded.values()]
    assert errors == sorted(errors) and errors[0] < 2
    assert sizes == sorted(sizes, key=lambda size: -size["picture"])
    (plain,) = method("spic").encode(picture, 30).values()
    for qp, parts in coded.items():
        data, size = parts["picture"], own.sizes(parts)
        assert write_spic(replace(read_spic(data), residual=None)) == plain
        assert size["file"] == len(data) and 0 < len(data) - size["ssm"] - size["coarse"] - size["picture"] < 64
        receiver = Receiver(tiny_decoder, device="cpu", dtype="bfloat16")  # the file alone, whatever the receiver
        assert np.array_equal(receiver.decode(data), decoded[qp])


def test_dsslic_is_the_same_under_every_protocol(method, pictures):
    parts = method("dsslic").encode(pictures[0], LAYERED)
    official = method("dsslic", protocol="official")
    assert not official.follows_protocol and not official.counts_officially
    assert official.encode(pictures[0], LAYERED) == parts
    assert np.array_equal(official.decode([parts], ["a"])[0], method("dsslic").decode([parts], ["a"])[0])


def test_points_of_dsslic(method):
    own = method("dsslic")
    assert own.parameter == ("coarse_qp", "residual_qp") and own.quality_range is None
    assert method("dsslic", coarse_codec="jpeg2000").parameter == ("coarse_bpp", "residual_qp")
    assert method("dsslic", coarse_codec="jpeg2000").codecs()["residual"].name == "bpg"  # its version counts
    own.check_point(LAYERED)
    for wrong, match in (({"coarse_qp": 99}, "qp must be"), ({"residual_qp": 20.5}, "residual_qp must be a whole")):
        with pytest.raises(ConfigError, match=match):
            own.check_point(LAYERED | wrong)


def test_parts_that_do_not_belong_together(method, pictures):
    own, codec = method("spic"), get_codec("jpegxl-lossless")
    file = read_spic(own.encode(pictures[0], 30)["picture"])
    for changes in (
        {"ssm": codec.encode(pictures[0].ssm[:, :32])},
        {"ssm": codec.encode(pictures[0].pixels)},
        {"ssm": codec.encode(np.full((32, 64), 12, np.uint8))},
        {"coarse": file.coarse[:-9]},
    ):
        with pytest.raises(BitstreamError):
            own.decode([{"picture": write_spic(replace(file, **changes))}], ["a"])
    small = Picture(pictures[0].pixels[:, :32], pictures[0].ssm[:, :32])
    sizes = [p.shape for p in own.decode([own.encode(pictures[0], 30), own.encode(small, 30)], ["a", "b"])]
    assert sizes == [(32, 64, 3), (32, 32, 3)]


@pytest.mark.parametrize("name", ["upsampled", "spic", "dsslic", "bpg", "jpeg2000"])
def test_damaged_parts(name, method):
    part = "coarse" if name == "upsampled" else "picture"
    for data in (b"", b"nonsense" * 9):
        with pytest.raises(BitstreamError):
            method(name).decode([{part: data}], ["a"])


def test_huge_coarse_pictures_are_refused(method, pictures, monkeypatch):
    parts = method("upsampled").encode(pictures[0], 30)
    monkeypatch.setattr(spic.benchmark.methods, "MAX_PIXELS", 32 * 64 - 1)
    with pytest.raises(BitstreamError, match="too large"):
        method("upsampled").decode([parts], ["a"])


def test_gray_files_give_pictures(method):
    gray = np.linspace(0, 255, 32 * 64).astype(np.uint8).reshape(32, 64, 1)
    (picture,) = method("jpeg2000").decode([{"picture": get_codec("jpeg2000").encode(gray, bpp=8)}], ["a"])
    assert picture.shape == (32, 64, 3) and error(picture, gray) < 4


def test_spic_wants_an_ssm(method, pictures):
    for ssm in (None, pictures[0].ssm[:16]):
        with pytest.raises(DataError, match="SSM"):
            method("spic").encode(Picture(pictures[0].pixels, ssm), 30)


def test_wrong_settings(method, pictures):
    with pytest.raises(ConfigError, match="'heic'"):
        method("spic", coarse_codec="heic")
    with pytest.raises(ConfigError, match="coarse_codec 'flif' is for label maps"):
        method("upsampled", coarse_codec="flif")
    with pytest.raises(ConfigError, match="ssm_codec 'bpg' does not code label maps"):
        method("spic", ssm_codec="bpg")
    with pytest.raises(ConfigError, match=r"codec 'png' is .* no method"):
        method("png")
    with pytest.raises(ConfigError, match="qp"):
        method("bpg").encode(pictures[0], 99)
    assert get_method("bpg").settings == Settings()


def test_sizes_are_the_lengths_of_the_parts():
    assert get_method("bpg").sizes({"picture": b"four"}) == {"picture": 4}


def test_names(monkeypatch):
    names = ["avif", "bpg", "jpeg", "jpeg2000", "jpegxl", "spic", "upsampled", "webp"]
    assert set(names) <= set(method_names()) and method_names() == sorted(method_names())
    with pytest.raises(ConfigError, match=r"'h266'.*bpg, .*spic, .*upsampled"):
        get_method("h266")

    class Mine(Method):
        encode = decode = codecs = None

    class Point:
        name = "mine"

        def load(self):
            return Mine

    monkeypatch.setattr(spic.plugins, "entry_points", lambda group: [Point()] * (group == "spic.methods"))
    assert "mine" in method_names() and isinstance(get_method("mine"), Mine)


@pytest.mark.parametrize(
    ("codec", "parameter", "value", "extension"),
    [
        ("jpegxl", "coarse_distance", 2, "jxl"),
        ("webp", "coarse_quality", 60, "webp"),
        ("png", "coarse_factor", 4, "png"),
    ],
)
def test_other_coarse_codecs(method, pictures, codec, parameter, value, extension):
    coder = method("upsampled", coarse_codec=codec)
    assert coder.parameter == parameter and coder.extension("coarse") == extension
    parts = coder.encode(pictures[0], value)
    (picture,) = method("upsampled", coarse_codec=codec).decode([parts], ["a"])
    assert picture.shape == (32, 64, 3) and error(picture, pictures[0].pixels) < 60
    assert set(coder.official_parts(pictures[0], value)) == {f"coarse.{extension}"}


def test_the_coarse_picture_without_coding_loss(method, pictures):
    coder = method("spic", coarse_codec="lossless")
    assert coder.parameter == "coarse_factor"
    parts = coder.encode(pictures[0], 4)
    coarse = read_spic(parts["picture"]).coarse
    assert np.array_equal(coder.codecs()["coarse"].decode(coarse), downscale(pictures[0].pixels))
    with pytest.raises(ConfigError, match="coarse_factor 8"):
        coder.encode(pictures[0], 8)


@pytest.mark.parametrize("codec", ["png", "webp-lossless", "jpegxl-lossless"])
def test_other_ssm_codecs(method, pictures, codec):
    coder = method("spic", ssm_codec=codec)
    file = read_spic(coder.encode(pictures[0], 30)["picture"])
    assert file.ssm_codec == codec and np.array_equal(coder.codecs()["ssm"].decode(file.ssm), pictures[0].ssm)


def test_point_names():
    names = [point_name({"qp": 30}), point_name({"coarse_qp": 35}), point_name({"bpp": 0.25})]
    assert names == ["qp30", "coarse_qp35", "bpp0.25"]
    wanted = ["coarse_qp", ("coarse_qp", "residual_qp"), "coarse_qp", "qp", "bpp"]
    assert [method.parameter for method in map(get_method, POINTS)] == wanted
    assert point_name(LAYERED) == "coarse_qp30_residual_qp20"


def test_methods_without_a_network_load_no_torch():
    code = (
        "import sys, numpy as np; from spic.benchmark.methods import Picture, get_method; m = get_method('upsampled');"
        "m.decode([m.encode(Picture(np.zeros((16, 16, 3), np.uint8)), 30)], ['a']); print('torch' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"


def test_spic_with_the_label_map_coder(tiny_decoder, tiny_scenes):
    """`spic_labelmap` sends the same maps and coarse pictures as `spic`, the maps by another coder."""
    scene = tiny_scenes(1, (32, 64))
    picture = Picture(scene.picture(0), scene.labels(0))
    settings = Settings(decoder_weights=str(tiny_decoder), machine=CPU)
    files = [read_spic(get_method(name, settings).encode(picture, 35)["picture"]) for name in ("spic", "spic_labelmap")]
    assert files[0].coarse == files[1].coarse and files[0].ssm != files[1].ssm
    for file, codec in zip(files, ("flif", "labelmap"), strict=True):
        assert np.array_equal(get_codec(codec).decode(file.ssm), picture.ssm)
    assert get_method("spic_labelmap").decoder == "decoder_weights" and get_method("upsampled").decoder is None


def test_spic_20_is_spic_with_other_weights(method, pictures, tiny_chain):
    """The bytes differ in the weights' id and the CRC-32; the image is that of 20 steps of the authors' chain."""
    weights = {"spic_20_weights": str(tiny_chain)}
    coded = {name: method(name, **weights).encode(pictures[0], 35) for name in ("spic", "spic_20")}
    spic, own = (read_spic(part["picture"]) for part in coded.values())
    assert len(coded["spic"]["picture"]) == len(coded["spic_20"]["picture"])
    assert replace(own, weights_id=spic.weights_id) == spic and own.weights_id != spic.weights_id
    assert own.weights_id == sha256(tiny_chain.with_name("tiny-chain.safetensors"))[:8]
    (image,) = method("spic_20", **weights).decode([coded["spic_20"]], ["a"])
    coarse = get_codec("bpg").decode(own.coarse)[None]
    chain = Sampling("published", steps=20, start=192)
    expected = Decoder(tiny_chain, "cpu", "float32")(pictures[0].ssm[None], coarse, [own.noise_seed], chain)
    assert np.array_equal(image, expected[0])
    with pytest.raises(WeightsError, match="made for decoder weights"):  # nothing is decoded by the wrong weights
        method("spic_20", **weights).decode([coded["spic"]], ["a"])


def test_spic_20_takes_what_is_shipped(shipping, pictures, tiny_decoder, tiny_chain):
    register("street-decoder", tiny_decoder)
    settings = Settings(ssm_codec="png", machine=CPU)
    own = get_method("spic_20", settings)
    assert own.missing == "spic_20_weights" and own.codecs().keys() == {"ssm", "coarse"}
    assert own.lack == "spic_20_weights, and none are shipped (docs/decoder.md)"
    with pytest.raises(ConfigError, match="spic_20_weights: none are shipped, and none are given"):
        own.encode(pictures[0], 35)
    path = register("street-decoder-20", tiny_chain)
    own = get_method("spic_20", settings)
    assert own.lack is None and read_spic(own.encode(pictures[0], 35)["picture"]).weights_id == sha256(path)[:8]


@pytest.fixture
def ablation(tiny_ablations):
    """Factory of the methods sr and sdm with tiny weights."""
    weights = {key: str(path) for key, path in tiny_ablations.items()}
    return lambda name, **changes: get_method(name, Settings(**{**weights, "machine": CPU, **changes}))


def test_sr_sends_the_coarse_picture_alone(ablation, pictures):
    sender, receiver = ablation("sr"), ablation("sr")
    assert not sender.needs_ssm and sender.parameter == "coarse_qp"
    parts = [sender.encode(Picture(picture.pixels), 30) for picture in pictures]
    assert parts == [get_method("upsampled").encode(picture, 30) for picture in pictures]
    decoded = receiver.decode(parts, ["a", "b"])
    for one, part, picture in zip(decoded, parts, pictures, strict=True):
        assert one.shape == picture.pixels.shape and error(one, picture.pixels) < 60
        assert np.array_equal(one, receiver.decode([part], ["a"])[0])  # whatever came with it


def test_sdm_sends_the_ssm_alone(ablation, pictures):
    sender, receiver = ablation("sdm"), ablation("sdm")
    assert sender.needs_ssm and sender.parameter == "simplify"
    parts = [sender.encode(picture, 0) for picture in pictures]
    assert [set(part) for part in parts] == [{"ssm"}] * 2
    for part, picture in zip(parts, pictures, strict=True):
        assert np.array_equal(get_codec("flif").decode(part["ssm"]), picture.ssm)
    first, second = receiver.decode(parts, ["a", "b"])
    assert first.shape == pictures[0].pixels.shape and not np.array_equal(first, second)
    assert len(sender.encode(pictures[0], 40)["ssm"]) < len(parts[0]["ssm"])


@pytest.mark.parametrize(("name", "condition"), [("sr", "coarse"), ("sdm", "ssm")])
def test_an_ablation_has_weights_of_its_own(name, condition, ablation, pictures, tiny_decoder):
    parts, setting = [ablation(name).encode(pictures[0], {"sr": 30, "sdm": 0}[name])], f"{name}_weights"
    plain = get_method(name, Settings(machine=CPU))
    assert plain.lack is None and plain.missing is None
    (image,) = plain.decode(parts, ["a"])
    assert np.array_equal(image, ablation(name, **{setting: f"street-{name}"}).decode(parts, ["a"])[0])
    assert not np.array_equal(image, ablation(name).decode(parts, ["a"])[0])  # a file overrules
    for wrong in (str(tiny_decoder), "street-decoder"):
        with pytest.raises(ConfigError, match=f"^{setting}: .* was trained with --condition both, not {condition}$"):
            ablation(name, **{setting: wrong}).decode(parts, ["a"])


def test_an_ablation_without_weights(shipping, pictures):
    sdm = get_method("sdm", Settings(machine=CPU))
    assert sdm.lack == "sdm_weights, and none are shipped (docs/decoder.md)"
    with pytest.raises(ConfigError, match=r"^sdm_weights: none are shipped"):
        sdm.decode([sdm.encode(pictures[0], 0)], ["a"])


def test_damaged_parts_of_ablations(ablation, pictures):
    for name, value in (("sr", 30), ("sdm", 0)):
        (part, data), *_ = ablation(name).encode(pictures[0], value).items()
        with pytest.raises(BitstreamError):
            ablation(name).decode([{part: data[: len(data) // 2]}], ["a"])
    foreign = get_codec("flif").encode(np.full((32, 64), 200, np.uint8))
    with pytest.raises(BitstreamError, match="id 200"):
        ablation("sdm").decode([{"ssm": foreign}], ["a"])
