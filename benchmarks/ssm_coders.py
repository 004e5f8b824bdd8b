"""Size and speed of every lossless coder on segmentation maps: python benchmarks/ssm_coders.py --camvid FOLDER.

Ground truth of CamVid's validation split, what a segmenter makes of the same pictures, and drawn street scenes, all at
the working size of 256x512. Kernels are compiled before the clock starts; times are medians of this one thread's CPU
time. `--prior FILE` measures the label-map coder with another prior too, `--simplify N` drops small components first.
"""

import argparse
import time
from pathlib import Path

import numpy as np

from spic.codecs import get_codec
from spic.datasets import get_dataset

CODECS = ("labelmap", "labelmap-plain", "flif", "jpegxl-lossless", "webp-lossless", "png")
REFERENCE = {"ground truth": 0.1139 * 256 * 512 / 8}  # bytes of the reference `flif` with default settings, rows 64-320


def measure(codec, maps) -> tuple[float, float, float, float]:
    """Mean bytes, median seconds to encode and to decode, the longest of all; stops where a map comes back wrong."""
    sizes, encoding, decoding = [], [], []
    codec.decode(codec.encode(maps[0]))
    for labels in maps:
        started = time.thread_time()
        data = codec.encode(labels)
        between = time.thread_time()
        decoded = codec.decode(data)
        decoding.append(time.thread_time() - between)
        encoding.append(between - started)
        sizes.append(len(data))
        if not np.array_equal(decoded, labels):
            raise SystemExit(f"{codec.name}: a map came back different")
    return float(np.mean(sizes)), np.median(encoding), np.median(decoding), max(encoding + decoding)


def material(arguments) -> dict[str, list[np.ndarray]]:
    """Label maps by what they are."""
    every, found = slice(None, None, arguments.every), {}
    if arguments.camvid:
        data = get_dataset("camvid", arguments.camvid, "val")
        chosen = range(len(data))[every]
        found["ground truth"] = [data.labels(i) for i in chosen]
        if arguments.segmenter != "none":
            from spic.segmentation import get_segmenter

            segmenter = get_segmenter(arguments.segmenter)
            found["predicted"] = [segmenter.segment(data.picture(i)[None])[0] for i in chosen]
    for name in ("street_scenes", "street_scenes_city") if arguments.scenes else ():
        scenes = get_dataset(name, None, "val", arguments.scenes)
        found[name] = [scenes.labels(i) for i in range(arguments.scenes)]
    return found


def table(maps: dict, codecs: list) -> None:
    """Print sizes and times of all codecs on all maps."""
    for what, pictures in maps.items():
        print(f"\n{what}, {len(pictures)} maps\n")
        print("| coder | bytes | bpp | / reference FLIF | / our flif | encode ms | decode ms | longest ms |")
        print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
        rows = [(codec, *measure(codec, pictures)) for codec in codecs]
        flif = next((row[1] for row in rows if row[0].name == "flif"), float("nan"))
        for codec, size, encoding, decoding, longest in rows:
            reference = f"{size / REFERENCE[what]:.3f}" if what in REFERENCE else ""
            times = " | ".join(f"{1000 * seconds:.0f}" for seconds in (encoding, decoding, longest))
            bpp = 8 * size / pictures[0].size
            print(f"| {codec.name} | {size:.0f} | {bpp:.4f} | {reference} | {size / flif:.3f} | {times} |", flush=True)


def simplified(maps: dict, pixels: list[int]) -> None:
    """Print what dropping components under n pixels costs and saves: rate, and mIoU against the map as it was."""
    from spic.codecs.simplify import simplify
    from spic.metrics import confusion_matrix, mean_iou
    from spic.pictures.labels import CAMVID11

    codec = get_codec("labelmap")
    print("\n| maps | components dropped | bytes | mIoU against the unsimplified map | pixels changed |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for what, pictures in maps.items():
        for count in pixels:
            results = [simplify(labels, count) for labels in pictures]
            pairs = zip(pictures, results, strict=True)
            miou = mean_iou(sum(confusion_matrix(a, b, CAMVID11.num_classes, CAMVID11.void) for a, b in pairs))
            size = np.mean([len(codec.encode(labels)) for labels in results])
            changed = np.mean([np.mean(a != b) for a, b in zip(pictures, results, strict=True)])
            print(f"| {what} | under {count} | {size:.0f} | {miou:.4f} | {100 * changed:.3f} % |", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--camvid", type=Path, help="CamVid's folder")
    parser.add_argument("--segmenter", default="street", help="makes the predicted maps; none: ground truth only")
    parser.add_argument("--scenes", type=int, default=20, help="how many drawn scenes of each kind")
    parser.add_argument("--every", type=int, default=1, help="only every n-th frame of CamVid")
    parser.add_argument("--codecs", nargs="*", default=CODECS)
    parser.add_argument("--prior", nargs="*", default=[], type=Path, help="other priors of labelmap to measure")
    parser.add_argument("--simplify", nargs="*", default=[], type=int, metavar="N")
    arguments = parser.parse_args()
    maps = material(arguments)
    if not maps:
        raise SystemExit("nothing to code: give --camvid or --scenes")
    codecs = [get_codec(name) for name in arguments.codecs]
    for path in arguments.prior:
        from spic.codecs.labelmap import LabelMapCodec

        codecs.append(LabelMapCodec(path))
        codecs[-1].name = f"labelmap, prior {path.stem}"
    if codecs:
        table(maps, codecs)
    if arguments.simplify:
        simplified({what: pictures for what, pictures in maps.items() if "city" not in what}, arguments.simplify)


if __name__ == "__main__":
    main()
