"""Network settings: round trip, translation of the authors' options, refusals."""

import json
import subprocess
import sys

import pytest

from spic.errors import ConfigError
from spic.scsrdm import ScsrdmConfig, build, config_from_official

OFFICIAL = {"class_cond": True, "no_instance": True, "num_head_channels": 32}


def test_round_trip_through_json():
    config = ScsrdmConfig(patch_size=4, attention_resolutions=[16], prediction="x0", residual_std=0.13, void_class=True)
    assert ScsrdmConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert config.ssm_planes == 20
    assert config.level_factors == (4, 8, 16, 32, 64, 128) and config.size_multiple == 128


def test_official_defaults():
    config = config_from_official(OFFICIAL)
    assert config["channel_mult"] == [1, 2, 3, 4] and config["attention_resolutions"] == [16, 8]
    assert config["num_classes"] == 151 and config["base_channels"] == 128 and config["learned_variance"] is False
    by_number = config_from_official({**OFFICIAL, "num_head_channels": -1, "num_heads": "2"})
    assert by_number["head_channels"] is None and ScsrdmConfig.from_dict(by_number).heads(256) == 2


@pytest.mark.parametrize(
    ("size", "multipliers"),
    [(64, [1, 2, 3, 4]), (128, [1, 1, 2, 3, 4]), (256, [1, 1, 2, 2, 4, 4]), (512, [0.5, 1, 1, 2, 2, 4, 4])],
)
def test_official_multipliers(size, multipliers):
    config = config_from_official({**OFFICIAL, "image_size": size, "attention_resolutions": "32,16,8"})
    assert config["channel_mult"] == multipliers
    given = config_from_official({**OFFICIAL, "image_size": size, "channel_mult": "1,2,2,2,2,2,2"})
    assert given["channel_mult"] == [1, 2, 2, 2, 2, 2, 2]


@pytest.mark.parametrize(
    "option",
    [
        {"image_size": 100},
        {"image_size": "big"},
        {"noise_schedule": "cosine"},
        {"diffusion_steps": 4000},
        {"class_cond": False},
        {"no_instance": False},
        {"use_new_attention_order": True},
        {"learn_sigma": "perhaps"},
        {"channel_mult": "1,x"},
        {"attention_resolutions": 16},
        {"num_channels": 33},
    ],
)
def test_official_refusals(option):
    with pytest.raises(ConfigError):
        config_from_official({**OFFICIAL, **option})


@pytest.mark.parametrize(
    "wrong",
    [
        {"colour": 1},
        {"num_classes": 0},
        {"num_classes": 2.0},
        {"num_res_blocks": True},
        {"base_channels": 48},
        {"base_channels": 16},
        {"channel_mult": []},
        {"channel_mult": 2},
        {"channel_mult": [1, -1]},
        {"channel_mult": [1, float("inf")]},
        {"channel_mult": [1, 1.1, 2, 2, 4, 4]},
        {"attention_resolutions": [200]},
        {"attention_resolutions": [0]},
        {"attention_resolutions": ["a"]},
        {"head_channels": 48},
        {"head_channels": 0},
        {"head_channels": None, "num_heads": 7},
        {"prediction": "noise"},
        {"prediction": ["v"]},
        {"learned_variance": 1},
        {"patch_size": 0},
        {"residual_std": 0.1},
        {"prediction": "x0", "residual_std": 0},
        {"prediction": "x0", "residual_std": float("nan")},
        {"prediction": "x0", "residual_std": "0.1"},
        {"upsampling": "nearest"},
        {"void_class": None},
    ],
)
def test_wrong_settings(wrong):
    with pytest.raises(ConfigError):
        ScsrdmConfig.from_dict(wrong)


def test_not_a_table():
    with pytest.raises(ConfigError):
        build([1])


def test_import_is_light():
    code = "import sys, spic.scsrdm, spic.scsrdm.schedule; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
