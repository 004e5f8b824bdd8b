"""Two processes train one network (gloo, CPU): the same as one with all their data, and resumable."""

import csv
import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from spic.codecs import get_codec
from spic.errors import ConfigError, WeightsError
from spic.training import decoder as recipe
from spic.training.distributed import Ranks, joined
from spic.training.loop import Budget
from spic.training.pack import read_pack, write_pack

SCRIPT = Path(__file__).with_name("two_ranks.py")


@pytest.fixture(scope="module")
def two_ranks():
    spec = importlib.util.spec_from_file_location("two_ranks", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pack(tiny_scenes, tmp_path_factory):
    path = tmp_path_factory.mktemp("pack") / "pack.zip"
    write_pack(path, [tiny_scenes(3)], [35], get_codec("bpg"))
    return path


@pytest.fixture(scope="module")
def trained(pack, tmp_path_factory):
    """Folder with what two ranks have trained."""
    folder = tmp_path_factory.mktemp("ranks")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    run = subprocess.run([*torchrun, SCRIPT, pack, folder], capture_output=True, text=True, check=False, timeout=600)
    assert run.returncode == 0, (run.stdout + run.stderr)[-3000:]
    return folder


def test_both_ranks_hold_the_same_network(trained):
    first, second = (torch.load(trained / f"whole-{rank}.pt") for rank in (0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_killed_and_resumed_is_the_same_training(trained):
    for rank in (0, 1):
        whole, resumed = (torch.load(trained / f"{name}-{rank}.pt") for name in ("whole", "resumed"))
        assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    ends = [torch.load(trained / name / "checkpoint.pt")["optimizer"]["state"] for name in ("whole", "killed")]
    assert all(torch.equal(ends[0][i]["exp_avg_sq"], ends[1][i]["exp_avg_sq"]) for i in ends[0])


def test_two_ranks_are_one_with_both_batches(trained, two_ranks, pack, monkeypatch, tmp_path):
    """After one step AdamW's first moment is a tenth of the (clipped) gradient."""
    real = recipe.train

    def both(module, loss_of, *rest, **settings):
        def loss(_, step):
            parts = [loss_of(Ranks(rank, 2).generator(0, 0), step) for rank in (0, 1)]
            return {name: (parts[0][name] + parts[1][name]) / 2 for name in parts[0]}

        return real(module, loss, *rest, **settings)

    monkeypatch.setattr(recipe, "train", both)
    recipe.train_decoder(read_pack(pack), tmp_path, Budget(steps=1), two_ranks.RECIPE)
    folders = tmp_path, trained / "one"
    alone, together = (torch.load(folder / "checkpoint.pt")["optimizer"]["state"] for folder in folders)
    largest = max(float(alone[i]["exp_avg"].abs().max()) for i in alone)
    assert largest > 1e-3 and alone.keys() == together.keys()
    for i in alone:
        torch.testing.assert_close(alone[i]["exp_avg"], together[i]["exp_avg"], rtol=1e-4, atol=1e-6 * largest)
    rows = [next(csv.DictReader((folder / "log.csv").open())) for folder in folders]
    assert float(rows[0]["loss"]) == pytest.approx(float(rows[1]["loss"]), rel=1e-5)


def test_another_number_of_ranks_is_another_training(trained, two_ranks, pack):
    with pytest.raises(WeightsError, match="ranks"):
        recipe.train_decoder(read_pack(pack), trained / "one", Budget(steps=1), two_ranks.RECIPE)


def test_random_streams():
    draws = [Ranks(rank, 3).generator(7, 5).random(4) for rank in range(3)]
    assert np.array_equal(draws[0], np.random.default_rng([7, 5]).random(4))
    assert len({tuple(draw) for draw in draws}) == 3


def test_one_process_needs_nothing(monkeypatch):
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    with joined("cpu") as (ranks, device):
        assert ranks == Ranks() and ranks.first and device == "cpu"
        assert ranks.agree(3.5, "cpu") == 3.5
    monkeypatch.setenv("WORLD_SIZE", "many")
    with pytest.raises(ConfigError, match="torchrun"), joined("cpu"):
        pass
