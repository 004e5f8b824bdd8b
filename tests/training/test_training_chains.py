"""Running chains move as the sampler moves them."""

import numpy as np
import pytest
import torch

from spic.scsrdm import load_checkpoint, sample
from spic.scsrdm.sampling import Sampling, even_timesteps
from spic.training import chains
from spic.training.batches import Batches
from spic.training.chains import Chains

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

    def noise(rng, shape):
        drawn.extend(make(rng, shape).reshape(-1, *running.x_t.shape[1:]))
        return drawn[-1].reshape(shape)

    monkeypatch.setattr(running, "_noise", noise)
    with torch.no_grad():
        for _ in range(20):
            given = running.next(network, draw, 1, rng)
            mine.append((int(given["t"]), given["x_t"]))
            running.advance(network(given["x_t"], given["t"], given["ssm"], given["coarse"]), given)
        theirs, left = [], iter(drawn)
        sample(
            network,
            given["ssm"],
            given["coarse"],
            noise=lambda shape: next(left, torch.zeros(shape[1:]))[None],
            sampling=sampling,
            callback=lambda seen: theirs.append((seen["t"], seen["x"])),
        )
    assert [t for t, _ in mine] == [t for t, _ in theirs] == sampling.chain[::-1]
    for (_, a), (_, b) in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=2e-4)


def test_chains_end_and_begin_anew(network, draw):
    """Each with a crop of its own; short, thinned and whole ones are among them; all end where the whole one does."""
    sampling = Sampling("published", timesteps=even_timesteps(20, 192, 30))
    running, rng = Chains(sampling, 3, WINDOW, 12), np.random.default_rng(1)
    seen, lengths = [[] for _ in range(3)], []
    for _ in range(300):
        given = running.next(network, draw, 3, rng)
        running.advance(given["images"], given)
        for i, step in enumerate(given["t"].tolist()):
            if step == 192:
                torch.testing.assert_close(given["x_t"][i], network.enlarge(given["coarse"])[i])
                lengths += [len(seen[i])] * bool(seen[i])
                assert not seen[i] or seen[i][-1] == 30
                seen[i] = []
            assert not seen[i] or step < seen[i][-1]
            seen[i].append(step)
    assert min(lengths) == 4 and max(lengths) == 20 and {8} < set(lengths) - {4, 20}


def test_what_is_judged(network, draw):
    """The last steps, and each chain is on one side; few numbers of chains, so that few steps are recorded."""
    running, rng = Chains(Sampling("published", 20), 3, WINDOW, 12), np.random.default_rng(1)
    for _ in range(30):
        given = running.next(network, draw, 3, rng)
        running.advance(given["images"], given)
        near, far = set(given["near"].tolist()), set(given["far"].tolist())
        assert sorted([*near, *far]) == [0, 1, 2] and near == {
            i for i in range(3) if given["t"][i] < chains.SHARP == 60
        }
        assert {len(given["near"]), len(given["far"])} <= {0, 2, 4} and given["share"] == pytest.approx(len(near) / 3)


def test_chains_are_kept(network, draw):
    """All that is to come is in the state."""
    a, b = (Chains(Sampling("ancestral", 20), 3, WINDOW, 12) for _ in range(2))
    for step in range(12):
        given = a.next(network, draw, 3, np.random.default_rng(step))
        a.advance(given["images"], given)
    b.load_state_dict(a.state_dict())
    assert b.left == a.left and len({len(steps) for steps in a.left}) > 1
    ones, others = (running.next(network, draw, 3, np.random.default_rng(99)) for running in (a, b))
    assert ones.keys() == others.keys() and all(torch.equal(ones[name], others[name]) for name in ones)


def test_a_chain_does_not_wander(network, draw):
    """Given the true image at each step, the state stays the image and noise of that step's variance."""
    running, rng = Chains(Sampling("ancestral", 20), 4, WINDOW, 12), np.random.default_rng(2)
    for _ in range(40):
        given = running.next(network, draw, 4, rng)
        x_t, t, images = given["x_t"], given["t"], given["images"]
        abar = torch.from_numpy(chains.alphas_cumprod()[t.numpy()]).view(-1, 1, 1, 1).float()
        off = (x_t - abar.sqrt() * images)[t < 150]
        if len(off):
            expected = (1 - abar).sqrt()[t < 150].flatten()
            assert torch.allclose(off.std((1, 2, 3)), expected, rtol=0.35, atol=0.02)
        running.advance(images, given)
