"""The official checkpoint files: pickled {"state_dict": tensors, "meta": whatever the training put there}.

A pickle can run code, so nothing here unpickles freely. PyTorch's weights-only reader comes first. It refuses files
whose `meta` holds objects it does not know (numpy scalars, say); those are read again by an unpickler for which every
such object is an empty placeholder: only the functions that make tensors from bytes are real.
"""

import pickle
import zipfile
from collections import OrderedDict

import torch

from spic.errors import WeightsError
from spic.segmentation.internimage import build
from spic.segmentation.internimage.sizes import PAGE, SIZES
from spic.weights import load_state, read_tensors


def load_checkpoint(path, size: str):
    """Make the network of an official (or likewise written) Cityscapes file.

    The file is mapped into memory, not read, where its format allows that; float16 tensors, as the released files
    have, become float32. The network's number of classes is that of the file.

    Parameters
    ----------
    path : path-like
        mmsegmentation checkpoint of UPerNet with an InternImage backbone. A prefix `module.` is ignored, and so are
        an optimizer's tensors.
    size : str
        "t", "s", "b", "l" or "xl".

    Returns
    -------
    torch.nn.Module
        As `spic.segmentation.internimage.build` makes it, in eval mode.

    Raises
    ------
    WeightsError
        The file is missing, damaged or something else; the message names tensors that are missing, too many or
        misshapen.
    """
    state = read_state_dict(path)
    rows = state.get("decode_head.conv_seg.weight")
    with torch.device("meta"):
        model = build(size, len(rows) if rows is not None and rows.ndim == 4 and len(rows) else 150)
    try:
        load_state(model, state, f"InternImage-{size.upper()} + UPerNet")
    except WeightsError as error:
        first = state.get("backbone.patch_embed.conv1.weight")
        widths = {other.channels // 2: name for name, other in SIZES.items()}
        other = widths.get(first.shape[0], size) if first is not None and first.ndim else size
        hint = f"; it looks like internimage-{other}" if other != size else ""
        raise WeightsError(f"{path}: {error}{hint}") from None
    return model.eval()


def read_state_dict(path) -> dict[str, torch.Tensor]:
    """Tensors of a checkpoint by name, floating-point ones as float32, without running code from the file.

    Raises
    ------
    WeightsError
        The file is missing, damaged, or holds no state dict.
    """
    content = read_tensors(path, _load)
    state = content.get("state_dict", content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(tensor, torch.Tensor) for name, tensor in state.items()
    ):
        what = " but a classification backbone" if isinstance(content, dict) and "model" in content else ""
        raise WeightsError(f"{path}: not a checkpoint with a state_dict{what}; see {PAGE}")
    return {
        name.removeprefix("module."): tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in state.items()
    }


def _load(path):
    mapped = zipfile.is_zipfile(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError:
        return torch.load(path, map_location="cpu", weights_only=False, pickle_module=_TensorsOnly, mmap=mapped)


class _Placeholder:
    """Stands for any object that is not a tensor: takes whatever a pickle does to it, and does nothing."""

    def __init__(self, *args, **kwargs):
        pass

    def _ignore(self, *args, **kwargs):
        return self

    __call__ = __setstate__ = __setitem__ = append = extend = add = update = _ignore


_REAL = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor"): torch._utils._rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
    ("torch._utils", "_rebuild_parameter"): torch._utils._rebuild_parameter,
}


class _TensorsOnly:
    """What `torch.load` takes for the module `pickle`."""

    class Unpickler(pickle.Unpickler):
        def find_class(self, module, name):
            return _REAL.get((module, name), _Placeholder)

    @classmethod
    def load(cls, file, **settings):
        return cls.Unpickler(file, **settings).load()
