"""`spic encode`, `spic decode`, `spic info`, `spic roundtrip`: images to `.spic` files and back."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from spic.cli import files
from spic.cli.common import (
    Device,
    Dtype,
    Force,
    Json,
    MaxPixels,
    Output,
    Segmenter,
    Threads,
    complain,
    report,
    whole,
)
from spic.errors import ConfigError, DataError
from spic.files import IMAGES
from spic.machine import set_threads
from spic.pictures.limits import MAX_PIXELS

Pictures = Annotated[list[str], typer.Argument(metavar="IN...", help="Images, folders, globs, or - for stdin.")]
SpicFiles = Annotated[list[str], typer.Argument(metavar="IN...", help=".spic files, folders, globs, or - for stdin.")]
Quality = Annotated[
    float | None,
    typer.Option("--quality", "-q", help="Setting of the coarse codec; for bpg the QP, 0 (best) to 51."),
]
TargetBpp = Annotated[
    float | None, typer.Option(help="Best quality at this rate or below, in bits per pixel of the working size.")
]
Native = Annotated[bool, typer.Option("--native", help="Keep the size instead of reducing the longer side to 512.")]
Simplify = Annotated[int, typer.Option(min=0, help="Drop islands of the map with fewer pixels before coding.")]
SsmCodec = Annotated[str, typer.Option(help="Lossless codec of the segmentation map.")]
CoarseCodec = Annotated[str, typer.Option(help="Codec of the coarse image.")]
SegmenterWeights = Annotated[Path | None, typer.Option(help="Weights of the segmenter; shipped ones by default.")]
DecoderWeights = Annotated[Path | None, typer.Option(help="Weights of the decoder; shipped ones by default.")]
AnyWeights = Annotated[bool, typer.Option("--any-weights", help="Decode also files that were made for other weights.")]
Sampler = Annotated[str | None, typer.Option(help="ddim, ancestral or published.")]
Steps = Annotated[int | None, typer.Option(help="Steps of the sampler.")]
Start = Annotated[int | None, typer.Option(help="First timestep of the sampler.")]
Guidance = Annotated[float | None, typer.Option(help="Guidance scale; 1 is none.")]


def encode(
    inputs: Pictures,
    output: Output = None,
    quality: Quality = None,
    target_bpp: TargetBpp = None,
    native: Native = False,
    ssm_codec: SsmCodec = "flif",
    simplify: Simplify = 0,
    coarse_codec: CoarseCodec = "bpg",
    segmenter: Segmenter = "street",
    segmenter_weights: SegmenterWeights = None,
    decoder_weights: DecoderWeights = None,
    sampler: Sampler = None,
    steps: Steps = None,
    start: Start = None,
    guidance: Guidance = None,
    seed: Annotated[int, typer.Option(help="Seed of the decoder's noise.")] = 0,
    device: Device = "auto",
    dtype: Dtype = "auto",
    threads: Threads = None,
    force: Force = False,
    as_json: Json = False,
):
    """Code images as .spic files.

    Sampler, steps, start, guidance and seed are recommendations to the receiver; by default those of the decoder.
    """
    sources = files.find_sources(inputs, IMAGES, beside=(".spic",))
    targets = dict(zip(sources, files.find_targets(inputs, sources, output, ".spic", force), strict=True))
    from spic.bitstream import write_spic
    from spic.transmitter import NO_STREET, Transmitter

    transmitter = Transmitter(
        segmenter,
        segmenter_weights=segmenter_weights,
        decoder_weights=decoder_weights,
        ssm_codec=ssm_codec,
        simplify=simplify,
        coarse_codec=coarse_codec,
        quality=whole(quality),
        target_bpp=target_bpp,
        sampling=_sampling(sampler, steps, start, guidance),
        seed=seed,
        native=native,
        device=device,
        dtype=dtype,
    )
    set_threads(threads)

    def work(source):
        prepared = transmitter.prepare(files.read_picture_from(source))
        if prepared.is_street is False:
            complain(DataError(f"{source}: {NO_STREET}"))
        coded = transmitter.code(prepared)
        data = write_spic(coded)
        files.write_bytes_to(targets[source], data)
        record = {"input": str(source), "output": str(targets[source]), "street": prepared.is_street}
        _print(record | _describe(coded, len(data)), as_json, targets[source] == files.STDIO)

    files.for_each("encoding", sources, work)


def decode(
    inputs: SpicFiles,
    output: Output = None,
    part: Annotated[
        str, typer.Option(help="picture; or what needs no network: preview (enlarged coarse image), coarse, ssm.")
    ] = "picture",
    weights: DecoderWeights = None,
    any_weights: AnyWeights = False,
    sampler: Sampler = None,
    steps: Steps = None,
    start: Start = None,
    guidance: Guidance = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the noise; the file's by default.")] = None,
    max_pixels: MaxPixels = MAX_PIXELS,
    device: Device = "auto",
    dtype: Dtype = "auto",
    threads: Threads = None,
    force: Force = False,
    as_json: Json = False,
):
    """Rebuild images from .spic files, at their original size.

    PNG, or what the suffix of OUT says. Sampler, steps, start, guidance and seed overrule what the file recommends.
    """
    if part not in ("picture", "preview", "coarse", "ssm"):
        raise ConfigError(f"--part {part}: expected picture, preview, coarse or ssm")
    sources = files.find_sources(inputs, (".spic",), beside=IMAGES)
    targets = dict(zip(sources, files.find_targets(inputs, sources, output, ".png", force), strict=True))
    for target in targets.values():
        files.image_format(target)
    from spic.receiver import Receiver

    receiver = Receiver(
        weights,
        any_weights=any_weights,
        max_pixels=max_pixels,
        sampling=_sampling(sampler, steps, start, guidance),
        seed=seed,
        device=device,
        dtype=dtype,
    )
    set_threads(threads)

    def work(source):
        data = files.read_bytes_from(source)
        if part in ("coarse", "ssm"):
            picture = getattr(receiver.parts(data), part)
        else:
            picture = receiver.decode(data) if part == "picture" else receiver.preview(data)
        files.write_picture_to(targets[source], picture)
        height, width = picture.shape[:2]
        record = {"input": str(source), "output": str(targets[source]), "width": width, "height": height}
        report(record, f"{targets[source]}: {width}x{height}", as_json, targets[source] == files.STDIO)

    files.for_each("decoding", sources, work)


def info(inputs: SpicFiles, max_pixels: MaxPixels = MAX_PIXELS, as_json: Json = False):
    """Say what .spic files hold; no network is loaded."""
    from spic.bitstream import read_spic

    def work(source):
        data = files.read_bytes_from(source)
        record = _describe(read_spic(data, max_pixels), len(data))
        report({"input": str(source), **record}, _long(source, record), as_json)

    files.for_each("reading", files.find_sources(inputs, (".spic",), beside=IMAGES), work)


def roundtrip(
    inputs: Pictures,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FOLDER", help="Keep .spic files and rebuilt images.")
    ] = None,
    quality: Quality = None,
    target_bpp: TargetBpp = None,
    native: Native = False,
    segmenter: Segmenter = "street",
    segmenter_weights: SegmenterWeights = None,
    decoder_weights: DecoderWeights = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    threads: Threads = None,
    force: Force = False,
    as_json: Json = False,
):
    """Encode and decode, and say what it cost and what was kept."""
    sources = files.find_sources(inputs, IMAGES, beside=(".spic",))
    targets = {}
    if output is not None:
        for suffix in (".spic", ".png"):
            found = files.find_targets([str(s) for s in sources], sources, f"{output}/", suffix, force)
            targets[suffix] = dict(zip(sources, found, strict=True))
    from spic.receiver import Receiver
    from spic.transmitter import Transmitter

    machine = {"device": device, "dtype": dtype}
    rate = {"quality": whole(quality), "target_bpp": target_bpp}
    transmitter = Transmitter(segmenter, segmenter_weights, decoder_weights, native=native, **rate, **machine)
    receiver = Receiver(decoder_weights, **machine)
    set_threads(threads)

    def work(source):
        picture = files.read_picture_from(source)
        coded, data, rebuilt, scores = there_and_back(transmitter, receiver, picture)
        if targets:
            files.write_bytes_to(targets[".spic"][source], data)
            files.write_picture_to(targets[".png"][source], rebuilt)
        record = {"input": str(source), **_describe(coded, len(data)), **scores}
        line = "{input}: {bytes} bytes, {bpp:.4f} bpp, mIoU {miou:.3f}, PSNR {psnr:.2f} dB".format(**record)
        report(record, line, as_json)

    files.for_each("coding", sources, work)


def there_and_back(transmitter, receiver, picture):
    """Code and rebuild an image: (SpicFile, bytes, rebuilt image, {"miou", "psnr"} between the two)."""
    from spic.bitstream import write_spic
    from spic.metrics import miou_of_maps, psnr

    prepared = transmitter.prepare(picture)
    coded = transmitter.code(prepared)
    data = write_spic(coded)
    rebuilt = receiver.decode(data)
    miou = miou_of_maps(prepared.ssm, transmitter.prepare(rebuilt).ssm, transmitter.label_space)
    return coded, data, rebuilt, {"miou": miou, "psnr": psnr(picture, rebuilt)}


def _sampling(sampler, steps, start, guidance) -> dict | None:
    given = {"sampler": sampler, "steps": steps, "start": start, "guidance": guidance}
    return {key: value for key, value in given.items() if value is not None} or None


def _describe(file, num_bytes: int) -> dict:
    """What `--json` says about a `.spic` file."""
    record = {key: value for key, value in asdict(file).items() if key not in ("size", "original_size")}
    record["sampling"] = file.sampling and file.sampling.to_dict()
    for name in ("ssm", "coarse"):
        record[f"{name}_bytes"] = len(record.pop(name))
    (height, width), (working_height, working_width) = file.original_size, file.size
    return {
        "width": width,
        "height": height,
        "working_width": working_width,
        "working_height": working_height,
        "bytes": num_bytes,
        "bpp": file.bpp,
        **record,
    }


def _print(record: dict, as_json: bool, on_stderr: bool) -> None:
    line = "{output}: {bytes} bytes, {bpp:.4f} bpp (SSM {ssm_bytes}, coarse {coarse_bytes} bytes)".format(**record)
    report(record, line, as_json, on_stderr)


def _long(source: Path, record: dict) -> str:
    """A `.spic` file in a few lines."""
    from spic.weights import shipped_as

    sampling = record["sampling"] or "as the decoder's weights recommend"
    if isinstance(sampling, dict):
        sampling = ", ".join(f"{key} {value}" for key, value in sampling.items())
    name = shipped_as(record["weights_id"])
    known = f" (shipped: {name})" if name else ""
    overhead = record["bytes"] - record["ssm_bytes"] - record["coarse_bytes"]
    return (
        "{0}: {bytes} bytes\n"
        "  picture      {width}x{height}, coded at {working_width}x{working_height}\n"
        "  rate         {bpp:.4f} bpp of the coded size, without the {1} bytes of the container\n"
        "  SSM          {ssm_bytes} bytes, {ssm_codec}, {label_space}\n"
        "  coarse       {coarse_bytes} bytes, {coarse_codec}\n"
        "  decoder      {weights_id}{2}\n"
        "  sampling     {3}\n"
        "  seed         {seed}"
    ).format("stdin" if source == files.STDIO else source, overhead, known, sampling, **record)
