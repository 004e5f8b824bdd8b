"""Where networks run: device, number format, CPU threads. All are settings a user may overrule."""

import re
import timeit
from dataclasses import dataclass

from spic.errors import ConfigError


@dataclass(frozen=True)
class Machine:
    """Where networks run.

    Attributes
    ----------
    device, dtype : str
        As `pick_device` and `pick_dtype` take them.
    threads : int or None
        Torch's CPU threads; None leaves torch's own choice.
    """

    device: str = "auto"
    dtype: str = "auto"
    threads: int | None = None

    def decided(self) -> "Machine":
        """Set torch's threads and decide what "auto" means; `ConfigError` for what this machine does not have."""
        set_threads(self.threads)  # first: the probe of `pick_dtype` runs as the networks will
        device = pick_device(self.device)
        return Machine(device, pick_dtype(self.dtype, device), self.threads)


AUTO, CPU = Machine(), Machine("cpu", "float32")


def pick_device(name: str = "auto") -> str:
    """Return "cuda" or "cpu" for "auto", or `name` itself if that device exists; `ConfigError` otherwise."""
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if not re.fullmatch("(cpu|cuda)(:[0-9]+)?", name):
        raise ConfigError(f"device {name!r}: expected auto, cpu or cuda")
    if name.startswith("cuda") and int(name[5:] or 0) >= torch.cuda.device_count():
        raise ConfigError(f"device {name!r}: torch sees {torch.cuda.device_count()} CUDA devices here")
    return name


def pick_dtype(name: str = "auto", device: str = "cpu") -> str:
    """Return "float32" or "bfloat16", the format in which convolutions run under autocast.

    bfloat16 is several times faster than float32 where the CPU has instructions for it and slower where it has not,
    so "auto" times one convolution in both (some 0.05 s) and keeps the faster. A GPU with bfloat16 gets bfloat16.
    """
    import torch

    if name in ("float32", "bfloat16"):
        return name
    if name != "auto":
        raise ConfigError(f"dtype {name!r}: expected auto, float32 or bfloat16")
    if device.startswith("cuda"):
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"

    def seconds(dtype):
        convolution = torch.nn.Conv2d(128, 128, 3, padding=1).to(dtype=dtype, memory_format=torch.channels_last)
        x = torch.zeros(1, 128, 32, 128, dtype=dtype).to(memory_format=torch.channels_last)
        convolution(x)
        return min(timeit.repeat(lambda: convolution(x), number=1, repeat=3))

    with torch.inference_mode():
        return "bfloat16" if seconds(torch.bfloat16) < 0.8 * seconds(torch.float32) else "float32"


def autocast(device: str, dtype: str):
    """Autocast context for a device and "float32" (off) or "bfloat16"."""
    import torch

    return torch.autocast(device.split(":")[0], dtype=torch.bfloat16, enabled=dtype == "bfloat16")


def set_threads(threads: int | None) -> None:
    """Fix torch's CPU threads: results and speed then do not depend on how many jobs run beside this one.

    None leaves torch's own choice; `ConfigError` below 1.
    """
    if threads is not None:
        if threads < 1:
            raise ConfigError(f"torch_threads {threads}: at least 1")
        import torch

        torch.set_num_threads(threads)
