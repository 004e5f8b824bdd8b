"""The training loop: bounds, averages, logs, and going on where a killed run stopped."""

import csv
import io
import math
import sys
from types import SimpleNamespace

import pytest
import torch

from spic.errors import ConfigError, SpicError, WeightsError
from spic.training import loop
from spic.training.loop import Budget, Ema, Optimization, cosine_rate, train


class Killed(Exception):
    pass


@pytest.fixture
def clock(monkeypatch):
    """A clock that only moves when told to."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def run(folder, budget, *, die_at=None, clock=None, **options):
    """Fit a small network with batch norm; returns the averaged state and the number of steps done."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 1))
    done = 0

    def loss_of(rng, _):
        nonlocal done
        if done == die_at:
            raise Killed
        done += 1
        if clock:
            clock.now += 1
        x = torch.from_numpy(rng.standard_normal((8, 3)).astype("float32"))
        return {"loss": (net(x)[:, 0] - x.sum(1)).square().mean(), "size": x.square().mean()}

    numbers = {name: options.pop(name) for name in ("seed", "weight_decay", "ema_decay") if name in options}
    return train(net, loss_of, folder, budget, Optimization(1e-2, **numbers), **options), done


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def test_budget():
    assert Budget(steps=4).progress(1, 1e9) == 0.25 and Budget(steps=4).progress(9, 0) == 1
    assert Budget(minutes=2).progress(10**9, 30) == 0.25 and Budget(minutes=2).progress(0, 500) == 1


@pytest.mark.parametrize(
    "bounds",
    [
        {},
        {"steps": 3, "minutes": 1},
        {"steps": 0},
        {"steps": -1},
        *({"minutes": m} for m in (0, -2, math.nan, math.inf)),
    ],
)
def test_budgets_that_bound_nothing(bounds):
    with pytest.raises(ConfigError, match="--steps or --minutes"):
        Budget(**bounds)


def test_learning_rate_rises_then_falls():
    rates = [cosine_rate(i / 1000) for i in range(1001)]
    top = rates.index(max(rates))
    assert 0 < rates[0] < 0.1 and top == 20 and rates[top] == pytest.approx(1) and rates[-1] == pytest.approx(0)
    assert rates[:21] == sorted(rates[:21]) and rates[20:] == sorted(rates[20:], reverse=True)
    assert cosine_rate(0.51) == pytest.approx(0.5)


def test_ema_against_the_recurrence():
    module = torch.nn.BatchNorm1d(1)
    ema, expected = Ema(module, 0.6), 1.0
    for step in range(1, 12):
        with torch.no_grad():
            module.weight.fill_(step)
            module.num_batches_tracked.fill_(step)
        ema.update(step)
        decay = min(0.6, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
        assert ema.state["weight"].item() == pytest.approx(expected, rel=1e-5)
        assert ema.state["num_batches_tracked"].item() == step
    assert module.weight.item() == 11


@pytest.mark.parametrize("die_at", [1, 7, 60])
def test_a_killed_run_ends_with_the_same_bits(die_at, tmp_path):
    options = {"seed": 5, "weight_decay": 0.1, "ema_decay": 0.9, "checkpoint_seconds": -1}
    whole, _ = run(tmp_path / "whole", Budget(steps=70), **options)
    with pytest.raises(Killed):
        run(tmp_path / "killed", Budget(steps=70), die_at=die_at, **options)
    resumed, done = run(tmp_path / "killed", Budget(steps=70), **options)
    assert done == 70 - die_at and same(whole, resumed)
    ends = [torch.load(tmp_path / name / "checkpoint.pt") for name in ("whole", "killed")]
    assert same(ends[0]["module"], ends[1]["module"]) and ends[0]["step"] == ends[1]["step"] == 70
    assert [row["step"] for row in rows(tmp_path / "killed" / "log.csv")] == ["50", "70"]


def test_rows_after_the_checkpoint_are_forgotten(tmp_path, clock):
    options = {"clock": clock, "checkpoint_seconds": 70, "evaluate_every": 30}
    options["evaluate"] = lambda probe: {"norm": float(probe[0].weight.norm())}
    with pytest.raises(Killed):
        run(tmp_path, Budget(steps=120), die_at=110, **options)
    assert [row["step"] for row in rows(tmp_path / "log.csv")] == ["50", "100"]
    before = rows(tmp_path / "evaluation.csv")
    with open(tmp_path / "log.csv", "a") as file:
        file.write("11")  # killed while writing
    _, done = run(tmp_path, Budget(steps=120), **options)
    assert done == 120 - 71
    assert [row["step"] for row in rows(tmp_path / "log.csv")] == ["50", "100", "120"]
    after = rows(tmp_path / "evaluation.csv")
    assert [row["step"] for row in after] == ["30", "60", "90", "120"]
    assert [row["norm"] for row in after[:3]] == [row["norm"] for row in before]
    assert [row["seconds"] for row in after] == ["30.0", "60.0", "90.0", "120.0"]


def test_log_rows_are_means(tmp_path):
    run(tmp_path / "a", Budget(steps=52))
    first, second = rows(tmp_path / "a" / "log.csv")
    assert list(first) == ["step", "seconds", "rate", "loss", "size"]
    assert float(first["size"]) == pytest.approx(1, abs=0.2) and float(second["size"]) == pytest.approx(1, abs=0.6)


def test_minutes_are_summed_over_restarts(tmp_path, clock):
    with pytest.raises(Killed):
        run(tmp_path, Budget(minutes=1), die_at=45, clock=clock, checkpoint_seconds=-1)
    clock.now += 1e6  # the machine was off
    _, done = run(tmp_path, Budget(minutes=1), clock=clock)
    assert done == 15


def test_looking_does_not_count(tmp_path, clock):
    def evaluate(state):
        clock.now += 1000
        return {"x": 1}

    _, done = run(tmp_path, Budget(minutes=1), clock=clock, evaluate=evaluate, evaluate_every=10)
    assert done == 60


class Companion(torch.nn.Module):
    """Learns beside the network; in training mode each look at it changes it, as spectral normalisation does."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(()))
        self.register_buffer("looks", torch.zeros(()))

    def forward(self, x):
        if self.training:
            self.looks += 1
        return x * self.scale * (1 + 0.01 * self.looks)


def run_with_companion(folder, steps, *, die_at=None, evaluate_every=0):
    torch.manual_seed(0)
    net, beside = torch.nn.Linear(3, 1), Companion()

    def loss_of(rng, step):
        if step == die_at:
            raise Killed
        x = torch.from_numpy(rng.standard_normal((8, 3)).astype("float32"))
        return {"loss": (beside(net(x))[:, 0] - x.sum(1)).square().mean()}

    state = train(
        net,
        loss_of,
        folder,
        Budget(steps=steps),
        Optimization(1e-2, betas=(0.0, 0.99)),
        groups=[{"params": list(net.parameters())}, {"params": list(beside.parameters()), "scale": 0.5}],
        companions={"beside": beside},
        checkpoint_seconds=-1,
        evaluate=lambda state: {"x": beside(torch.ones(())).item()},
        evaluate_every=evaluate_every,
    )
    return state, net.state_dict(), beside.state_dict()


def test_companions_learn_and_are_resumed_to_the_bit(tmp_path):
    whole = run_with_companion(tmp_path / "whole", 12)
    with pytest.raises(Killed):
        run_with_companion(tmp_path / "killed", 12, die_at=7)
    resumed = run_with_companion(tmp_path / "killed", 12)
    assert all(same(a, b) for a, b in zip(whole, resumed, strict=True))
    assert whole[2]["scale"] != 1 and whole[2]["looks"] == 12


def test_looking_changes_nothing(tmp_path):
    looked = run_with_companion(tmp_path / "looked", 12, evaluate_every=3)
    assert len(rows(tmp_path / "looked" / "evaluation.csv")) == 4
    assert all(same(a, b) for a, b in zip(looked, run_with_companion(tmp_path / "blind", 12), strict=True))


def test_a_loss_that_is_no_number_stops_the_training(tmp_path):
    """What was saved before it happened stands."""
    net = torch.nn.Linear(2, 1)

    def loss_of(rng, step):
        return {"loss": net(torch.ones(1, 2)).mean() * (math.nan if step == 3 else 1.0)}

    with pytest.raises(SpicError, match=r"the loss of step 4 is nan; the last checkpoint stands"):
        train(net, loss_of, tmp_path, Budget(steps=9), Optimization(1e-2), checkpoint_seconds=-1)
    saved = torch.load(tmp_path / "checkpoint.pt")
    assert saved["step"] == 3 and saved["module"]["weight"].isfinite().all()


def test_what_follows_each_save(tmp_path):
    saved = []
    options = {
        "checkpoint_seconds": -1,
        "on_save": lambda: saved.append(torch.load(tmp_path / "checkpoint.pt")["step"]),
    }
    run(tmp_path, Budget(steps=3), **options)
    assert saved == [1, 2, 3]


@pytest.mark.parametrize("has_rich", [True, False])
def test_bar_on_a_terminal(has_rich, monkeypatch, tmp_path):
    """A training runs without rich, too."""
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    if not has_rich:
        monkeypatch.setattr(loop, "find_spec", lambda name: None)
        monkeypatch.setitem(sys.modules, "rich.progress", None)
    run(tmp_path, Budget(steps=3))
    assert ("1000/1000" in terminal.getvalue()) == has_rich


def test_a_finished_folder_gives_its_result_at_once(tmp_path):
    first, _ = run(tmp_path, Budget(steps=5))
    again, done = run(tmp_path, Budget(steps=5))
    assert done == 0 and same(first, again)
    assert [row["step"] for row in rows(tmp_path / "log.csv")] == ["5"]
    assert run(tmp_path, Budget(steps=8))[1] == 3


def test_another_recipe_is_refused(tmp_path):
    run(tmp_path, Budget(steps=2), recipe={"batch": 8, "widths": (1, 2)})
    with pytest.raises(WeightsError, match=r"checkpoint\.pt: .*another recipe \(batch: 8, not 4\)"):
        run(tmp_path, Budget(steps=2), recipe={"batch": 4, "widths": (1, 2)})
    with pytest.raises(WeightsError, match="another recipe"):
        run(tmp_path, Budget(steps=2), recipe={"batch": 8})
    assert run(tmp_path, Budget(steps=2), recipe={"widths": (1, 2), "batch": 8})[1] == 0


@pytest.mark.parametrize("content", [b"", b"PK nonsense", None])
def test_damaged_checkpoints(content, tmp_path):
    if content is None:
        torch.save([1, 2], tmp_path / "checkpoint.pt")
    else:
        (tmp_path / "checkpoint.pt").write_bytes(content)
    with pytest.raises(WeightsError, match=r"checkpoint\.pt: not a checkpoint"):
        run(tmp_path, Budget(steps=2))
