"""CPU seconds of evaluating one picture at one point: python benchmarks/evaluation.py [folder of pictures] [--limit N].

Without a folder street scenes are drawn; the reconstruction is the picture with its colours moved a little. A step's
time is the median over the pictures, in CPU seconds of one thread, network loading and the first call left out. What a
set costs once, distances and intervals, is measured on features of the right size drawn from a normal distribution.
"""

import argparse
import time
from pathlib import Path

import numpy as np

from spic import metrics
from spic.pictures import reading as images
from spic.pictures.sizes import to_working_size
from spic.segmentation import get_segmenter

LIMIT = 0.3  # CPU seconds per picture and point, LPIPS and Inception left out


def pairs(folder: Path | None, limit: int):
    """Yield (original, reconstruction), uint8 (256, 512, 3)."""
    from spic.datasets import get_dataset

    if folder:
        originals = [images.read_picture(path) for path in sorted(folder.glob("*.png"))[:limit]]
    else:
        dataset = get_dataset("street_scenes", None, "val", limit)
        originals = [dataset.picture(i) for i in range(len(dataset))]
    random = np.random.default_rng(0)
    for picture in originals:
        original = to_working_size(picture)
        noise = random.normal(0, 6, original.shape)
        yield original, np.clip(original + noise, 0, 255).astype(np.uint8)


def steps(dtype: str, inception, lpips) -> dict:
    """Step to a function of (original, reconstruction, label map of each by the judge)."""
    segmenter, judge = (get_segmenter(name, None, "cpu", dtype) for name in ("street", "judge"))
    lite0 = metrics.Lite0Features("cpu")
    small, space = metrics.small_classes(judge.label_space), judge.label_space
    table = {
        "segmenter": lambda a, b, x, y: segmenter.segment(b[None]),
        "judge": lambda a, b, x, y: judge.segment(b[None]),
        "Lite0, whole picture": lambda a, b, x, y: lite0(b[None]),
        "Lite0, 128 px patches": lambda a, b, x, y: lite0.patches(b[None]),
        "PSNR": lambda a, b, x, y: metrics.psnr(a, b),
        "MS-SSIM": lambda a, b, x, y: metrics.ms_ssim(a, b),
        "confusion, 4 matrices": lambda a, b, x, y: [
            metrics.confusion_matrix(x, y, space.num_classes, space.void) for _ in range(4)
        ],
        "small objects": lambda a, b, x, y: metrics.small_objects(x, y, small, void=space.void),
    }
    if inception:
        network = metrics.InceptionFeatures(inception, "cpu")
        table["extra: Inception"] = lambda a, b, x, y: network(b[None])
    if lpips:
        distance = metrics.Lpips(lpips, "cpu")
        table["extra: LPIPS"] = lambda a, b, x, y: distance(a, b)
    return table, judge


def once_a_set(n: int) -> dict:
    """Step to a function of nothing: what a point costs beside its n pictures."""
    random = np.random.default_rng(0)
    whole = random.normal(size=(2, n, 1280)).astype(np.float32)
    patches = random.normal(size=(2, n, 8, 1280)).astype(np.float32)
    flat = patches.reshape(2, n * 8, 1280)
    confusions = random.integers(0, 5000, (n, 11, 12))
    return {
        "fd_lite0": lambda: metrics.frechet_distance(*whole),
        "fd_patch": lambda: metrics.frechet_distance(*flat),
        "KID, 100 subsets": lambda: metrics.kid(*whole),
        "interval of mIoU, 1000 resamples": lambda: metrics.miou_interval(confusions),
        "interval of fd_lite0": lambda: metrics.distance_interval(metrics.frechet_distance, *whole),
        "interval of fd_patch": lambda: metrics.distance_interval(metrics.frechet_distance, *patches),
    }


def cpu_seconds(function) -> float:
    started = time.process_time()
    function()
    return time.process_time() - started


def main() -> None:
    """Print the table; exit status 1 where a picture costs more than the limit."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, help="pictures (PNG); default: drawn street scenes")
    parser.add_argument("--limit", type=int, default=12, help="number of pictures")
    parser.add_argument("--dtype", default="auto", help="of the segmenters: auto, float32, bfloat16")
    parser.add_argument("--fid-weights", type=Path, help="also time Inception, which the limit leaves out")
    parser.add_argument("--lpips-weights", type=Path, help="also time LPIPS, which the limit leaves out")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    table, judge = steps(arguments.dtype, arguments.fid_weights, arguments.lpips_weights)
    seconds = {name: [] for name in table}
    for i, (original, picture) in enumerate(pairs(arguments.folder, arguments.limit)):
        x, y = judge.segment(np.stack([original, picture]))
        for name, step in table.items():
            if not i:
                step(original, picture, x, y)  # not counted: what the first call sets up
            seconds[name].append(cpu_seconds(lambda s=step, o=original, p=picture, x=x, y=y: s(o, p, x, y)))
    median = {name: float(np.median(values)) for name, values in seconds.items()}
    total = sum(value for name, value in median.items() if not name.startswith("extra"))
    print(f"| a picture (segmenters in {judge.dtype}) | CPU seconds | share |\n| --- | ---: | ---: |")
    for name, value in sorted(median.items(), key=lambda item: -item[1]):
        share = "" if name.startswith("extra") else f"{100 * value / total:.0f} %"
        print(f"| {name} | {value:.4f} | {share} |")
    print(f"| sum, limit {LIMIT} | {total:.4f} | |\n")
    print("| once per set of 101 pictures | CPU seconds |\n| --- | ---: |")
    for name, step in once_a_set(101).items():
        step()
        print(f"| {name} | {np.median([cpu_seconds(step) for _ in range(3)]):.3f} |")
    raise SystemExit(total > LIMIT)


if __name__ == "__main__":
    main()
