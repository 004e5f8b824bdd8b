"""Conformance with the authors' published network and sampler (outputs of theirs, weights made by a rule)."""

import json

import numpy as np
import pytest
import torch

from spic.pictures.labels import one_hot
from spic.scsrdm import build, config_from_official, sample
from spic.scsrdm.sampling import choose_timesteps

TOLERANCE = 1e-4  # memory layout alone moves the authors' own float32 output by 1e-5


@pytest.fixture(scope="module")
def noupdown(vector_data, vector_case):
    return vector_case(vector_data, "tiny_noupdown")


@pytest.fixture(scope="module")
def tiny(shared, vector_case):
    return vector_case(shared / "conformance" / "scsrdm", "tiny")


def onehot(case):
    return one_hot(case["labels"], case["num_classes"])


def check_network(case):
    np.testing.assert_array_equal(case["labels"], case["expected"]["labels"])
    with torch.no_grad():
        eps = case["model"](case["x"], case["t"], onehot(case), case["coarse"])
    assert eps.dtype == torch.float32
    assert np.abs(eps.numpy() - case["expected"]["eps"]).max() < TOLERANCE


def check_chain(case, guidance, **settings):
    g = np.random.Generator(np.random.PCG64(case["noise_seed"]))
    draws = []

    def noise(shape):
        draws.append(shape)
        return torch.from_numpy(g.standard_normal(shape))

    picture = sample(case["model"], onehot(case), case["coarse"], guidance=guidance, noise=noise, **settings)
    assert np.abs(picture.numpy() - case["expected"][f"sample_s{guidance}"]).max() < TOLERANCE
    assert draws == [tuple(case["x"].shape)] * 20  # t = 0 included, none at the start


def test_network_without_resblock_updown(noupdown):
    check_network(noupdown)


@pytest.mark.parametrize("guidance", [1.0, 1.5])
def test_chain_with_fixed_variance(noupdown, guidance):
    check_chain(noupdown, guidance, sampler="published")


def test_chain_by_its_timesteps(noupdown):
    check_chain(noupdown, 1.0, timesteps=noupdown["timestep_map"])
    assert choose_timesteps() == choose_timesteps(20) == noupdown["timestep_map"]


def test_channels_last_changes_nothing(noupdown, vector_data, vector_case):
    case = vector_case(vector_data, "tiny_noupdown")
    case["model"] = case["model"].to(memory_format=torch.channels_last)
    check_network(case)


@pytest.mark.shared
def test_network_with_learned_variance(tiny):
    check_network(tiny)


@pytest.mark.shared
@pytest.mark.parametrize("guidance", [1.0, pytest.param(1.5, marks=pytest.mark.slow)])
def test_chain_with_learned_variance(tiny, guidance):
    check_chain(tiny, guidance)


@pytest.mark.parametrize("name", ["tiny", "tiny_noupdown"])
def test_state_dict_is_the_published_one(vector_data, name):
    case = json.loads((vector_data / f"{name}.json").read_text())
    with torch.device("meta"):
        model = build(config_from_official(case["config"]))
    assert_published(model, vector_data / f"{name}.state_dict.json", case["params"])


def test_released_size(vector_data):
    options = {
        "attention_resolutions": "32,16,8",
        "image_size": 256,
        "num_channels": 256,
        "num_head_channels": 64,
        "num_res_blocks": 2,
        "num_classes": 19,
        "learn_sigma": "True",
        "class_cond": True,
        "no_instance": True,
        "resblock_updown": True,
        "use_scale_shift_norm": True,
    }
    for config in ({}, config_from_official(options)):
        with torch.device("meta"):
            model = build(config)
        assert_published(model, vector_data / "paper.state_dict.json", 653_012_230)
        assert len(model.state_dict()) == 766


def assert_published(model, path, parameters):
    shapes = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    assert shapes == json.loads(path.read_text())
    assert not list(model.buffers())
    assert sum(p.numel() for p in model.parameters()) == parameters
