"""What each of the two processes of test_training_distributed.py runs: `two_ranks.py PACK FOLDER`."""

import sys
from pathlib import Path

import torch

from spic.training import decoder as recipe
from spic.training.distributed import joined
from spic.training.loop import Budget
from spic.training.pack import read_pack

RECIPE = recipe.recipe_of(
    "paper",
    crop=(16, 32),
    batch=2,
    learning_rate=1e-3,
    network={
        "base_channels": 32,
        "channel_mult": [1, 1],
        "num_res_blocks": 1,
        "attention_resolutions": [],
        "head_channels": 16,
        "spade_hidden": 8,
    },
)


class Killed(Exception):
    """A rank dies."""


def train(pack, folder, steps, ranks, die_at=None):
    """Train so many steps, with a checkpoint after each; `die_at` of them end in `Killed`."""
    real = recipe.train

    def watched(module, loss_of, *rest, **settings):
        calls = []

        def watch(rng, step):
            if len(calls) == die_at:
                raise Killed
            calls.append(rng)
            return loss_of(rng, step)

        return real(module, watch, *rest, checkpoint_seconds=-1, **settings)

    recipe.train = watched
    try:
        return recipe.train_decoder(pack, folder, Budget(steps=steps), RECIPE, ranks=ranks)[0]
    finally:
        recipe.train = real


def main():
    """One step; four steps; four steps with an end after two and a start after that."""
    torch.set_num_threads(1)
    pack, folder = read_pack(sys.argv[1]), Path(sys.argv[2])
    with joined("cpu") as (ranks, _):
        train(pack, folder / "one", 1, ranks)
        torch.save(train(pack, folder / "whole", 4, ranks), folder / f"whole-{ranks.rank}.pt")
        try:
            train(pack, folder / "killed", 4, ranks, die_at=2)
        except Killed:
            ranks.agree(0, "cpu")  # the first rank has written its checkpoint
            torch.save(train(pack, folder / "killed", 4, ranks), folder / f"resumed-{ranks.rank}.pt")


if __name__ == "__main__":
    main()
