"""The loop all trainings share: bounded by steps or minutes, resumable, logged.

What a step does depends only on the seed, its number and the state so far, so a training that was killed and started
again goes on exactly where its last checkpoint stood: with ``--steps`` to the bit, with ``--minutes`` up to the
learning rate, which then follows the clock.
"""

import csv
import math
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from spic.errors import ConfigError, SpicError, WeightsError, memory_shortage
from spic.files import atomic_path, make_folder, write_bytes
from spic.training.distributed import Ranks


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
        spent = step / self.steps if self.steps else seconds / (60 * self.minutes)
        return min(1.0, spent)


def cosine_rate(progress: float, warmup: float = 0.02) -> float:
    """Factor on the learning rate: linear warm-up, then half a cosine down to zero."""
    if progress < warmup:
        return (progress + 1e-3) / (warmup + 1e-3)
    return 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))


class Ema:
    """Exponential moving average of a module's parameters and buffers; young averages forget faster.

    The decay at step n is min(decay, (1 + n) / (10 + n)), so the average of a short training is not its start.
    """

    def __init__(self, module: torch.nn.Module, decay: float):
        self.decay = decay
        self.state = {key: value.detach().clone() for key, value in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: torch.nn.Module, step: int) -> None:
        """Move the average towards the module's state after step number `step`."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for key, value in module.state_dict().items():
            if value.dtype.is_floating_point:
                self.state[key].lerp_(value.detach(), 1 - decay)
            else:
                self.state[key].copy_(value)


def train(
    module: torch.nn.Module,
    loss_of: Callable[[np.random.Generator, int], dict],
    folder,
    budget: Budget,
    *,
    learning_rate: float,
    groups: list | None = None,
    betas: tuple[float, float] = (0.9, 0.999),
    weight_decay: float = 0.0,
    ema_decay: float = 0.999,
    clip: float = 1.0,
    seed: int = 0,
    recipe: dict | None = None,
    checkpoint_seconds: float = 120,
    on_save: Callable[[], None] | None = None,
    companions: dict | None = None,
    evaluate: Callable[[dict], dict] | None = None,
    evaluate_every: int = 0,
    ranks: Ranks = Ranks(),  # noqa: B008 (frozen)
) -> dict:
    """Train `module` in place and return the averaged (EMA) state dict.

    Parameters
    ----------
    module : torch.nn.Module
        On its device already.
    loss_of : callable
        Given the random generator of this step and its number, returns a dict of scalar tensors; `loss` is minimised,
        all are logged.
    folder : path-like
        Where `checkpoint.pt`, `log.csv` and `evaluation.csv` live; a checkpoint there is resumed.
    budget : Budget
        When to stop.
    groups : list of dict, optional
        Parameter groups; `scale` multiplies the learning rate of a group. One group of everything by default.
    recipe : dict
        Every setting that decides the outcome; a checkpoint of another recipe is refused.
    betas, weight_decay, clip
        Of AdamW, and the largest norm of the module's gradient.
    checkpoint_seconds, on_save
        How often to save, and what to call after it.
    companions : dict of str to torch.nn.Module
        What learns beside `module`, with parameters in `groups`: kept in the checkpoint, not averaged. In evaluation
        mode while `evaluate` looks.
    evaluate : callable, optional
        Given the averaged state dict, returns a dict of numbers; called every `evaluate_every` steps and at the end.
    ranks : Ranks
        The processes that train `module` together, all from the same `folder`; the first one writes.

    Raises
    ------
    WeightsError
        The checkpoint in `folder` belongs to another recipe, or is damaged.
    SpicError
        The loss is no number any more; the last checkpoint stands.
    """
    folder = Path(folder)
    make_folder(folder)
    companions = companions or {}
    recipe = (recipe or {}) | ({"ranks": ranks.world} if ranks.world > 1 else {})
    device = next(module.parameters()).device
    optimizer = torch.optim.AdamW(
        groups or module.parameters(), lr=learning_rate, betas=betas, weight_decay=weight_decay
    )
    ema, step, seconds = Ema(module, ema_decay), 0, 0.0
    saved = folder / "checkpoint.pt"
    if saved.exists():
        state = _read_checkpoint(saved, recipe)
        module.load_state_dict(state["module"])
        optimizer.load_state_dict(state["optimizer"])
        for name, companion in companions.items():
            companion.load_state_dict(state["companions"][name])
        for key, value in state["ema"].items():
            ema.state[key].copy_(value)
        step, seconds = state["step"], state["seconds"]
    if ranks.agree(step, device) != step:
        raise WeightsError(f"{saved}: not the checkpoint that the first rank has; all ranks need the same folder")
    if ranks.first and step:
        _drop_rows_after(folder / "log.csv", step)
        _drop_rows_after(folder / "evaluation.csv", step)

    def save():
        with atomic_path(saved) as temporary:
            torch.save(
                {
                    "module": module.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "ema": ema.state,
                    "companions": {name: companion.state_dict() for name, companion in companions.items()},
                    "step": step,
                    "seconds": seconds,
                    "recipe": recipe,
                },
                temporary,
            )
        if on_save:
            on_save()

    with _bar(ranks.first) as show:
        module.train()
        last, last_save, totals, count = time.monotonic(), time.monotonic(), {}, 0
        while budget.progress(step, seconds) < 1:
            rate = learning_rate * cosine_rate(budget.progress(step, seconds))
            for group in optimizer.param_groups:
                group["lr"] = rate * group.get("scale", 1.0)
            losses = loss_of(ranks.generator(seed, step), step)
            optimizer.zero_grad(set_to_none=True)
            losses["loss"].backward()
            learned = (p for group in optimizer.param_groups for p in group["params"])
            ranks.average([p.grad for p in learned if p.grad is not None])
            torch.nn.utils.clip_grad_norm_(module.parameters(), clip)
            optimizer.step()
            step += 1
            ema.update(module, step)
            now = time.monotonic()
            seconds, last, count = ranks.agree(seconds + now - last, device), now, count + 1
            values = [value.detach().clone() for value in losses.values()]
            ranks.average(values)
            for key, value in zip(losses, values, strict=True):
                totals[key] = totals.get(key, 0.0) + float(value)
            if not math.isfinite(totals["loss"]):
                raise SpicError(f"{folder}: the loss of step {step} is {totals['loss']}; the last checkpoint stands")
            show(budget.progress(step, seconds))
            done = budget.progress(step, seconds) >= 1
            if not ranks.first:
                continue
            if step % 50 == 0 or done:
                means = {key: round(value / count, 6) for key, value in totals.items()}
                _append(folder / "log.csv", {"step": step, "seconds": round(seconds, 1), "rate": rate, **means})
                totals, count = {}, 0
            if evaluate and evaluate_every and (step % evaluate_every == 0 or done):
                looking = [module, *companions.values()]
                for each in looking:
                    each.eval()
                _append(folder / "evaluation.csv", {"step": step, "seconds": round(seconds, 1), **evaluate(ema.state)})
                for each in looking:
                    each.train()
                last = time.monotonic()  # looking is not training: it does not count against the budget
            if done or time.monotonic() - last_save > checkpoint_seconds:
                save()
                last_save = time.monotonic()
    return ema.state


@contextmanager
def _bar(wanted: bool):
    """Gives a function that shows which fraction of a training is done: a bar on a terminal, nothing without rich."""
    if not (wanted and sys.stderr.isatty() and find_spec("rich")):
        yield lambda fraction: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
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


def _append(path: Path, row: dict) -> None:
    new = not path.exists() or not path.stat().st_size
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(row), lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)


def _drop_rows_after(path: Path, step: int) -> None:
    """Forget what a killed run logged after its last checkpoint: those steps are about to be done again."""
    if not path.exists():
        return
    header, *rows = [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")] or [""]
    write_bytes(path, "".join([header, *(row for row in rows if int(row.split(",")[0]) <= step)]).encode())
