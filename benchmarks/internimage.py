"""CPU time and memory of InternImage + UPerNet: python benchmarks/internimage.py [--size t] [--weights FILE].

One drawn street picture goes through the plain path (grid_sample, direct convolutions), the fast one, and the fast one
in bfloat16. Times are CPU seconds of the process over all threads, the median of a few passes after one that warms up;
memory is the peak above what the process held before (one way per call, for that to mean something). Without a file the
weights are random, scaled so that features keep their size; the share of pixels whose class changes is then that of
an untrained network, whose best classes lie close together.
"""

import argparse
import resource
import statistics
import time

import torch

from spic.datasets import get_dataset
from spic.machine import autocast
from spic.pictures.labels import CITYSCAPES19
from spic.segmentation.internimage import SIZES, build
from spic.segmentation.internimage.checkpoint import load_checkpoint
from spic.segmentation.internimage.segmenter import normalize

WAYS = ("fast", "bfloat16", "plain")


def random_network(size: str, num_classes: int):
    """A network in eval mode whose features keep their size from layer to layer."""
    torch.manual_seed(0)
    model = build(size, num_classes).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
            elif name.endswith("dcn.offset.bias"):
                torch.nn.init.normal_(parameter)
    return model


def use_fast(model, fast: bool) -> None:
    """Choose the fast or the plain path in every module that has both."""
    for module in model.modules():
        if hasattr(module, "fast"):
            module.fast = fast


def measure(model, x, dtype: str, repeat: int):
    """Logits, median CPU seconds of a pass, and MiB by which the passes raised the process's peak memory."""
    seconds = []
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with torch.inference_mode(), autocast("cpu", dtype):
        for _ in range(repeat + 1):
            started = time.process_time()
            logits = model(x)
            seconds.append(time.process_time() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return logits.float(), statistics.median(seconds[1:]), peak / 1024


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", choices=SIZES, default="t")
    parser.add_argument("--weights", help="official checkpoint; default: random weights")
    parser.add_argument("--height", type=int, default=512)
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--classes", type=int, default=150, help="output rows of random weights")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument(
        "--ways", nargs="+", default=["fast", "bfloat16", "plain"], choices=["fast", "bfloat16", "plain"]
    )
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    size = (arguments.height, arguments.width)
    picture = get_dataset("street_scenes", None, "val", 1, size).picture(0)
    if arguments.weights:
        model = load_checkpoint(arguments.weights, arguments.size)
    else:
        model = random_network(arguments.size, arguments.classes)
    model = model.to(memory_format=torch.channels_last)
    x = normalize(torch.from_numpy(picture)[None]).contiguous(memory_format=torch.channels_last)
    print(f"InternImage-{arguments.size.upper()}, 1x3x{size[0]}x{size[1]}, {arguments.threads} threads")
    print("| way | CPU s | peak + MiB | largest difference of logits | pixels of another class |")
    print("| --- | ---: | ---: | ---: | ---: |")
    first = None
    for way in arguments.ways:
        use_fast(model, way != "plain")
        dtype = "bfloat16" if way == "bfloat16" else "float32"
        logits, seconds, memory = measure(model, x, dtype, arguments.repeat)
        classes = logits[:, : CITYSCAPES19.num_classes].argmax(1)
        first = first or (logits, classes)
        difference, changed = (logits - first[0]).abs().max(), 100 * (classes != first[1]).float().mean()
        print(f"| {way} | {seconds:.2f} | {memory:.0f} | {difference:.1e} | {changed:.2f} % |", flush=True)


if __name__ == "__main__":
    main()
