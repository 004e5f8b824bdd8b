"""What the decoder computes once: the same pictures as without, within the memory it was given."""

import numpy as np
import pytest
import torch

from spic.errors import ConfigError, DataError
from spic.pictures.labels import one_hot
from spic.scsrdm import memory, sample
from spic.scsrdm.decoder import Decoder
from spic.scsrdm.denoiser import Denoiser, guided, to_x0
from spic.scsrdm.sampler import ancestral_chain
from spic.scsrdm.sampling import Sampling
from spic.scsrdm.schedule import Chain, alphas_cumprod

PATCHES = {
    "patch_size": 4,
    "nominal_size": 64,
    "attention_resolutions": [8],
    "ssm_channels": 8,
    "prediction": "x0",
    "learned_variance": False,
    "residual_std": 0.2,
    "refine_channels": 32,
    "void_class": True,
}


def plain(model, onehot, coarse, guidance):
    """The authors' way: everything at every step, both halves of guidance as one batch through the whole network."""
    copies = 1 if guidance == 1.0 else 2
    ssm = torch.cat([onehot, torch.zeros_like(onehot)][:copies])

    def denoise(x_t, t):
        steps = torch.full((len(ssm),), t)
        outputs = model(torch.cat([x_t] * copies), steps, ssm, torch.cat([coarse] * copies)).chunk(copies)
        abar = float(alphas_cumprod()[t])
        prediction = guided([output[:, :3] for output in outputs], guidance)
        x0 = to_x0(model.config.prediction, prediction, x_t, abar).clamp(-1, 1)
        fraction = (outputs[0][:, 3:] + 1) / 2 if model.config.learned_variance else None
        return x0, (x_t - abar**0.5 * x0) / (1 - abar) ** 0.5, fraction

    return denoise


def check_chain(case, guidance, steps):
    """Savings on against savings off over the first `steps` of the published chain."""
    model, coarse = case["model"], case["coarse"][:1]
    onehot = one_hot(case["labels"][:1], case["num_classes"])
    chain, results = Chain.over(case["timestep_map"][-steps:]), []
    for denoise in (
        plain(model, onehot, coarse, guidance),
        Denoiser(model, onehot, coarse, chain.timesteps, guidance),
    ):
        g = np.random.Generator(np.random.PCG64(case["noise_seed"]))
        with torch.no_grad():
            x = model.enlarge(coarse)
            noise = lambda shape, g=g: torch.from_numpy(g.standard_normal(shape)).float()  # noqa: E731
            results.append(ancestral_chain(denoise, x, chain, noise, 1.0))
    difference = float((results[1] - results[0]).abs().max())
    assert difference < 1e-4, difference


@pytest.mark.parametrize("guidance", [1.0, 1.5])
def test_vectors_with_and_without_savings(vector_data, vector_case, guidance):
    check_chain(vector_case(vector_data, "tiny_noupdown"), guidance, steps=2)


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.parametrize("guidance", [1.0, 1.5])
def test_learned_variance_with_and_without_savings(shared, vector_case, guidance):
    check_chain(vector_case(shared / "conformance" / "scsrdm", "tiny"), guidance, steps=20)


@pytest.mark.parametrize("guidance", [1.0, 1.5])
def test_extensions_with_and_without_savings(small, inputs, guidance):
    model = small(**PATCHES)
    x, onehot, coarse = inputs(planes=6)
    with torch.no_grad():
        expected = plain(model, onehot, coarse, guidance)(x, 150)[0]
        found = Denoiser(model, onehot, coarse, [20, 150], guidance)(x, 150)[0]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_constant_parts_are_computed_once(small, inputs, monkeypatch):
    model = small()
    _, onehot, coarse = inputs()
    count = {"times": 0, "enlarge": 0, "modulation": 0, "encoder": 0}

    def counted(owner, name, key):
        real = getattr(owner, name)

        def call(*arguments, **options):
            count[key] += 1
            return real(*arguments, **options)

        monkeypatch.setattr(owner, name, call)

    counted(model, "times", "times")
    counted(model, "enlarge", "enlarge")
    counted(model.input_blocks[0][0], "forward", "encoder")
    for spade in model.spades:
        counted(spade, "modulation", "modulation")
    with torch.no_grad():
        null = model.null_condition(16, 32)
    assert count["modulation"] == len(model.spades)
    for picture in (1, 2):
        sample(model, onehot, coarse, steps=4, guidance=1.5, noise=[1, 2], null=null)
        assert count == {
            "times": picture,
            "enlarge": picture,
            "modulation": (1 + picture) * len(model.spades),
            "encoder": 4 * picture,
        }


def test_same_seed_same_bytes(tiny_decoder):
    rng = np.random.default_rng(0)
    ssm, coarse = (
        rng.integers(12, size=(3, 16, 32), dtype=np.uint8),
        rng.integers(256, size=(3, 4, 8, 3), dtype=np.uint8),
    )
    sampling = Sampling("ancestral", guidance=1.5)
    pictures = [Decoder(tiny_decoder, "cpu", "float32")(ssm, coarse, [4, 5, 6], sampling) for _ in range(2)]
    assert pictures[0].tobytes() == pictures[1].tobytes()


def test_memory_decides_batch_and_room(small):
    model, size, dtype = small(), (64, 128), torch.float32
    kept = memory.kept_bytes(model, size, dtype)
    working = {copies: memory.working_bytes(model, size, copies, dtype) for copies in (1, 2)}
    assert working[2] > working[1] > 0
    assert memory.plan(model, size, 1, dtype, 1 << 40)[0] == memory.MOST["cpu"]
    assert memory.plan(model, size, 1, dtype, 2 * (working[1] + kept)) == (2, 2 * kept)
    assert memory.plan(model, size, 1, dtype, working[1] + kept - 1) == (1, kept - 1)
    assert memory.plan(model, size, 2, dtype, working[2]) == (1, 0)
    with pytest.raises(DataError, match="64x128"):
        memory.plan(model, size, 2, dtype, working[1])
    assert memory.working_bytes(model, (32, 64), 1, dtype) < working[1] / 3


def test_little_memory_gives_the_same_pictures(tiny_decoder):
    rng = np.random.default_rng(0)
    ssm, coarse = (
        rng.integers(12, size=(2, 16, 32), dtype=np.uint8),
        rng.integers(256, size=(2, 4, 8, 3), dtype=np.uint8),
    )
    much = Decoder(tiny_decoder, "cpu", "float32")
    guided = much.sampling.merge({"guidance": 2.0})
    least = memory.working_bytes(much.model, (16, 32), 2, torch.float32)
    little = Decoder(tiny_decoder, "cpu", "float32", memory=least)
    assert np.abs(much(ssm, coarse, [1, 2], guided).astype(int) - little(ssm, coarse, [1, 2], guided)).max() <= 1
    with pytest.raises(DataError, match="MiB"):
        Decoder(tiny_decoder, "cpu", "float32", memory=1000)(ssm, coarse, [1, 2])


def test_device_memory():
    assert 1 << 28 < memory.device_memory("cpu") < 1 << 50


@pytest.mark.parametrize("guidance", [1.0, 1.5])
def test_compiled_network_is_the_same(small, inputs, guidance):
    """One graph, without breaks; which code a backend then makes of it is torch's."""
    model = small()
    _, onehot, coarse = inputs()
    run = {"steps": 3, "guidance": guidance, "noise": [1, 2]}
    plain_result = sample(model, onehot, coarse, **run)
    torch._dynamo.reset()
    graphs = []

    def backend(graph, _):
        graphs.append(graph)
        return graph.forward

    model.run = torch.compile(model.run, backend=backend, fullgraph=True)
    torch.testing.assert_close(sample(model, onehot, coarse, **run), plain_result, rtol=0, atol=1e-5)
    sample(model, onehot.flip(1), coarse, **run)
    assert len(graphs) == 1  # neither a step nor a picture compiles anew


def test_pixel_limit(tiny_decoder):
    huge = np.broadcast_to(np.uint8(0), (1, 1 << 14, 1 << 13))
    with pytest.raises(DataError, match="pixels"):
        Decoder(tiny_decoder, "cpu", "float32")(huge, huge[..., None], [0])


def test_guidance_must_be_finite():
    with pytest.raises(ConfigError, match="finite"):
        Sampling(guidance=float("nan"))
