"""Which weights are meant: a file, the name of shipped ones, or nothing."""

import shutil

import pytest

from spic.errors import ConfigError, WeightsError
from spic.scsrdm import info
from spic.scsrdm.info import decoder_path, describe_decoder, find_decoder, shipped_decoder, shipped_decoders
from spic.weights import register, weight_paths


@pytest.fixture
def shipped(shipping, tiny_decoder, tiny_chain, tiny_segmenter):
    for name, path in {"street-decoder": tiny_decoder, "chain": tiny_chain, "street-segmenter": tiny_segmenter}.items():
        register(name, path)
    return shipping


def test_names_and_files(shipped, tiny_decoder, tiny_chain):
    assert shipped_decoders() == ["chain", "street-decoder"]  # not the segmenter
    assert find_decoder("decoder_weights") == shipped / "street-decoder.safetensors"
    assert find_decoder("decoder_weights", "chain") == shipped / "chain.safetensors"
    assert find_decoder("sr_weights", "chain") == shipped / "chain.safetensors"
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


def test_what_is_not_there(shipped, monkeypatch):
    for name in ("chian", "chain-2"):
        with pytest.raises(WeightsError) as caught:
            find_decoder("decoder_weights", name)
        told = "no such file, nor is a decoder of that name shipped (there are: chain, street-decoder)"
        assert str(caught.value) == f"{name}.safetensors: {told}"
    for path in ("./chian", "x/chian", "chian.pt"):  # no names: whoever reads it says that it is not there
        assert find_decoder("decoder_weights", path) == path
    with pytest.raises(WeightsError, match=r"street-segmenter\.json: not the config of a decoder"):
        describe_decoder("street-segmenter")
    with pytest.raises(ConfigError, match="sr_weights: none are shipped, and none are given"):
        find_decoder("sr_weights")
    monkeypatch.setitem(info.SHIPPED_DECODERS, "sr_weights", "not-yet")  # to be shipped one day
    with pytest.raises(ConfigError, match="sr_weights: none are shipped, and none are given"):
        find_decoder("sr_weights")
    (shipped / "chain.safetensors").write_bytes(b"other")
    with pytest.raises(WeightsError, match="hash differs"):
        find_decoder("decoder_weights", "chain")
