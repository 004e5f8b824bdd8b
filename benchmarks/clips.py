"""What coding in time saves on CamVid's validation clip: python benchmarks/clips.py --camvid FOLDER [--maps FILE.npy].

The SSMs are those of the shipped segmenter (`--maps` keeps them, uint8 (T, H, W)). Sizes are bytes of real streams;
everything that is coded is decoded again and compared.
"""

import argparse
import time
from pathlib import Path

import numpy as np

from spic.codecs import get_codec
from spic.codecs.labelmap import shipped_prior, stream
from spic.codecs.labelmap.clip import MapsDecoder, MapsEncoder
from spic.codecs.smooth import Smoother
from spic.datasets import get_dataset
from spic.metrics import confusion_matrix, mean_iou
from spic.pictures.labels import CAMVID11
from spic.pictures.sizes import downscale
from spic.video.hevc import HevcDecoder, HevcEncoder
from spic.video.receiver import between


def smoothed(maps):
    """The maps as a transmitter with `smooth` sends them."""
    smoother = Smoother()
    return np.stack([*[smoother.push(labels) for labels in maps][1:], smoother.flush()])


def coded(maps, every: int, after) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Bytes of each map, which are by themselves, and CPU seconds per map of coding and decoding."""
    prior = shipped_prior()
    encoder, decoder = MapsEncoder(prior, after), MapsDecoder(prior, after)
    started = time.process_time()
    data = [encoder.encode(labels, i % every == 0) for i, labels in enumerate(maps)]
    between_times = time.process_time()
    for labels, one in zip(maps, data, strict=True):
        if not np.array_equal(decoder.decode(one), labels):
            raise SystemExit("a map came back different")
    seconds = between_times - started, time.process_time() - between_times
    alone = np.arange(len(maps)) % every == 0
    return np.array([len(one) for one in data]), alone, *(one / len(maps) for one in seconds)


def maps_table(maps, truth, every: int, after) -> None:
    """SSMs: by themselves, given those before, smoothed, and every second one."""

    def miou(found):
        pairs = zip(truth, found, strict=True)
        return mean_iou(sum(confusion_matrix(a, b, CAMVID11.num_classes, CAMVID11.void) for a, b in pairs))

    intra = np.array([len(stream.encode(labels, shipped_prior())) for labels in maps])
    print("\n| SSMs | bytes per frame | P maps | / by themselves | mIoU to ground truth | encode, decode ms |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    print(f"| by themselves | {intra.mean():.0f} | | 1 | {miou(maps):.4f} | |", flush=True)
    kept = smoothed(maps)
    for what, sent in (("given those before", maps), ("the same, smoothed", kept)):
        sizes, alone, *seconds = coded(sent, every, after)
        p, ms = sizes[~alone].mean(), " ".join(f"{1000 * one:.0f}" for one in seconds)
        ratio = p / intra[~alone].mean()
        print(f"| {what} | {sizes.mean():.0f} | {p:.0f} | {ratio:.3f} | {miou(sent):.4f} | {ms} |", flush=True)
    for what, sent in (("every second one", maps), ("every second one, smoothed", kept)):
        half = [labels for i, labels in enumerate(sent) if i % 2 == 0]
        sizes, *_ = coded(half, every // 2, after)
        seen = [
            sent[i] if i % 2 == 0 or i == len(sent) - 1 else between(sent[i - 1], sent[i + 1]) for i in range(len(sent))
        ]
        mean = sizes.sum() / len(sent)
        print(f"| {what} | {mean:.0f} | | {mean / intra.mean():.3f} | {miou(seen):.4f} | |", flush=True)


def psnr(images, found) -> float:
    """Of all frames together."""
    error = np.mean([np.mean((a.astype(float) - b) ** 2) for a, b in zip(images, found, strict=True)])
    return 10 * np.log10(255**2 / error)


def coarse_table(images, every: int, bpg_qps, qps) -> None:
    """Coarse images: each by BPG, and as one HEVC stream."""
    print("\n| coarse images | QP | bytes per frame | PSNR, dB | encode ms |\n| --- | ---: | ---: | ---: | ---: |")
    bpg = get_codec("bpg")
    for qp in bpg_qps:
        data = [bpg.encode_coarse(image, qp=qp) for image in images]
        size, quality = np.mean([len(one) for one in data]), psnr(images, [bpg.decode(one) for one in data])
        print(f"| BPG | {qp} | {size:.0f} | {quality:.2f} | |", flush=True)
    for qp in qps:
        encoder, decoder = HevcEncoder(images[0].shape[:2], qp, every), HevcDecoder(images[0].shape[:2])
        started = time.process_time()
        data = [encoder.encode(image) for image in images]
        ms = 1000 * (time.process_time() - started) / len(images)
        size, quality = np.mean([len(one) for one in data]), psnr(images, [decoder.decode(one) for one in data])
        print(f"| HEVC | {qp} | {size:.0f} | {quality:.2f} | {ms:.0f} |", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--camvid", type=Path, required=True, help="CamVid's folder")
    parser.add_argument("--maps", type=Path, help="where the segmenter's maps are kept")
    parser.add_argument("--every", type=int, default=30, help="frames from one entry to the next")
    parser.add_argument("--after", type=Path, help="another prior of P maps")
    parser.add_argument("--bpg", nargs="*", type=int, default=[30, 35, 40])
    parser.add_argument("--qp", nargs="*", type=int, default=[26, 28, 30, 32, 34, 36])
    arguments = parser.parse_args()
    data = get_dataset("camvid", arguments.camvid, "val")
    pictures = [data.picture(i) for i in range(len(data))]
    if arguments.maps is not None and arguments.maps.exists():
        maps = np.load(arguments.maps)
    else:
        from spic.segmentation import get_segmenter

        segmenter = get_segmenter("street")
        maps = np.stack([segmenter.segment(picture[None])[0] for picture in pictures])
        if arguments.maps is not None:
            np.save(arguments.maps, maps)
    from spic.codecs.labelmap.prior import read_prior

    after = read_prior(arguments.after, after=True) if arguments.after else shipped_prior(after=True)
    maps_table(maps, [data.labels(i) for i in range(len(data))], arguments.every, after)
    coarse_table([downscale(picture) for picture in pictures], arguments.every, arguments.bpg, arguments.qp)


if __name__ == "__main__":
    main()
