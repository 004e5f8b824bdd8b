"""Running chains move as the sampler moves them."""

import numpy as np
import pytest
import torch

from spic.scsrdm import load_checkpoint, sample
from spic.scsrdm.sampling import Sampling
from spic.training import chains
from spic.training.batches import Batches
from spic.training.chains import Chains, OneStep

WINDOW = (64, 64)


@pytest.fixture
def network(tiny_decoder):
    return load_checkpoint(tiny_decoder)[0].eval()


@pytest.fixture
def draw(coded_pack):
    return Batches(coded_pack, None, WINDOW, 12).draw


@pytest.mark.parametrize("sampler", ["published", "ancestral"])
def test_against_the_sampler(sampler, network, draw, monkeypatch):
    """The x_t of the training are those of `spic.scsrdm.sample`, given the same noise."""
    sampling = Sampling(sampler, 20)
    running = Chains(sampling, 1, WINDOW, 12)
    monkeypatch.setattr(running, "_timesteps", lambda rng: sampling.chain)
    rng, mine, drawn = np.random.default_rng(0), [], []
    make = running._noise
    monkeypatch.setattr(running, "_noise", lambda rng: drawn.append(make(rng)) or drawn[-1])
    with torch.no_grad():
        for _ in range(20):
            batch, x_t, t = running.next(network, draw, 1, rng)
            mine.append((int(t), x_t))
            running.advance(network(x_t, t, batch.ssm, batch.coarse), rng)
        theirs, left = [], iter(drawn)
        sample(
            network,
            batch.ssm,
            batch.coarse,
            noise=lambda shape: next(left, torch.zeros(shape[1:]))[None],
            sampling=sampling,
            callback=lambda seen: theirs.append((seen["t"], seen["x"])),
        )
    assert [t for t, _ in mine] == [t for t, _ in theirs] == sampling.chain[::-1]
    for (_, a), (_, b) in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=2e-4)


def test_chains_end_and_begin_anew(network, draw):
    """Each with a crop of its own; short, thinned and whole ones are among them, and all end at 0."""
    running, rng = Chains(Sampling("published", 20), 3, WINDOW, 12), np.random.default_rng(1)
    seen, lengths = [[] for _ in range(3)], []
    for _ in range(300):
        batch, x_t, t = running.next(network, draw, 3, rng)
        running.advance(batch.images, rng)
        for i, step in enumerate(t.tolist()):
            if step == 192:
                torch.testing.assert_close(x_t[i], network.enlarge(batch.coarse)[i])
                lengths += [len(seen[i])] * bool(seen[i])
                assert not seen[i] or seen[i][-1] == 0
                seen[i] = []
            assert not seen[i] or step < seen[i][-1]
            seen[i].append(step)
    assert min(lengths) == 4 and max(lengths) == 20 and {8} < set(lengths) - {4, 20}


def test_what_is_judged():
    t = torch.tensor([0, 50, 60, 192])
    assert Chains(Sampling(), 1, WINDOW, 12).judged(t).tolist() == [True, True, False, False]
    assert OneStep(200, 20).judged(t) is None and chains.SHARP == 60


def test_a_chain_does_not_wander(network, draw):
    """Given the true image at each step, the state stays the image and noise of that step's variance."""
    running, rng = Chains(Sampling("ancestral", 20), 4, WINDOW, 12), np.random.default_rng(2)
    for _ in range(40):
        batch, x_t, t = running.next(network, draw, 4, rng)
        abar = torch.from_numpy(chains.alphas_cumprod()[t.numpy()]).view(-1, 1, 1, 1).float()
        off = (x_t - abar.sqrt() * batch.images)[t < 150]
        if len(off):
            expected = (1 - abar).sqrt()[t < 150].flatten()
            assert torch.allclose(off.std((1, 2, 3)), expected, rtol=0.35, atol=0.02)
        running.advance(batch.images, rng)
