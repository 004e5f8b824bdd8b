"""The loop all trainings share: bounded by steps or minutes, resumable, logged.

What a step does depends only on the seed, its number and the state so far, so a training that was killed and started
again goes on exactly where its last checkpoint stood: with ``--steps`` to the bit on a CPU, on a GPU up to rounding and
noise, with ``--minutes`` up to the learning rate, which then follows the clock.
"""

import csv
import math
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from spic.errors import ConfigError, SpicError, WeightsError, memory_shortage
from spic.files import atomic_path, make_folder, write_bytes
from spic.training.distributed import Ranks
from spic.training.recorded import Recorded, Staged
from spic.weights import sha256, weight_paths


@dataclass(frozen=True)
class Budget:
    """How long to train: `steps`, or `minutes` of wall-clock time summed over restarts (one of the two)."""

    steps: int | None = None
    minutes: float | None = None

    def __post_init__(self):
        given = [bound for bound in (self.steps, self.minutes) if bound is not None]
        if len(given) != 1 or not 0 < given[0] < math.inf:
            raise ConfigError("a training is bounded by either --steps or --minutes, above 0")

    def progress(self, step: int, seconds: float) -> float:
        """Fraction of the budget that is spent, 0 to 1."""
        return min(1.0, step / self.steps if self.steps else seconds / (60 * self.minutes))


def cosine_rate(progress: float, warmup: float = 0.02) -> float:
    """Factor on the learning rate: linear warm-up, then half a cosine down to zero."""
    if progress < warmup:
        return (progress + 1e-3) / (warmup + 1e-3)
    return 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))


class Ema:
    """Exponential moving average of a module's parameters and buffers; young averages forget faster.

    The decay at step n is min(decay, (1 + n) / (10 + n)), so the average of a short training is not its start. It
    follows the tensors that the module has when it is made: they may change in place, not be replaced.
    """

    def __init__(self, module: torch.nn.Module, decay: float):
        self.decay, followed = decay, module.state_dict()
        self.state = {key: value.detach().clone() for key, value in followed.items()}
        pairs = [(self.state[key], followed[key]) for key in followed]
        self.moving = list(zip(*(pair for pair in pairs if pair[0].dtype.is_floating_point), strict=True))
        self.copied = [pair for pair in pairs if not pair[0].dtype.is_floating_point]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move the average towards the module's state after step number `step`."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(*self.moving, 1 - decay)
        for average, value in self.copied:
            average.copy_(value)


@dataclass(frozen=True)
class Optimization:
    """How weights move: AdamW along a cosine, gradients of a bounded norm, an average of the weights.

    Attributes
    ----------
    learning_rate : float
        Peak rate.
    betas, weight_decay
        Of AdamW.
    ema_decay : float
        Of `Ema`.
    clip : float
        Largest norm of the module's gradient.
    seed : int
        Of the random numbers of all steps.
    """

    learning_rate: float
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    ema_decay: float = 0.999
    clip: float = 1.0
    seed: int = 0


def train(
    module: torch.nn.Module,
    loss_of: Callable[[np.random.Generator, int], dict],
    folder,
    budget: Budget,
    how: Optimization,
    *,
    groups: list | None = None,
    recipe: dict | None = None,
    companions: dict | None = None,
    evaluate: Callable[[torch.nn.Module], dict] | None = None,
    evaluate_every: int = 0,
    ranks: Ranks = Ranks(),  # noqa: B008 (frozen)
    **saving,
) -> dict:
    """Train `module` in place and return the averaged (EMA) state dict.

    Parameters
    ----------
    module : torch.nn.Module
        On its device already.
    loss_of : callable
        Given the random generator of this step and its number, returns a dict of scalar tensors; `loss` is minimised,
        all are logged. A `Staged` one is recorded as a CUDA graph where one process trains on a GPU.
    folder : path-like
        Where `checkpoint.pt`, `log.csv` and `evaluation.csv` live; a checkpoint there is resumed.
    budget : Budget
        When to stop.
    groups : list of dict, optional
        Parameter groups; `scale` multiplies the learning rate of a group. One group of everything by default.
    recipe : dict
        Every setting that decides the outcome; a checkpoint of another recipe is refused.
    companions : dict of str to torch.nn.Module
        What learns beside `module`, with parameters in `groups`: kept in the checkpoint, not averaged. In evaluation
        mode while `evaluate` looks.
    evaluate : callable, optional
        Given a copy of `module` with the averaged weights, in evaluation mode, returns a dict of numbers; called every
        `evaluate_every` steps and at the end.
    ranks : Ranks
        The processes that train `module` together, all from the same `folder`; the first one writes.
    **saving
        `checkpoint_seconds` (120): how often to save; `on_save` (nothing): what to call after it.

    Raises
    ------
    WeightsError
        The checkpoint in `folder` belongs to another recipe, or is damaged.
    SpicError
        The loss is no number any more; the last checkpoint stands.
    """
    recipe = (recipe or {}) | ({"ranks": ranks.world} if ranks.world > 1 else {})
    run = _Run(module, companions or {}, Path(folder), how, groups, recipe, ranks, **saving)
    run.resume()
    if isinstance(loss_of, Staged) and ranks.world == 1 and run.device.type == "cuda":
        run.record(loss_of)
    with _bar(ranks.first) as show:
        run.modules.train()
        last = time.monotonic()
        while (progress := budget.progress(run.step, run.seconds)) < 1:
            rate = run.learn(loss_of, progress)
            now = time.monotonic()
            run.seconds, last = ranks.agree(run.seconds + now - last, run.device), now
            progress = budget.progress(run.step, run.seconds)
            show(progress)
            if run.step % 50 == 0 or progress >= 1:
                run.log("log.csv", {"rate": rate, **run.means()})
            if evaluate and evaluate_every and ranks.first and (run.step % evaluate_every == 0 or progress >= 1):
                run.modules.eval()
                probe = deepcopy(module)
                probe.load_state_dict(run.ema.state)
                run.log("evaluation.csv", evaluate(probe))
                run.modules.train()
                last = time.monotonic()  # looking is not training: it does not count against the budget
            if ranks.first and (progress >= 1 or time.monotonic() - run.saved > run.checkpoint_seconds):
                run.save()
    return run.ema.state


class _Run:
    """What a checkpoint holds, and what moves it."""

    def __init__(
        self, module, companions, folder, how, groups, recipe, ranks, *, checkpoint_seconds: float = 120, on_save=None
    ):
        make_folder(folder)
        self.module, self.companions, self.folder, self.how = module, companions, folder, how
        self.recipe, self.ranks, self.checkpoint_seconds, self.on_save = recipe, ranks, checkpoint_seconds, on_save
        self.modules = torch.nn.ModuleList([module, *companions.values()])
        self.device = next(module.parameters()).device
        self.optimizer = torch.optim.AdamW(
            groups or module.parameters(), lr=how.learning_rate, betas=how.betas, weight_decay=how.weight_decay
        )
        self.recorded = None
        self.ema = Ema(module, how.ema_decay)
        self.step, self.seconds, self.rows, self.saved = 0, 0.0, [], time.monotonic()

    def resume(self) -> None:
        """Go on from the checkpoint in the folder, if there is one."""
        path = self.folder / "checkpoint.pt"
        if path.exists():
            state = _read_checkpoint(path, self.recipe)
            self.module.load_state_dict(state["module"])
            for group in state["optimizer"]["param_groups"]:  # of recorded steps, perhaps: this run may take others
                group |= {"capturable": False, "fused": None}
            self.optimizer.load_state_dict(state["optimizer"])
            for name, companion in self.companions.items():
                companion.load_state_dict(state["companions"][name])
            for key, value in state["ema"].items():
                self.ema.state[key].copy_(value)
            self.step, self.seconds = state["step"], state["seconds"]
        if self.ranks.agree(self.step, self.device) != self.step:
            raise WeightsError(f"{path}: not the checkpoint that the first rank has; all ranks need the same folder")
        if self.ranks.first and self.step:
            for log in filter(Path.exists, (self.folder / "log.csv", self.folder / "evaluation.csv")):
                # What a killed run logged after its last checkpoint: those steps are about to be done again.
                whole = [line for line in log.read_text().splitlines(keepends=True) if line.endswith("\n")]
                kept = [line for line in whole[1:] if int(line.split(",")[0]) <= self.step]
                write_bytes(log, "".join(whole[:1] + kept).encode())

    def record(self, staged: Staged) -> None:
        """Take steps as recordings; their learning rates are tensors, since a recorded number stays what it was."""
        state = self.optimizer.state_dict()
        for group in state["param_groups"]:
            group |= {"capturable": True, "fused": True}
        self.optimizer.load_state_dict(state)
        for group in self.optimizer.param_groups:
            group["lr"] = torch.zeros((), device=self.device)
        self.recorded = Recorded(lambda **inputs: self.descend(staged.losses(**inputs)), self.device)

    def save(self) -> None:
        if self.rows:
            self.recent()
        state = {
            "module": self.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "ema": self.ema.state,
            "companions": {name: companion.state_dict() for name, companion in self.companions.items()},
            "step": self.step,
            "seconds": self.seconds,
            "recipe": self.recipe,
        }
        with atomic_path(self.folder / "checkpoint.pt") as temporary:
            torch.save(state, temporary)
        if self.on_save:
            self.on_save()
        self.saved = time.monotonic()

    def learn(self, loss_of, progress: float) -> float:
        """One step at the learning rate that this progress has, which is returned."""
        rate, groups = self.how.learning_rate * cosine_rate(progress), self.optimizer.param_groups
        for group in groups:
            own = rate * group.get("scale", 1.0)
            group["lr"] = group["lr"].fill_(own) if self.recorded else own
        rng = self.ranks.generator(self.how.seed, self.step)
        if self.recorded:
            row = self.recorded(loss_of.draw(rng, self.step))
        else:
            row = self.descend(loss_of(rng, self.step))
        self.step += 1
        self.ema.update(self.step)
        self.ranks.average([row])
        self.rows.append(row)
        return rate

    def descend(self, losses: dict) -> torch.Tensor:
        """Move the weights down the gradient of `loss`; all losses in one tensor."""
        self.optimizer.zero_grad(set_to_none=True)
        losses["loss"].backward()
        groups = self.optimizer.param_groups
        self.ranks.average([p.grad for group in groups for p in group["params"] if p.grad is not None])
        torch.nn.utils.clip_grad_norm_(self.module.parameters(), self.how.clip)
        self.optimizer.step()
        self.names = list(losses)
        return torch.stack([value.detach().float() for value in losses.values()])

    def recent(self) -> torch.Tensor:
        """Losses of the steps since the last log, float64 (steps, losses): where a training waits for its GPU."""
        recent = torch.stack(self.rows).double().cpu()
        loss = recent[:, self.names.index("loss")]
        if wrong := (~loss.isfinite()).nonzero().flatten().tolist():
            step = self.step - len(loss) + 1 + wrong[0]
            raise SpicError(f"{self.folder}: the loss of step {step} is {loss[wrong[0]]}; the last checkpoint stands")
        return recent

    def means(self) -> dict:
        """Means of the losses since the last log."""
        means = self.recent().mean(0).tolist()
        self.rows = []
        return {name: round(mean, 6) for name, mean in zip(self.names, means, strict=True)}

    def log(self, name: str, row: dict) -> None:
        """Append a row to a log, if this is the rank that writes."""
        if not self.ranks.first:
            return
        row = {"step": self.step, "seconds": round(self.seconds, 1), **row}
        with (self.folder / name).open("a", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(row), lineterminator="\n")
            if not file.tell():
                writer.writeheader()
            writer.writerow(row)


def origin(pack, init, dtype: str, seed: int) -> dict:
    """What a training of any network starts from, for its `recipe`."""
    return {"init": init and sha256(weight_paths(init)[0]), **pack.about, "dtype": dtype, "seed": seed}


@torch.no_grad()
def mean_losses(probe, look: Callable, count: int, seed: int) -> dict:
    """Means of `count` looks at a network, always the same looks: `look(probe, generator)` gives scalar tensors."""
    rng = np.random.default_rng(seed)
    rows = [look(probe, rng) for _ in range(count)]
    return {name: round(float(np.mean([float(row[name]) for row in rows])), 5) for name in rows[0]}


@contextmanager
def _bar(wanted: bool):
    """Gives a function that shows which fraction of a training is done: a bar on a terminal, nothing without rich."""
    if not (wanted and sys.stderr.isatty() and find_spec("rich")):
        yield lambda fraction: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    ) as progress:
        bar = progress.add_task("training", total=1000)
        yield lambda fraction: progress.update(bar, completed=int(1000 * fraction))


def _read_checkpoint(path: Path, recipe: dict) -> dict:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        other = state["recipe"]
    except Exception as error:  # torch raises a dozen kinds for damaged files
        reason = memory_shortage(error) or f"not a checkpoint of a training ({type(error).__name__})"
        raise WeightsError(f"{path}: {reason}") from None
    for key in sorted({*recipe, *other}):
        if recipe.get(key) != other.get(key):
            raise WeightsError(
                f"{path}: belongs to another recipe ({key}: {other.get(key)}, not {recipe.get(key)}); "
                "use another folder or remove it"
            )
    return state
