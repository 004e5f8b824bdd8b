"""What is told of a run before its first job: whether files are there, points can be coded, parts fit each other."""

import json
from pathlib import Path

import pytest

import spic.plugins
import spic.weights
from spic.benchmark.checks import check_device, check_networks, check_run
from spic.benchmark.config import read_config
from spic.benchmark.plan import Plan
from spic.codecs import codec_names, get_codec
from spic.errors import ConfigError, SpicError, WeightsError
from spic.pictures.labels import CITYSCAPES19
from spic.weights import manifest, register, shipped

ROOT = Path(__file__).resolve().parents[2]
CONFIG = {
    "dataset": "street_scenes",
    "dataset_root": None,
    "split": "val",
    "limit": 1,
    "methods": {"spic": {"coarse_qp": [35]}},
    "protocols": ["corrected"],
    "segmenter": "street",
    "segmenter_weights": None,
    "decoder_weights": None,
    "ssm_source": "segmenter",
}


@pytest.fixture
def decoder(tmp_path):
    """Factory of a decoder's config on disk; nobody reads its tensors here."""

    def write(**config):
        (tmp_path / "decoder.json").write_text(json.dumps(config))
        return {"decoder_weights": str(tmp_path / "decoder")}

    return write


@pytest.fixture
def room(shipping):
    """A folder of shipped weights with three of ours, and room for more."""
    ours, names = Path(spic.weights.__file__).parent, ("street-decoder", "street-segmenter", "street-judge")
    for name in names:
        for suffix in (".safetensors", ".json"):
            (shipping / f"{name}{suffix}").symlink_to(ours / f"{name}{suffix}")
    (shipping / "manifest.json").write_text(json.dumps({name: manifest(ours)[name] for name in names}))
    return shipping


@pytest.fixture
def cityscapes(tmp_path):
    (tmp_path / "t.pth").write_bytes(b"not empty; nobody reads it here")
    return {"segmenter": "internimage-t", "segmenter_weights": str(tmp_path / "t.pth")}


def test_what_is_shipped_fits():
    check_networks(Plan(CONFIG))
    check_networks(Plan(CONFIG | {"ssm_source": "ground_truth"}))


def test_a_decoder_of_the_segmenters_classes_fits(cityscapes, decoder):
    check_networks(Plan(CONFIG | cityscapes | decoder(label_space="cityscapes19")))
    check_networks(Plan(CONFIG | cityscapes | decoder(network={"num_classes": 19})))
    check_networks(Plan(CONFIG | cityscapes | decoder(official={"num_classes": "19"})))
    check_networks(Plan(CONFIG | cityscapes | {"methods": {"bpg": {"qp": [40]}}}))


@pytest.mark.parametrize(
    ("config", "known"),
    [
        ({"label_space": "camvid11"}, r"camvid11 \(11 classes\)"),
        ({"network": {"num_classes": 11}}, "has 11 classes"),
        ({"official": {"num_classes": 35}}, "has 35 classes"),
    ],
)
def test_both_label_spaces_are_named(config, known, cityscapes, decoder):
    with pytest.raises(ConfigError, match=rf"internimage-t has the label space cityscapes19 .*{known}"):
        check_networks(Plan(CONFIG | cityscapes | decoder(**config)))


def test_sent_ground_truth_is_what_counts(cityscapes, decoder):
    check_networks(Plan(CONFIG | cityscapes | {"ssm_source": "ground_truth"}))
    with pytest.raises(ConfigError, match=r"data set street_scenes has the label space camvid11.*cityscapes19"):
        check_networks(Plan(CONFIG | decoder(label_space="cityscapes19") | {"ssm_source": "ground_truth"}))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"network": 3}', '{"label_space": "mars"}'])
def test_an_unreadable_decoder_is_left_to_its_job(text, tmp_path):
    (tmp_path / "decoder.json").write_text(text)
    check_networks(Plan(CONFIG | {"decoder_weights": str(tmp_path / "decoder")}))
    check_networks(Plan(CONFIG | {"decoder_weights": str(tmp_path / "nowhere")}))


def test_input_size(cityscapes):
    for size in ("native", "working", "sliding"):
        assert Plan(CONFIG | cityscapes | {"segmenter_input": size}).segmenter_input() == size
    assert Plan(CONFIG | cityscapes | {"segmenter_input": None}).segmenter_input() == "native"
    assert Plan(CONFIG | {"segmenter_input": None}).segmenter_input() == "working"
    with pytest.raises(ConfigError, match=r"'native'.*working"):
        Plan(CONFIG | {"segmenter_input": "native"}).segmenter_input()


def test_missing_weights():
    with pytest.raises(WeightsError, match="736 MB"):
        check_networks(Plan(CONFIG | {"segmenter": "internimage-xl"}))


@pytest.mark.parametrize("space", [None, CITYSCAPES19])
def test_a_segmenter_of_another_package(space, monkeypatch, tmp_path):
    def make(weights, device, dtype): ...

    make.label_space = space

    class Point:
        name = "mine"

        def load(self):
            return make

    monkeypatch.setattr(spic.plugins, "entry_points", lambda group: [Point()])
    for weights, files in ((None, []), ("a/w.onnx", ["a/w.onnx"])):
        assert Plan({"judge": "mine", "judge_weights": weights}).network_files("judge") == files
    if space is None:
        check_networks(Plan(CONFIG | {"segmenter": "mine"}))
    else:
        with pytest.raises(ConfigError, match="segmenter mine has the label space cityscapes19"):
            check_networks(Plan(CONFIG | {"segmenter": "mine"}))


def check(*settings, points=True) -> None:
    check_run(Plan(read_config(ROOT, settings=settings)), points)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["methods={bpg: {qp: [40, 99]}}"], "^methods.bpg: qp must be a number from 0 to 51, got 99$"),
        (["methods={bpg: {qp: [30.5]}}"], "methods.bpg: qp must be a whole number"),
        (["methods={bpg: {qp: [.nan]}}"], "methods.bpg: qp must be a number from 0 to 51, got nan"),
        (["methods={jpeg2000: {bpp: [0.001]}}"], "cannot code 512x256 pixels at 0.001 bpp"),  # in range, not possible
        (["methods={spic: {coarse_qp: [-1]}}"], "methods.spic: qp must be"),
        (["methods={webp: {quality: [101]}}"], "methods.webp: quality must be a number from 0 to 100"),
        (["coarse_codec=lossless", "methods={spic: {coarse_factor: [8]}, upsampled: null}"], "only 4 is supported"),
        (["coarse_codec=jpg"], "^coarse_codec: unknown codec 'jpg'; known: avif"),
        (["ssm_codec=flff", "methods={spic: null}"], "^ssm_codec: unknown codec 'flff'"),
        (["ssm_codec=jpeg"], "ssm_codec 'jpeg' does not code label maps"),
        (["coarse_codec=flif"], "coarse_codec 'flif' is for label maps only"),
        (["coarse_codec=webp-lossless"], "is for label maps only"),
        (["coarse_codec=jpeg"], "set by 'coarse_quality', not 'coarse_qp'"),
        (["segmenter=strete"], "^segmenter: unknown segmenter 'strete'"),
        (["judge=jugde"], "^judge: unknown segmenter 'jugde'"),
        (["judge_weights=none"], "^judge_weights: none.safetensors: no such file$"),
        (["segmenter_weights=none.pt"], "^segmenter_weights: none.pt: no such file$"),
        (["decoder_weights=none"], r"^decoder_weights: none.safetensors: no such file, .* \(there are: street-decoder"),
        (["decoder_weights=street-judge"], "/street-judge.json: not the config of a decoder"),
        (["decoder_weights=none.pt"], "^decoder_weights: none.pt: no such file$"),
        (["fid_weights=none.pth"], "^fid_weights: none.pth: no such file$"),
        (["lpips_weights=none.pth"], "^lpips_weights: none.pth: no such file$"),
        (["steps_csv=none.csv"], "^steps_csv: none.csv: no such file$"),
        (["judge_weights=/a{b}/w"], "judge_weights: /a{b}/w.safetensors: no such file"),
        (["methods={bgp: {qp: [30]}}"], "unknown method 'bgp'"),
        (["methods={sr: {coarse_qp: [30]}}", "sr_weights=spic/weights/street-decoder"], "--condition both, not coarse"),
        (["classes_of_interest=[person]"], "'person' is none of sky"),
        (["dataset=camvid"], "camvid needs its folder"),
        (["segmenter_input=native"], "segmenter_input 'native': street looks at working"),
    ],
)
def test_a_mistake_is_told_before_the_first_job(settings, message):
    with pytest.raises(SpicError, match=message) as caught:
        check(*settings)
    assert "\n" not in str(caught.value)


def test_points_are_tried_on_request_alone():
    check("methods={bpg: {qp: [99]}}", points=False)


def test_points_of_an_ablation(tiny_ablations):
    given = [f"{key}={path}" for key, path in tiny_ablations.items()]
    check(*given, "methods={sr: {coarse_qp: [30]}, sdm: {simplify: [0, 8]}}")
    with pytest.raises(ConfigError, match=r"methods\.sdm: simplify: expected a whole number"):
        check(*given, "methods={sdm: {simplify: [0.5]}}")
    with pytest.raises(ConfigError, match=r"methods\.sr: qp must be"):
        check(*given, "methods={sr: {coarse_qp: [52]}}")
    with pytest.raises(ConfigError, match=r"decoder_weights: .*sr was trained with --condition coarse, not both"):
        check(f"decoder_weights={tiny_ablations['sr_weights']}")  # it would not look at the SSM


def test_the_ablations_need_no_setting():
    points = "methods={sr: {coarse_qp: [30]}, sdm: {simplify: [0]}}"
    check(points)
    check(points, "sr_weights=street-sr", "sdm_weights=street-sdm", points=False)
    for wrong, told in (
        ("sr_weights=street-sdm", "^sr_weights: street-sdm was trained with --condition ssm, not coarse$"),
        ("sdm_weights=street-decoder", "^sdm_weights: street-decoder was trained with --condition both, not ssm$"),
        ("sdm_weights=street-smd", r"^sdm_weights: street-smd\.safetensors: .* \(there are: street-sdm\)$"),
    ):
        with pytest.raises(SpicError, match=told):
            check(points, wrong, points=False)
    plan = Plan(read_config(ROOT, settings=[points]))
    for name in ("sr", "sdm"):
        assert plan.decoder_files(plan.method(name)) == [str(shipped(f"street-{name}"))]


def test_the_ablations_are_for_the_classes_of_camvid(cityscapes):
    """`sr` looks at no map, so whatever its classes."""
    check_networks(Plan(CONFIG | cityscapes | {"methods": {"sr": {"coarse_qp": [35]}}, "sr_weights": None}))
    own = {"methods": {"sdm": {"simplify": [0]}}, "sdm_weights": None}
    told = r"^segmenter internimage-t has the label space cityscapes19 .*street-sdm has camvid11 \(11 classes\)"
    with pytest.raises(ConfigError, match=rf"{told}: sdm_weights must be for cityscapes19$"):
        check_networks(Plan(CONFIG | cityscapes | own))


def test_weights_of_spic_20(room, decoder, tiny_chain, tiny_ablations):
    points = "methods={spic_20: {coarse_qp: [30]}}"
    with pytest.raises(ConfigError, match=r"^method spic_20 needs spic_20_weights, and none are shipped \("):
        check(points, points=False)
    check(points, f"spic_20_weights={tiny_chain}", points=False)
    for wrong, told in (
        (tiny_ablations["sr_weights"], "spic_20_weights: .*sr was trained with --condition coarse, not both"),
        ("chain", r"^spic_20_weights: chain\.safetensors: no such file, nor is a decoder of that name shipped"),
    ):
        with pytest.raises(SpicError, match=told):
            check(points, f"spic_20_weights={wrong}", points=False)
    own = {"methods": {"spic_20": {"coarse_qp": [30]}}, "spic_20_weights": None}
    with pytest.raises(ConfigError, match=r"cityscapes19.*: spic_20_weights must be for camvid11"):
        check_networks(Plan(CONFIG | own | {"spic_20_weights": decoder(label_space="cityscapes19")["decoder_weights"]}))
    register("street-decoder-20", tiny_chain)
    check_networks(Plan(CONFIG | own))
    check(points, points=False)
    check("spic_20_weights=street-decoder-20", "decoder_weights=street-decoder-20", points, points=False)
    plan = Plan(read_config(ROOT, settings=[points]))
    file = str(room / "street-decoder-20.safetensors")
    assert plan.decoder_files(plan.method("spic_20")) == [file]
    named = Plan(read_config(ROOT, settings=["decoder_weights=street-decoder-20"]))
    assert named.decoder_files(named.method("spic")) == [file]


@pytest.mark.parametrize("name", sorted(name for name in codec_names() if get_codec(name).takes("label")))
def test_every_lossless_codec_codes_the_ssm(name):
    check(f"ssm_codec={name}")


def test_a_card_that_is_asked_for_must_be_here(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    for device in ("auto", "cpu", "cuda", "cuda:0"):
        check_device({"device": device})
    with pytest.raises(ConfigError, match="device 'cuda:1': torch sees 1 CUDA devices here"):
        check_device({"device": "cuda:1"})
