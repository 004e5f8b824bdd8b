"""What trainings can be tried with: a pack, a VGG16 of random weights, an eye on what a step does."""

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

VGG = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512]  # VGG16, to conv4_3
SLICES = (4, 9, 16, 23)  # where the published slices of LPIPS end


@pytest.fixture(scope="session")
def coded_pack(tiny_scenes, tmp_path_factory):
    """Two drawn frames of 64x128 and their coarse images at QP 25 and 40."""
    from spic.codecs import get_codec
    from spic.training.pack import read_pack, write_pack

    path = tmp_path_factory.mktemp("coded-pack") / "pack.zip"
    write_pack(path, [tiny_scenes(2, (64, 128))], [25, 40], get_codec("bpg"))
    return read_pack(path)


@pytest.fixture(scope="session")
def vgg_trunk():
    """VGG16's layers to conv4_3 in torchvision's order, of random weights."""
    torch.manual_seed(0)
    layers, channels = [], 3
    for width in VGG:
        if width == "M":
            layers.append(nn.MaxPool2d(2, 2))
        else:
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
    return nn.Sequential(*layers)


@pytest.fixture(scope="session")
def vgg_file(vgg_trunk, tmp_path_factory):
    """The same as LPIPS's weights have it."""
    state = {}
    for name, tensor in vgg_trunk.state_dict().items():
        index = int(name.split(".")[0])
        number = 1 + sum(index >= end for end in SLICES)
        state[f"net.slice{number}.{name}"] = tensor
    path = tmp_path_factory.mktemp("vgg") / "vgg.pt"
    torch.save(state, path)
    return path


class Watched(TorchDispatchMode):
    """Refuses what a CUDA graph cannot hold: waiting for a number, shapes by content, copies between devices."""

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        name, tensors = str(op), [a for a in args if isinstance(a, torch.Tensor)]
        assert not any(wrong in name for wrong in ("_local_scalar_dense", "nonzero", "lift_fresh", "masked_select")), (
            name
        )
        if "index" in name and isinstance(args[1], list | tuple):
            assert not any(i is not None and i.dtype == torch.bool for i in args[1]), name
        if "copy" in name or name.startswith("aten.to."):
            wanted = (kwargs or {}).get("device") or tensors[-1].device
            assert torch.device(wanted) == tensors[0].device, name
        return op(*args, **(kwargs or {}))


@pytest.fixture
def watched():
    """A context in which work stays on its device, as `spic.training.recorded` needs it."""
    return Watched
