"""One frozen table of settings: what it refuses, and how tables are merged."""

import subprocess
import sys

import numpy as np
import pytest

from spic.errors import ConfigError
from spic.scsrdm.sampling import Sampling, even_timesteps, published_timesteps

DDIM = Sampling("ddim", 3, 100)


def test_the_defaults_are_the_published_chain():
    assert Sampling().to_dict() == {"sampler": "published", "guidance": 1.0, "steps": 20, "start": 192}
    assert Sampling().chain == published_timesteps() and Sampling().passes == 20
    assert Sampling.from_dict({}) == Sampling.from_dict({"steps": None, "guidance": None}) == Sampling()


def test_a_list_and_a_number_of_steps_replace_each_other():
    listed = DDIM.merge({"timesteps": np.array([0, 50])})
    assert listed.to_dict() == {"sampler": "ddim", "guidance": 1.0, "timesteps": [0, 50]}
    assert listed == Sampling("ddim", timesteps=(0, 50)) and hash(listed) and listed.chain == [0, 50]
    assert listed.merge({"start": 100}) == Sampling("ddim", start=100)
    assert listed.merge({"timesteps": None}) == Sampling("ddim")
    assert listed.merge({"timesteps": None, "steps": 3}) == Sampling("ddim", 3)
    assert listed.merge({"guidance": 2}).passes == 4
    assert DDIM.merge({"steps": 1}) == Sampling("ddim", 1, 100) and DDIM.merge({"steps": None}).steps == 20
    for one in (DDIM, listed, Sampling(guidance=1.5)):
        assert Sampling.from_dict(one.to_dict()) == one == DDIM.merge(one.to_dict()) == one.merge({})


def test_other_steps_of_a_list_lie_between_its_ends():
    """So weights for a chain that ends early are not asked for timesteps that they have not seen."""
    listed = Sampling("published", timesteps=tuple(even_timesteps(20, 192, 30)))
    assert listed.chain[:3] == [30, 39, 47] and len(listed.chain) == 20
    assert listed.merge({"steps": 4}).chain == [30, 84, 138, 192] and listed.merge({"steps": 1}).chain == [192]
    assert listed.merge({"steps": 20}) == listed and listed.merge({"steps": 8, "sampler": "ddim"}).sampler == "ddim"
    uneven = Sampling("published", timesteps=(40, 150, 192))
    assert uneven.merge({"steps": 3}) == uneven != uneven.merge({"steps": 3, "start": 192})
    assert uneven.merge({"steps": 2}).chain == [40, 192]
    with pytest.raises(ConfigError, match="no 200 different timesteps between 30 and 192"):
        listed.merge({"steps": 200})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"sampler": "magic"}, "unknown sampler 'magic'"),
        ({"sampler": ["ddim"]}, "unknown sampler"),
        ({"steps": 0}, "no 0 different timesteps"),
        ({"start": 1000}, "timesteps between 0 and 1000"),
        ({"steps": 2, "timesteps": [1, 2]}, "not both"),
        ({"timesteps": [2, 1]}, "rise strictly"),
        ({"guidance": True}, "finite number"),
        ({"guidance": float("inf")}, "finite number"),
        ({"tempo": 1, 2: 3}, "unknown sampling settings: 2, tempo"),
        ([("steps", 1)], "expected a table"),
    ],
)
def test_what_is_refused(wrong, message):
    for base in (Sampling(), DDIM):
        with pytest.raises(ConfigError, match=message):
            base.merge(wrong)


def test_it_is_light():
    code = "import sys, spic.scsrdm.sampling; print([m for m in ('numpy', 'torch') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
