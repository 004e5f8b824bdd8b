"""Which weights are meant: a file, the name of shipped ones, or nothing."""

import shutil

import pytest

from spic.errors import ConfigError, WeightsError
from spic.scsrdm import info
from spic.scsrdm.info import decoder_path, describe_decoder, find_decoder, shipped_decoder, shipped_decoders
from spic.weights import register, sha256, weight_paths
from spic.weights import shipped as shipped_weights


@pytest.fixture
def shipped(shipping, tiny_decoder, tiny_chain, tiny_segmenter):
    for name, path in {"street-decoder": tiny_decoder, "chain": tiny_chain, "street-segmenter": tiny_segmenter}.items():
        register(name, path)
    return shipping


def test_names_and_files(shipped, tiny_decoder, tiny_chain):
    assert shipped_decoders() == ["chain", "street-decoder"]  # not the segmenter
    assert find_decoder("decoder_weights") == shipped / "street-decoder.safetensors"
    assert find_decoder("decoder_weights", "chain") == shipped / "chain.safetensors"
    assert find_decoder("sr_weights", "chain") == shipped / "chain.safetensors"  # whether it fits is asked elsewhere
    assert find_decoder("decoder_weights", tiny_chain) == tiny_chain
    assert describe_decoder("chain").weights_id == describe_decoder(tiny_chain).weights_id
    assert describe_decoder("chain").sampling.steps == 20 and describe_decoder().sampling.steps == 3
    for weights in (None, "chain", tiny_chain):
        assert weight_paths(decoder_path("decoder_weights", weights))[0].exists()


def test_a_file_that_is_there_comes_before_a_name(shipped, tiny_chain, tmp_path, monkeypatch):
    for path in weight_paths(tiny_chain):
        shutil.copy(path, tmp_path / f"street-decoder{path.suffix}")
    assert shipped_decoder("decoder_weights", "street-decoder") == "street-decoder"
    monkeypatch.chdir(tmp_path)
    assert shipped_decoder("decoder_weights", "street-decoder") is None
    assert describe_decoder("street-decoder").weights_id == describe_decoder(tiny_chain).weights_id
    assert describe_decoder().weights_id != describe_decoder(tiny_chain).weights_id  # the default is the shipped one


def test_a_decoder_of_one_condition(shipped, tiny_ablations):
    """It is the default of its own setting, takes the place of no other, and is not offered there."""
    for setting, name in (("sr_weights", "street-sr"), ("sdm_weights", "street-sdm")):
        path = register(name, tiny_ablations[setting])
        assert find_decoder(setting) == find_decoder(setting, name) == path
        assert describe_decoder(None, setting).weights_id == sha256(path)[:8]
    assert shipped_decoders() == ["chain", "street-decoder", "street-sdm", "street-sr"]
    assert shipped_decoders("both") == ["chain", "street-decoder"] and shipped_decoders("ssm") == ["street-sdm"]
    for wrong, setting, told in (
        ("street-sr", "decoder_weights", "street-sr.safetensors was trained with --condition coarse, not both"),
        ("street-sr", "sdm_weights", "street-sr.safetensors was trained with --condition coarse, not ssm"),
        ("chain", "sr_weights", "chain.safetensors was trained with --condition both, not coarse"),
    ):
        with pytest.raises(ConfigError, match=rf"^{setting}: .*{told}$"):
            describe_decoder(wrong, setting)
    with pytest.raises(WeightsError, match=r"\(there are: street-sdm\)$"):
        find_decoder("sdm_weights", "street-smd")


def test_the_decoders_that_come_with_the_package():
    """Each setting's own, for CamVid's classes: one step without noise, or the paper's chain of 20."""
    for setting, name in info.SHIPPED_DECODERS.items():
        one = describe_decoder(None, setting)
        assert one.path == shipped_weights(name) and one.label_space == "camvid11"
        sampler, passes = ("published", 20) if setting == "spic_20_weights" else ("noiseless", 1)
        assert (one.sampling.sampler, one.sampling.passes) == (sampler, passes)


def test_what_is_not_there(shipped):
    for name in ("chian", "chain-2"):
        with pytest.raises(WeightsError) as caught:
            find_decoder("decoder_weights", name)
        told = "no such file, nor is a decoder of that name shipped (there are: chain, street-decoder)"
        assert str(caught.value) == f"{name}.safetensors: {told}"
    for path in ("./chian", "x/chian", "chian.pt"):  # no names: whoever reads it says that it is not there
        assert find_decoder("decoder_weights", path) == path
    with pytest.raises(WeightsError, match=r"street-segmenter\.json: not the config of a decoder"):
        describe_decoder("street-segmenter")
    for setting in ("sr_weights", "sdm_weights", "spic_20_weights"):
        with pytest.raises(ConfigError, match=f"^{setting}: none are shipped, and none are given"):
            find_decoder(setting)
    (shipped / "chain.safetensors").write_bytes(b"other")
    with pytest.raises(WeightsError, match="hash differs"):
        find_decoder("decoder_weights", "chain")
