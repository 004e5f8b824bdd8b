"""Speed of the decoder with its exact savings on and off: python benchmarks/decoder.py --preset paper --size 64x128.

"off" computes what the authors' code computes: every scale and shift, the time conditioning and the enlarged coarse
image at every step, and with guidance both halves as one batch through the whole network. Runs alternate. Of a chain
the preparation and single steps are timed, and a chain of N steps counts as preparation + N median steps. Times on the
CPU are CPU seconds of this process, on a GPU wall-clock seconds.
"""

import argparse
import resource
import time
from functools import partial
from pathlib import Path
from statistics import median

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from spic.machine import pick_device
from spic.scsrdm import build, load_checkpoint
from spic.scsrdm.config import ScsrdmConfig
from spic.scsrdm.denoiser import Denoiser, guided, to_x0
from spic.scsrdm.sampling import published_timesteps
from spic.scsrdm.schedule import alphas_cumprod
from spic.weights import shipped

_PEAK = Path("/proc/self/clear_refs")
_STEPS = 3  # steps a run; a chain has many after one preparation


class Authors:
    """The same function without savings, as the authors' code computes it."""

    def __init__(self, model, ssm_onehot, coarse, timesteps, guidance=1.0):
        self.model, self.guidance = model, guidance
        self.ssm, self.coarse, self.copies = ssm_onehot, coarse, 1
        if guidance != 1.0:
            self.copies = 2
            self.ssm = torch.cat([ssm_onehot, torch.zeros_like(ssm_onehot)])
            self.coarse = torch.cat([coarse, coarse])

    def __call__(self, x_t, t: int):
        steps = torch.full((len(self.coarse),), t, device=x_t.device)
        outputs = self.model(torch.cat([x_t] * self.copies), steps, self.ssm, self.coarse).chunk(self.copies)
        prediction = guided([output[:, :3] for output in outputs], self.guidance)
        abar = float(alphas_cumprod()[t])
        x0 = to_x0(self.model.config.prediction, prediction, x_t, abar).clamp(-1, 1)
        fraction = (outputs[0][:, 3:] + 1) / 2 if self.model.config.learned_variance else None
        return x0, (x_t - abar**0.5 * x0) / (1 - abar) ** 0.5, fraction


WAYS = {"off": Authors, "on": Denoiser}


def network(preset: str, device: str):
    """The shipped network, or a fresh one of the released size: its weights do not change what is computed."""
    if preset == "shipped":
        return load_checkpoint(shipped("street-decoder"), device)[0]
    torch.manual_seed(0)
    with torch.device(device):
        model = build({})
    with torch.no_grad():
        for parameter in model.parameters():
            if not parameter.any():  # a fresh head gives zeros, and zeros agree too easily
                parameter.normal_(std=0.02)
    return model.to(memory_format=torch.channels_last).eval()


def inputs(config, pictures: int, size, device: str):
    """x_t, one-hot SSM and coarse image, random."""
    height, width = size
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(config.ssm_planes, (pictures, 1, height // 8, width // 8), generator=generator)
    labels = labels.repeat_interleave(8, 2).repeat_interleave(8, 3)
    onehot = (labels == torch.arange(config.ssm_planes).view(1, -1, 1, 1)).float()
    coarse = torch.rand(pictures, 3, height // 4, width // 4, generator=generator) * 2 - 1
    x_t = torch.randn(pictures, 3, height, width, generator=generator)
    return [tensor.to(device) for tensor in (x_t, onehot, coarse)]


def flops(config, size, guidance: float) -> dict:
    """Counted FLOPs of one picture, {way: (preparation, step)}; nothing is computed, nothing allocated."""
    counts = {}
    # The counter does not know the fused attention of the CPU; the plain one is two matrix products.
    with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        model = build(config).requires_grad_(False)
        x_t, onehot, coarse = (torch.empty(shape) for shape in shapes(config, size))
        for way, make in WAYS.items():
            with FlopCounterMode(display=False) as preparation:
                denoise = make(model, onehot, coarse, published_timesteps(), guidance)
            with FlopCounterMode(display=False) as step:
                denoise(x_t, 101)
            counts[way] = preparation.get_total_flops(), step.get_total_flops()
    return counts


def shapes(config, size):
    """Shapes of x_t, one-hot SSM and coarse image of one picture."""
    height, width = size
    return (1, 3, height, width), (1, config.ssm_planes, height, width), (1, 3, height // 4, width // 4)


def matrix_rate(device: str, dtype) -> float:
    """FLOP/s of the best of a few products of square matrices."""
    side = 8192 if device.startswith("cuda") else 2048
    a = torch.ones(side, side, dtype=dtype, device=device)
    seconds = [timed(lambda: a @ a, device)[0] for _ in range(5)]
    return 2 * side**3 / min(seconds)


def timed(work, device: str):
    """Seconds of `work()` (CPU seconds on the CPU), and what it returned."""
    clock = time.process_time
    if device.startswith("cuda"):
        clock = time.perf_counter
        torch.cuda.synchronize(device)
    start = clock()
    result = work()
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    return clock() - start, result


def reset_peak(device: str) -> None:
    """Forget the highest memory so far."""
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(device)
    elif _PEAK.exists():
        _PEAK.write_text("5")


def peak_bytes(device: str) -> int:
    """Highest memory since `reset_peak`, weights included."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated(device)
    if _PEAK.exists():
        (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


@torch.no_grad()
def compare(models, arguments, guidance: float) -> dict:
    """Seconds of preparation and steps, peak memory and results of both ways, {way: dict}."""
    device, size = arguments.device, arguments.size
    x_t, onehot, coarse = inputs(models["on"].config, arguments.pictures, size, device)
    found = {way: {"preparation": [], "step": [], "peak": 0} for way in WAYS}
    for run in range(arguments.repeats + 1):
        for way in WAYS:
            reset_peak(device)
            prepare = partial(WAYS[way], models[way], onehot, coarse, [101], guidance)
            seconds, denoise = timed(prepare, device)
            for _ in range(_STEPS if run else 1):
                again, result = timed(partial(denoise, x_t, 101), device)
                if run:
                    found[way]["step"].append(again)
            found[way]["peak"] = peak_bytes(device)
            del denoise
            if run:  # the first one warms up
                found[way]["preparation"].append(seconds)
                found[way]["result"] = result[0]
    return found


def report(preset: str, guidance: float, found: dict, counts: dict, arguments, rate: float) -> None:
    """Print two rows of the table and the ratio between them."""
    totals, chains = {}, {}
    for way, each in found.items():
        preparation, step = median(each["preparation"]), median(each["step"])
        chains[way] = (preparation + arguments.steps * step) / arguments.pictures
        totals[way] = counts[way][0] + arguments.steps * counts[way][1]
        print(
            f"| {preset} | {guidance} | {way} | {preparation:.3f} | {step:.3f} | {1 / chains[way]:.4f} "
            f"| {each['peak'] / 2**30:.2f} | {totals[way] / 1e12:.3f} | {totals[way] / chains[way] / rate:.2f} |"
        )
    ratio, counted = chains["off"] / chains["on"], totals["off"] / totals["on"]
    difference = float((found["off"]["result"] - found["on"]["result"]).abs().max())
    print(f"|  |  | ratio | | | {ratio:.2f}x | | {counted:.2f}x | {ratio / counted:.2f} of counted |")
    print(f"|  |  | largest difference of x0 | {difference:.1e} | | | | | |", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--preset", nargs="+", default=["shipped", "paper"], choices=["shipped", "paper"])
    parser.add_argument("--size", default="256x512", help="height x width (256x512)")
    parser.add_argument("--guidance", nargs="+", type=float, default=[1.0, 1.5])
    parser.add_argument("--steps", type=int, default=20, help="steps of the chain that times are added up for (20)")
    parser.add_argument("--pictures", type=int, default=1, help="pictures at once (1)")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each way, three steps each; medians count (3)")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default=None, help="of the torso; float32 on the CPU, bfloat16 on a GPU")
    parser.add_argument("--off-dtype", default=None, help="the same for savings off; float16 on a GPU, as published")
    parser.add_argument("--compile", action="store_true", help="torch.compile the network, savings on")
    parser.add_argument("--count", action="store_true", help="only count FLOPs")
    arguments = parser.parse_args()
    arguments.size = tuple(map(int, arguments.size.split("x")))
    arguments.device = device = pick_device(arguments.device)
    on_gpu = device.startswith("cuda")
    dtype = getattr(torch, arguments.dtype or ("bfloat16" if on_gpu else "float32"))
    off_dtype = getattr(torch, arguments.off_dtype or ("float16" if on_gpu else str(dtype).removeprefix("torch.")))
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    configs = {"paper": ScsrdmConfig()}
    if "shipped" in arguments.preset:
        configs["shipped"] = load_checkpoint(shipped("street-decoder"))[0].config
    if arguments.count:
        for preset in arguments.preset:
            for guidance in arguments.guidance:
                print(preset, guidance, flops(configs[preset], arguments.size, guidance))
        return
    rate = matrix_rate(device, dtype)
    print(f"{device}, {torch.get_num_threads()} threads, torch {torch.__version__}, off {off_dtype}, on {dtype}")
    print(f"{arguments.size[0]}x{arguments.size[1]}, {arguments.pictures} at once, {arguments.steps} steps")
    print(f"matrix rate in {dtype}: {rate / 1e9:.0f} GFLOP/s\n")
    print("| network | guidance | savings | preparation, s | step, s | pictures/s | peak GiB | TFLOP | share of rate |")
    print("| --- | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for preset in arguments.preset:
        models = {"on": network(preset, device).torso_to(dtype)}
        models["off"] = models["on"]
        if off_dtype != dtype:
            models["off"] = network(preset, device).torso_to(off_dtype)
        if arguments.compile:
            models["on"].run = torch.compile(models["on"].run)
        for guidance in arguments.guidance:
            counts = flops(configs[preset], arguments.size, guidance)
            report(preset, guidance, compare(models, arguments, guidance), counts, arguments, rate)


if __name__ == "__main__":
    main()
