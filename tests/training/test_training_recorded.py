"""Recorded steps are the steps that were recorded."""

from functools import partial

import numpy as np
import pytest
import torch

from spic.training.adversarial import DRAWING, Recipe, train_adversarial
from spic.training.loop import Budget, Optimization, train
from spic.training.recorded import Recorded, Staged

NUMBERS = {"network": {**DRAWING, "finish_channels": 4}, "window": (64, 64), "batch": 3, "hold": 2, "turn": 5.0}
on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


def staged(device):
    """A small regression whose inputs have one of two shapes."""

    def draw(rng, step):
        x = rng.standard_normal((4 + step % 2, 3), dtype=np.float32)
        return {"x": torch.from_numpy(x).to(device), "step": torch.tensor(float(step), device=device)}

    torch.manual_seed(0)
    module = torch.nn.Linear(3, 1).to(device)

    def losses(x, step):
        squared = (module(x) - x.sum(1, keepdim=True)).square().mean()
        return {"loss": squared, "number": step}

    return module, Staged(draw, losses)


def test_two_stages_are_one_step():
    _, step = staged("cpu")
    losses = step(np.random.default_rng(0), 7)
    assert losses["number"] == 7 and losses["loss"] > 0 and losses["loss"].requires_grad


@pytest.mark.parametrize(
    "look",
    [
        lambda x: x.sum().item(),
        lambda x: x[x > 0],
        lambda x: x * torch.tensor([1.0, 2.0]),
        lambda x: x.sum().to("meta"),
    ],
)
def test_what_cannot_be_recorded(look, watched):
    """The tests of trainings find it where there is no GPU."""
    with pytest.raises(AssertionError), watched():
        look(torch.ones(2))


@pytest.mark.gpu
@on_gpu
def test_work_is_replayed():
    """On the inputs of each call, for each of their shapes; the results of earlier calls stay what they are."""
    total = torch.zeros((), device="cuda")
    calls = []

    def work(x):
        calls.append(len(x))
        total.add_(x.sum())
        return 2 * x

    recorded, results = Recorded(work, torch.device("cuda")), []
    for i in range(12):
        results.append(recorded({"x": torch.full((3 + i % 2,), float(i), device="cuda")}))
    assert [result.tolist() for result in results] == [[2.0 * i] * (3 + i % 2) for i in range(12)]
    assert total == sum(i * (3 + i % 2) for i in range(12)) and len(calls) == 8


@pytest.mark.gpu
@on_gpu
@pytest.mark.parametrize("steps", [2, 30])
def test_against_steps_that_are_not_recorded(steps, tmp_path):
    """The same weights at the end, and the same learning rates on the way."""
    ends = []
    for name, wrap in (("recorded", lambda step: step), ("plain", lambda step: lambda *given: step(*given))):
        module, step = staged("cuda")
        how = Optimization(1e-2, ema_decay=0.9)
        train(module, wrap(step), tmp_path / name, Budget(steps=steps), how)
        ends.append(torch.cat([p.detach().flatten() for p in module.parameters()]))
    torch.testing.assert_close(*ends)
    logs = [(tmp_path / name / "log.csv").read_text().splitlines()[-1].split(",") for name in ("recorded", "plain")]
    assert logs[0][2] == logs[1][2] and float(logs[0][3]) == pytest.approx(float(logs[1][3]), rel=1e-4)


@pytest.mark.gpu
@on_gpu
def test_stopped_and_started_anew(tmp_path):
    """Recorded or not, before and after."""
    ends = []
    for name, modes in (("a", (1, 1)), ("b", (1, 0)), ("c", (0, 1)), ("d", (0, 0))):
        for mode, steps in zip(modes, (10, 30), strict=True):
            module, step = staged("cuda")
            train(
                module, step if mode else partial(_call, step), tmp_path / name, Budget(steps=steps), Optimization(1e-2)
            )
        ends.append(torch.cat([p.detach().flatten() for p in module.parameters()]))
    for end in ends[1:]:
        torch.testing.assert_close(end, ends[0])


def _call(step, *given):
    return step(*given)


def test_a_recorded_training_goes_on_without_a_gpu(tmp_path):
    """Its optimizer's settings are those of a CUDA graph; here, steps are taken one by one again."""
    ends = []
    for name in ("plain", "was recorded"):
        path, how = tmp_path / name / "checkpoint.pt", Optimization(1e-2, ema_decay=0.9)
        module, step = staged("cpu")
        train(module, step, path.parent, Budget(steps=5), how, checkpoint_seconds=-1)
        state = torch.load(path)
        state["step"], state["seconds"] = 3, 0.0
        if name != "plain":
            for group in state["optimizer"]["param_groups"]:
                group |= {"capturable": True, "fused": True, "lr": torch.tensor(0.5)}
        torch.save(state, path)
        module, step = staged("cpu")
        train(module, step, path.parent, Budget(steps=5), how)
        ends.append(torch.cat([p.detach().flatten() for p in module.parameters()]))
    assert torch.equal(*ends)


@pytest.mark.gpu
@on_gpu
@pytest.mark.parametrize("sampler", ["noiseless", "published"])
@pytest.mark.usefixtures("tiny_encoder")
def test_the_second_stage_is_recorded(sampler, coded_pack, tiny_decoder, vgg_file, tmp_path, monkeypatch):
    """Its weights move as they move without a recording, up to what order of sums does."""
    ends = []
    for recorded in (True, False):
        if not recorded:
            monkeypatch.setattr("spic.training.adversarial.Staged", lambda draw, losses: lambda *a: losses(**draw(*a)))
        state, _ = train_adversarial(
            coded_pack,
            tmp_path / str(recorded),
            Budget(steps=24),
            Recipe(**NUMBERS, sampler=sampler),
            init=tiny_decoder,
            vgg=vgg_file,
            device="cuda",
        )
        ends.append(torch.cat([value.float().flatten() for value in state.values()]).cpu())
    start = torch.cat([value.float().flatten() for value in _start(tiny_decoder).values()])
    assert (ends[0] - ends[1]).norm() < 0.1 * (ends[0] - start).norm()


def _start(weights):
    from spic.pictures.labels import get_label_space
    from spic.training.adversarial import grown_network

    return grown_network(weights, Recipe(**NUMBERS), get_label_space("camvid11")).state_dict()
