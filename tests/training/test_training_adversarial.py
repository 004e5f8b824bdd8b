"""The adversarial stage: gradients reach their own network, restarts are exact, old weights grow."""

import csv
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
import torch

from spic.errors import ConfigError, DataError, WeightsError
from spic.pictures.labels import one_hot
from spic.scsrdm import build, load_checkpoint, sample, save_checkpoint
from spic.scsrdm.decoder import Decoder
from spic.scsrdm.refine import half_chroma, low_pass, nearer
from spic.scsrdm.sampling import even_timesteps
from spic.scsrdm.schedule import alphas_cumprod
from spic.training import adversarial as recipe
from spic.training.adversarial import DRAWING, Recipe, Trainer, grown_network, train_adversarial
from spic.training.discriminators import Discriminators
from spic.training.loop import Budget
from spic.weights import sha256

WINDOW = (64, 64)
NETWORK = {**DRAWING, "finish_channels": 4}
pytestmark = pytest.mark.usefixtures("tiny_encoder")


class Killed(Exception):
    pass


@pytest.fixture
def make(tiny_decoder):
    """Recipe of small crops and a small head."""
    return lambda **numbers: Recipe(**{"network": NETWORK, "window": WINDOW, "batch": 2, "hold": 2, **numbers})


@pytest.fixture
def trainer(coded_pack, tiny_decoder, make):
    torch.manual_seed(0)
    return Trainer(coded_pack, None, make(), tiny_decoder, "cpu", "float32")


@pytest.fixture
def train(coded_pack, tiny_decoder, make, monkeypatch):
    """`train_adversarial` from random weights; may die at a step, then with a checkpoint of the one before."""
    real = Trainer.draw

    def train(folder, steps=4, die_at=None, init=tiny_decoder, numbers=None, **options):
        def draw(self, rng, step):
            if step == die_at:
                raise Killed
            return real(self, rng, step)

        monkeypatch.setattr(Trainer, "draw", draw)
        options = {"checkpoint_seconds": -1, "init": init, **options}
        return train_adversarial(coded_pack, folder, Budget(steps=steps), make(**(numbers or {})), **options)

    return train


def losses(trainer, seed, step):
    return trainer.losses(**trainer.draw(np.random.default_rng(seed), step))


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def gradients(module):
    return {name: None if p.grad is None else p.grad.clone() for name, p in module.named_parameters()}


def test_gradients_reach_their_own_network_alone(trainer):
    """The decoder's loss leaves the discriminators alone, theirs leaves the decoder alone; the sum is the two."""
    g, d = trainer.model, trainer.discriminators
    for net in d.patches:  # off the balance at 0, where real and drawn patches pull at it alike
        torch.nn.init.constant_(net[-1].bias, 2.0)
    state = {name: value.clone() for name, value in d.state_dict().items()}

    def of(*names):
        d.load_state_dict(state)
        g.zero_grad()
        d.zero_grad()
        parts = losses(trainer, 3, 100)
        sum(parts[name] for name in names).backward()
        return gradients(g), gradients(d)

    g_own, d_none = of("decoder")
    g_none, d_own = of("on_real", "on_drawn", "hinge")
    assert all(grad is None for grad in (*d_none.values(), *g_none.values()))
    assert all(grad.any() for name, grad in g_own.items() if name.startswith(("refine.out", "out.")))
    for name, grad in d_own.items():
        assert (grad is None) == ("encoder" in name), name
        assert grad is None or grad.any(), name
    g_both, d_both = of("loss")
    assert same(g_own, g_both)
    assert all(a is b is None or torch.equal(a, b) for a, b in zip(d_own.values(), d_both.values(), strict=True))


def test_what_learns_from_what(trainer):
    """The segmenter from its two losses, the patch discriminators from the hinge, the decoder from all of its own."""
    parts = losses(trainer, 3, 0)
    d = {name: p for name, p in trainer.discriminators.named_parameters() if p.requires_grad}
    for loss, learner in (("on_drawn", "segmenter"), ("on_real", "segmenter"), ("hinge", "patches")):
        grads = torch.autograd.grad(parts[loss], list(d.values()), retain_graph=True, allow_unused=True)
        assert {name.partition(".")[0] for name, g in zip(d, grads, strict=True) if g is not None} == {learner}
    head = trainer.model.refine.out.weight
    for loss in ("readable", "patch", "features", "texture", "amount", "colour", "low", "pixels"):
        assert torch.autograd.grad(parts[loss], head, retain_graph=True)[0].any(), loss


def test_adversarial_losses_come_in_slowly(trainer):
    """Not at all in the first `hold` steps, fully after twice as many; all other losses count from the start."""
    r = trainer.recipe
    for step, share in ((0, 0), (2, 0), (3, 0.5), (4, 1), (9, 1)):
        parts = losses(trainer, step, step)
        likeness = r.pixels * parts["pixels"] + r.low * parts["low"] + r.colour * parts["colour"]
        likeness = likeness + r.features * parts["features"] + r.grid * parts["grid"] + r.texture * parts["texture"]
        likeness = likeness + r.spectrum * parts["spectrum"] + r.amount * parts["amount"]
        adversarial = r.semantic * parts["readable"] + r.patch * parts["patch"]
        assert parts["decoder"].item() == pytest.approx((likeness + share * adversarial).item(), rel=1e-5)
        together = parts["decoder"] + parts["on_real"] + parts["on_drawn"] + parts["hinge"]
        assert parts["loss"].item() == pytest.approx(together.item(), rel=1e-6)


def test_a_step_is_the_same_again(trainer):
    """Every random number comes from the step's generator."""
    state = {name: value.clone() for name, value in trainer.discriminators.state_dict().items()}
    seen = []
    for _ in range(2):
        trainer.discriminators.load_state_dict(state)
        torch.randn(3)
        seen.append({name: x.item() for name, x in losses(trainer, 5, 3).items()})
    assert seen[0] == seen[1] and seen[0] != {name: x.item() for name, x in losses(trainer, 6, 3).items()}


def test_killed_and_resumed_is_the_same_training(train, coded_pack, monkeypatch, tmp_path):
    """To the bit, with discriminators and their optimizer, with predicted maps; and looked at in between or not."""
    monkeypatch.setattr(recipe, "_LOOKS", 1)
    predicted = np.full_like(coded_pack.labels, 5)
    whole, _ = train(tmp_path / "whole", predicted=predicted, validation=coded_pack, evaluate_every=2)
    with pytest.raises(Killed):
        train(tmp_path / "killed", die_at=3, predicted=predicted)
    resumed, _ = train(tmp_path / "killed", predicted=predicted)
    assert same(whole, resumed)
    ends = [torch.load(tmp_path / name / "checkpoint.pt") for name in ("whole", "killed")]
    assert same(ends[0]["module"], ends[1]["module"])
    assert same(*(end["companions"]["discriminators"] for end in ends))
    for a, b in zip(*(end["optimizer"]["state"].values() for end in ends), strict=True):
        assert same(a, b)
    rows = list(csv.DictReader((tmp_path / "whole" / "evaluation.csv").open()))
    assert [row["step"] for row in rows] == ["2", "4"] and float(rows[0]["on_real"]) > 0


def test_other_recipes_are_refused(train, tiny_decoder, tmp_path):
    train(tmp_path / "run", steps=1)
    for numbers in ({"patch": 0.5}, {"network": {**NETWORK, "refine_blocks": 1}}):
        with pytest.raises(WeightsError, match="another recipe"):
            train(tmp_path / "run", steps=2, numbers=numbers)
    model, config = load_checkpoint(tiny_decoder)
    model.out[2].weight.data += 1
    save_checkpoint(tmp_path / "w", model, config)
    with pytest.raises(WeightsError, match=r"another recipe \(init"):
        train(tmp_path / "run", steps=2, init=tmp_path / "w")


def test_each_network_has_its_learning_rate(train, tmp_path):
    train(tmp_path, steps=2, numbers={"learning_rate": 4e-4, "discriminator_rate": 1e-4})
    drawing, judging = torch.load(tmp_path / "checkpoint.pt")["optimizer"]["param_groups"]
    assert judging["lr"] == pytest.approx(drawing["lr"] / 4) and drawing["betas"] == judging["betas"] == (0.0, 0.99)


def test_discriminators_learn_to_tell(trainer):
    """From the gradients of steps' losses, and a decoder that stands still: they judge the same images better then."""

    def error():
        parts = losses(trainer, 0, 0)
        return (parts["on_real"] + parts["on_drawn"] + parts["hinge"]).item()

    learned = [p for p in trainer.discriminators.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(learned, 3e-3, (0.0, 0.99))
    before = error()
    for step in range(10):
        optimizer.zero_grad()
        losses(trainer, step, 0)["loss"].backward()
        optimizer.step()
    assert error() < 0.9 * before


def test_weights_load_in_the_decoder(train, coded_pack, tmp_path):
    """One step, and no seed has a part in the image; colour is at half resolution."""
    state, config = train(tmp_path, steps=2)
    assert config["sampling"] == {"sampler": "noiseless", "steps": 1, "start": 200, "guidance": 1.0}
    assert NETWORK.items() <= config["network"].items() and config["label_space"] == "camvid11"
    save_checkpoint(tmp_path / "street", state, config, "int8")
    decoder = Decoder(tmp_path / "street", "cpu", "float32")
    one, two = (decoder(coded_pack.labels, coded_pack.coarse[40], seeds) for seeds in ([1, 2], [3, 4]))
    assert one.shape == coded_pack.pictures.shape and np.array_equal(one, two)


def test_what_is_trained_is_what_is_sampled(trainer, coded_pack):
    """A crop of the whole image at the timestep of sampling is drawn as the sampler draws it, up to clipping."""
    trainer.asked.spread = 0
    given = trainer.asked.next(trainer.model, trainer.batches.draw, 2, np.random.default_rng(0))
    with torch.no_grad():
        drawn = trainer.model(given["x_t"], given["t"], given["ssm"], given["coarse"])
        sampled = sample(trainer.model, given["ssm"], given["coarse"], noise=[0, 0], **trainer.config["sampling"])
    torch.testing.assert_close(drawn.clamp(-1, 1), sampled, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("start", "lowest", "highest"), [(None, 180, 220), (0, 0, 20), (999, 979, 999)])
def test_timesteps(start, lowest, highest, coded_pack, tiny_decoder, make):
    trainer = Trainer(coded_pack, None, make(start=start), tiny_decoder, "cpu", "float32")
    given = trainer.asked.next(trainer.model, trainer.batches.draw, 64, np.random.default_rng(0))
    t = given["t"]
    assert lowest <= t.min() < lowest + 6 and highest - 6 < t.max() <= highest and "near" not in given
    expected = alphas_cumprod()[t.numpy()] ** 0.5
    flat = (given["x_t"] / trainer.model.enlarge(given["coarse"])).median(3).values.median(2).values[:, 0]
    assert np.allclose(flat, expected, atol=1e-3)


@pytest.mark.parametrize("sampler", ["published", "ancestral"])
def test_a_chain_is_trained(sampler, train, coded_pack, tmp_path):
    """Stopped and started anew, its chains go on where they were; the weights say how they are sampled."""
    numbers = {"sampler": sampler, "hold": 0}
    whole, config = train(tmp_path / "whole", steps=5, numbers=numbers, validation=coded_pack, evaluate_every=5)
    with pytest.raises(Killed):
        train(tmp_path / "cut", steps=5, numbers=numbers, die_at=3)
    again, _ = train(tmp_path / "cut", steps=5, numbers=numbers)
    assert same(whole, again)
    assert config["sampling"] == {"sampler": sampler, "timesteps": even_timesteps(20, 192, 30), "guidance": 1.0}
    (row,) = csv.DictReader((tmp_path / "whole" / "evaluation.csv").open())
    assert float(row["features"]) > 0


def test_far_steps_are_judged_by_their_pixels_alone(coded_pack, tiny_decoder, make):
    """What is noise by half is no image yet: no discriminator sees it, and it has its share of the loss."""
    trainer = Trainer(coded_pack, None, make(sampler="published", batch=3, hold=0), tiny_decoder, "cpu", "float32")
    seen = []
    compare = trainer.compare
    trainer.compare = lambda drawn, *rest: seen.append(len(drawn)) or compare(drawn, *rest)
    first = losses(trainer, 0, 9)
    assert not seen and first["loss"] > 0 and first["on_drawn"] == 0 and set(first) == set(recipe.LOSSES)
    first["loss"].backward()
    assert all(p.grad is None for p in trainer.discriminators.parameters())
    for step in range(1, 24):
        found = losses(trainer, step, 9)
    assert seen and found["loss"].isfinite()


def test_discriminators_go_on(train, tmp_path):
    """Those of another training, and no steps in which they learn alone; another file is told by its name."""
    train(tmp_path / "first", steps=2)
    checkpoint = tmp_path / "first" / "checkpoint.pt"
    known = torch.load(checkpoint)["companions"]["discriminators"]
    still = {"discriminator_rate": 0.0, "hold": 0}
    train(tmp_path / "second", steps=1, numbers=still, discriminators=checkpoint)
    found = torch.load(tmp_path / "second" / "checkpoint.pt")
    learned = {name for name in known if name.endswith(("weight", "original", "bias"))}
    went_on = found["companions"]["discriminators"]
    assert learned and all(torch.equal(known[name], went_on[name]) for name in learned)
    assert found["recipe"]["discriminators"] == sha256(checkpoint)
    torch.save({"step": 1}, tmp_path / "other.pt")
    with pytest.raises(WeightsError, match=r"other\.pt: not a checkpoint of the second stage"):
        train(tmp_path / "third", steps=1, discriminators=tmp_path / "other.pt")


@pytest.mark.parametrize("smooth", [False, True])
def test_real_images_are_as_smooth_as_drawn_ones(smooth, coded_pack, tiny_decoder, make, monkeypatch):
    """But how much texture there is to be is theirs before they are made so."""
    trainer = Trainer(coded_pack, None, make(network={**NETWORK, "low_pass": smooth}), tiny_decoder, "cpu", "float32")
    seen = {}
    for name in ("reconstruction", "spectrum", "texture", "amount"):
        loss = getattr(recipe.losses, name)

        def spy(drawn, wanted, *rest, name=name, loss=loss):
            seen[name] = wanted
            return loss(drawn, wanted, *rest)

        monkeypatch.setattr(recipe.losses, name, spy)
    given = trainer.draw(np.random.default_rng(0), 0)
    trainer.losses(**given)
    images = given["images"]
    drawable = low_pass(images) if smooth else images
    assert torch.equal(drawable, images) != smooth
    for name in seen:
        torch.testing.assert_close(seen[name], images if name in ("texture", "amount") else drawable)
    assert len(seen) == 4


def test_the_segmenter_sees_other_places_and_sizes(coded_pack, tiny_decoder, make, monkeypatch):
    """Both images alike, and the labels where they are; the patch discriminators see the pixels as they are."""
    calls, real = [], recipe.sampled
    monkeypatch.setattr(recipe, "sampled", lambda x, grid: calls.append((x.shape, grid)) or real(x, grid))
    for numbers, count in (({"zoom": 1.0, "turn": 0.0}, 0), ({"turn": 0.0}, 2), ({"zoom": 1.0}, 2)):
        trainer = Trainer(coded_pack, None, make(**numbers), tiny_decoder, "cpu", "float32")
        calls.clear()
        assert losses(trainer, 0, 9)["loss"].isfinite()
        assert len(calls) == count and all(torch.equal(grid, calls[0][1]) for _, grid in calls)


@pytest.mark.parametrize("numbers", [{}, {"sampler": "published", "batch": 3}, {"sampler": "ancestral", "batch": 3}])
def test_a_step_is_work_of_the_device_alone(numbers, coded_pack, tiny_decoder, make, vgg_file, watched):
    """So that it can be recorded: see `spic.training.recorded`."""
    trainer = Trainer(coded_pack, None, make(hold=0, **numbers), tiny_decoder, "cpu", "bfloat16", vgg_file)
    for step in range(16):
        given = trainer.draw(np.random.default_rng(step), step)
        with watched() if step > 11 else nullcontext():  # what is made once is made in the first steps
            trainer.losses(**given)["loss"].backward()


def test_old_weights_grow(tiny_decoder, coded_pack, make, tmp_path):
    """Before the first step they give the image they gave before, but for its colour and its highest frequencies."""
    old, config = load_checkpoint(tiny_decoder)
    model = grown_network(tiny_decoder, make(), recipe.get_label_space("camvid11"))
    ssm, coarse = one_hot(torch.from_numpy(coded_pack.labels), 12), torch.rand(2, 3, 16, 32) * 2 - 1
    x_t, t = torch.randn(2, 3, 64, 128), torch.tensor([200, 190])
    with torch.no_grad():
        expected = half_chroma(old(x_t, t, ssm, coarse))
        expected = low_pass(nearer(expected, old.enlarge(coarse), DRAWING["colour_share"], DRAWING["luma_share"], 4))
        torch.testing.assert_close(model(x_t, t, ssm, coarse), expected, rtol=0, atol=1e-5)
        full = grown_network(
            tiny_decoder,
            make(network={**NETWORK, "chroma": "full", "low_pass": False, "colour_share": 0, "luma_share": 0}),
            recipe.get_label_space("camvid11"),
        )
        torch.testing.assert_close(full(x_t, t, ssm, coarse), old(x_t, t, ssm, coarse), rtol=0, atol=1e-5)
    save_checkpoint(tmp_path / "w", model, config, "float32")  # a second start from what has grown
    again = grown_network(tmp_path / "w", Recipe(network={}), recipe.get_label_space("camvid11"))
    assert same(again.state_dict(), model.state_dict()) and again.config == model.config


def test_a_network_is_that_of_the_weights_to_start_from(coded_pack, tiny_ablations, make):
    """Settings that no shape tells are kept: the ablation sdm has another residual."""
    space = recipe.get_label_space("camvid11")
    for name, condition in (("sr_weights", "coarse"), ("sdm_weights", "ssm")):
        assert grown_network(tiny_ablations[name], make(), space).config.condition == condition
    sdm = tiny_ablations["sdm_weights"]
    _, config = load_checkpoint(sdm)
    changed = sdm.with_name("changed")
    save_checkpoint(changed, build({**config["network"], "residual_std": 0.55}), {})
    assert grown_network(changed, make(), space).config.residual_std == 0.55
    trainer = Trainer(coded_pack, None, make(), changed, "cpu", "float32")
    assert trainer.config["sampling"]["start"] == 999 and not trainer.model.enlarge(torch.ones(1, 3, 4, 4)).any()
    other = grown_network(tiny_ablations["sr_weights"], make(condition="ssm"), space).config
    assert (other.condition, other.residual_std) == ("ssm", 0.55)
    assert Trainer(coded_pack, None, make(), None, "cpu", "float32").model.config.base_channels == 64


@pytest.mark.parametrize("condition", ["coarse", "ssm"])
def test_one_condition_alone(condition, train, tiny_decoder, coded_pack, monkeypatch, tmp_path):
    """What the decoder does not see, the patch discriminators do not see either."""
    seen = []
    real = Discriminators.patch_scores

    def watched(self, x, c, ssm, shift):
        seen.append((c, ssm))
        return real(self, x, c, ssm, shift)

    monkeypatch.setattr(Discriminators, "patch_scores", watched)
    _, config = train(tmp_path, steps=1, numbers={"condition": condition})
    assert config["network"]["condition"] == condition
    c, ssm = seen[-1]
    assert ssm.any() == (condition == "ssm")
    spread = c.std((2, 3)).max()
    assert spread == 0 if condition == "ssm" else spread > 0.1


def test_weights_that_do_not_do(train, tiny_decoder, coded_pack, make, tmp_path):
    model, config = load_checkpoint(tiny_decoder)
    save_checkpoint(tmp_path / "city", model, {**config, "label_space": "cityscapes19"})
    with pytest.raises(DataError, match="a decoder of cityscapes19; the pack's labels are camvid11"):
        train(tmp_path / "run", init=tmp_path / "city")
    save_checkpoint(tmp_path / "few", build({**config["network"], "num_classes": 10}), {})
    with pytest.raises(WeightsError, match="do not fit a decoder to start from"):
        train(tmp_path / "run", init=tmp_path / "few")
    plain = {**config["network"], "residual_std": None, "refine_channels": 0}
    save_checkpoint(tmp_path / "plain", build(plain), {})
    with pytest.raises(ConfigError, match="refine_blocks"):
        train(tmp_path / "run", init=tmp_path / "plain")
    with pytest.raises(WeightsError, match="no such file"):
        train(tmp_path / "run", init=tmp_path / "none")
    with pytest.raises(ConfigError, match="condition 'sound'"):
        train(tmp_path / "run", numbers={"condition": "sound"})
    with pytest.raises(ConfigError, match="condition 'sound'"):
        train(tmp_path / "run", init=None, numbers={"condition": "sound"})
    with pytest.raises(DataError, match="smaller"):
        train(tmp_path / "run", numbers={"window": (128, 256)})
    with pytest.raises(DataError, match="coarse images"):  # at once, and not when it is first looked at
        train(tmp_path / "run", validation=replace(coded_pack, coarse={}))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "wrong",
    [{"window": (128, 250)}, {"window": (0, 64)}, {"window": (64,)}, {"batch": 0}, {"spread": -1}, {"hold": -1}]
    + [{"start": start} for start in (-1, 1000)]
    + [{"sampler": "published", "end": end} for end in (-1, 180, 1000)]
    + [{"sampler": "ddim"}, {"sampler": "none"}, {"zoom": 0.5}, {"zoom": float("nan")}, {"turn": -1}],
)
def test_recipes_that_can_not_be(wrong):
    with pytest.raises(ConfigError):
        Recipe(**wrong)


def test_bfloat16(coded_pack, tiny_decoder, make):
    trainer = Trainer(coded_pack, None, make(), tiny_decoder, "cpu", "bfloat16")
    parts = losses(trainer, 0, 9)
    parts["loss"].backward()
    for module in (trainer.model, trainer.discriminators):
        assert all(p.grad.isfinite().all() for p in module.parameters() if p.grad is not None)
    assert all(part.dtype == torch.float32 and part.isfinite() for part in parts.values())
