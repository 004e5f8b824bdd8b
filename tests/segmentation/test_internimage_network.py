"""InternImage + UPerNet against the official modules' numbers, and its fast paths against its plain ones."""

import json

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from spic.errors import ConfigError
from spic.segmentation.internimage import SIZES, build
from spic.segmentation.internimage.dcnv3 import DCNv3, by_gather, by_grid_sample
from spic.segmentation.internimage.upernet import conv3x3_of_maps, resize

PARAMETERS = {"t": 59077148, "s": 79866956, "b": 128387852, "l": 255600606, "xl": 367733000}


@pytest.fixture(scope="module")
def folder(shared):
    return shared / "conformance" / "internimage"


def on_meta(size, num_classes=150):
    with torch.device("meta"):
        return build(size, num_classes)


def use(model, fast: bool):
    for module in model.modules():
        if hasattr(module, "fast"):
            module.fast = fast


@pytest.mark.parametrize("size", SIZES)
def test_number_of_parameters_is_the_official(size):
    assert sum(parameter.numel() for parameter in on_meta(size).parameters()) == PARAMETERS[size]


@pytest.mark.shared
@pytest.mark.parametrize("size", SIZES)
def test_state_dict_has_the_official_names_order_and_shapes(size, folder):
    wanted = json.loads((folder / f"{size}_upernet_state_dict.json").read_text())["state_dict"]
    state = on_meta(size).state_dict()
    assert [[key, list(value.shape), str(value.dtype).split(".")[1]] for key, value in state.items()] == wanted


def test_arguments():
    with pytest.raises(ConfigError, match=r"'h'.*t, s, b, l, xl"):
        build("h")
    with pytest.raises(ConfigError, match="num_classes"):
        build("t", 0)


@pytest.mark.shared
@pytest.mark.parametrize("operator", [by_gather, by_grid_sample])
@pytest.mark.parametrize("case", "abc")
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 5e-6)])
def test_operator(operator, case, dtype, tolerance, folder):
    vectors = np.load(folder / "dcnv3_op_vectors.npz")
    value, offset, mask = (torch.from_numpy(vectors[f"{case}_{x}"]).to(dtype) for x in ("input", "offset", "mask"))
    found = operator(value, offset, mask, int(vectors[f"{case}_groups"]), float(vectors[f"{case}_offset_scale"]))
    assert np.abs(found.numpy() - vectors[f"{case}_output"]).max() <= tolerance


@pytest.mark.shared
@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize(("case", "channels", "groups", "scale"), [("m1", 8, 2, 1.0), ("m2", 12, 3, 2.0)])
def test_module(case, channels, groups, scale, fast, folder, filler):
    vectors = np.load(folder / "dcnv3_op_vectors.npz")
    module = filler(DCNv3(channels, groups, scale), "dcn.").double()
    module.fast = fast
    with torch.inference_mode():
        found = module(torch.from_numpy(vectors[f"{case}_input"]))
    assert np.abs(found.numpy() - vectors[f"{case}_output"]).max() <= 1e-11


def maps_of(model, x):
    """Every map that the vectors hold, in NCHW."""
    maps, nhwc = {}, {"stem", "block0_dcn", "block0_out"}
    block, head = model.backbone.levels[0].blocks[0], model.decode_head
    taps = {
        "stem": model.backbone.patch_embed,
        "block0_dcn": block.dcn,
        "block0_out": block,
        "ppm_bottleneck": head.bottleneck,
        "fpn_bottleneck": head.fpn_bottleneck,
        "logits_lowres": head,
    }
    hooks = [
        module.register_forward_hook(lambda _, __, out, name=name: maps.__setitem__(name, out))
        for name, module in taps.items()
    ]
    hooks.append(model.backbone.register_forward_hook(lambda _, __, out: maps.__setitem__("features", out)))
    with torch.inference_mode():
        logits = model(x)
        features = maps.pop("features")
        maps["aux_lowres"] = model.auxiliary_head.conv_seg(model.auxiliary_head.convs(features[2]))
    for hook in hooks:
        hook.remove()
    maps |= {f"feat{i}": feature for i, feature in enumerate(features)}
    return {name: y.permute(0, 3, 1, 2) if name in nhwc else y for name, y in maps.items()}, logits


def compare(model, vectors, x, kind: str, features: float, logits: float):
    maps, found = maps_of(model, x)
    for name, value in maps.items():
        assert value.shape == tuple(vectors[f"{name}_shape"]), name
        sample = value.contiguous().flatten().numpy()[vectors[f"{name}_idx"]]
        assert np.abs(sample - vectors[f"{name}_sample{kind}"]).max() <= features, name
    assert found.shape == tuple(vectors["logits_shape"])
    assert np.abs(found[:, :19, ::8, ::8].numpy() - vectors[f"logits19{kind}"]).max() <= logits
    if not kind:
        assert np.abs(found[:, :, ::16, ::16].numpy() - vectors["logits150"]).max() <= logits
    best = found[:, :19].argmax(1)[:, ::2, ::2].numpy()
    assert ((best == vectors["argmax19"]) | (vectors["argmax19_margin"] <= 1e-3)).all()


def check_network(size, folder, filler, features, logits):
    vectors = np.load(folder / f"{size}_upernet_vectors.npz")
    model = filler(on_meta(size))
    shape = (vectors["logits_shape"][0], 3, *vectors["logits_shape"][2:])
    x = np.random.Generator(np.random.PCG64(0)).standard_normal(shape).astype(np.float32)
    assert np.array_equal(x.ravel()[:8], vectors["input_first8"])
    x = torch.from_numpy(x)
    for fast in (True, False):
        use(model, fast)
        compare(model, vectors, x, "", features, logits)
    model.double()
    for fast in (True, False):
        use(model, fast)
        compare(model, vectors, x.double(), "_f64", 1e-9, 1e-9)


@pytest.mark.shared
def test_tiny_network(folder, filler):
    check_network("t", folder, filler, features=5e-5, logits=2e-5)


@pytest.mark.shared
@pytest.mark.slow
def test_xl_network(folder, filler):
    check_network("xl", folder, filler, features=4e-4, logits=1e-4)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 5, 7), (1, 9, 4)])
def test_gather_is_grid_sample(shape, dtype):
    torch.manual_seed(0)
    groups = 3
    value, mask = torch.randn(*shape, 12, dtype=dtype), torch.rand(*shape, groups * 9, dtype=dtype)
    offset = 4 * torch.randn(*shape, groups * 18, dtype=dtype)
    offset.view(-1)[::50] = 1e6  # far outside
    for scale in (1.0, 2.0):
        found = by_gather(value, offset, mask, groups, scale)
        wanted = by_grid_sample(value, offset, mask, groups, scale)
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12 if dtype == torch.float64 else 2e-5)


def test_rows_in_chunks_are_the_whole(monkeypatch):
    torch.manual_seed(0)
    value, offset, mask = torch.randn(1, 6, 5, 8), torch.randn(1, 6, 5, 36), torch.rand(1, 6, 5, 18)
    for operator in (by_gather, by_grid_sample):
        whole = operator(value, offset, mask, 2, 1.0)
        with monkeypatch.context() as patch:
            patch.setattr("spic.segmentation.internimage.dcnv3._CHUNK", 1)
            assert torch.allclose(operator(value, offset, mask, 2, 1.0), whole, atol=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (7, 13), (24, 40), (33, 70)])
def test_convolution_of_resized_maps(size):
    torch.manual_seed(0)
    sizes = [size, *(tuple(-(-side // factor) for side in size) for factor in (2, 4, 8)), (3, 3), (1, 1)]
    maps = [torch.randn(2, 3 + i, *one, dtype=torch.float64) for i, one in enumerate(sizes)]
    weight = torch.randn(5, sum(x.shape[1] for x in maps), 3, 3, dtype=torch.float64)
    wanted = F.conv2d(torch.cat([resize(x, size) for x in maps], 1), weight, padding=1)
    torch.testing.assert_close(conv3x3_of_maps(maps, weight), wanted, rtol=0, atol=1e-11)


@pytest.mark.parametrize("size", SIZES)
def test_fast_equals_plain_at_odd_sizes(size, tiny_sizes, filler):
    model = filler(build(size, 7)).double()
    x = torch.randn(2, 3, 37, 50, dtype=torch.float64)
    with torch.inference_mode():
        fast = model(x)
        use(model, False)
        plain = model(x)
    assert fast.shape == (2, 7, 37, 50)
    torch.testing.assert_close(fast, plain, rtol=0, atol=1e-10)
