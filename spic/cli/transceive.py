"""`spic encode`, `spic decode`, `spic info`: images to `.spic` files and back."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

import spic
from spic.cli import clips, files
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
    decoder_of,
    report,
    whole,
)
from spic.errors import ConfigError, DataError
from spic.files import IMAGES
from spic.machine import set_threads
from spic.pictures.limits import MAX_PIXELS

Pictures = Annotated[
    list[str], typer.Argument(metavar="IN...", help="Images, folders, globs, or - for stdin. Or videos (-> .spicv).")
]
SpicFiles = Annotated[
    list[str], typer.Argument(metavar="IN...", help=".spic and .spicv files, folders, globs, or - for stdin.")
]
Quality = Annotated[
    float | None,
    typer.Option("--quality", "-q", help="Setting of the coarse codec; for bpg the QP, 0 (best) to 51."),
]
TargetBpp = Annotated[
    float | None, typer.Option(help="Best quality at this rate or below, in bits per pixel of the working size.")
]
ResidualQp = Annotated[
    int | None,
    typer.Option(help="Send the residual too, by BPG at this QP, 0 (best) to 51: near any PSNR at a high rate."),
]
Native = Annotated[bool, typer.Option("--native", help="Keep the size instead of reducing the longer side to 512.")]
Simplify = Annotated[int, typer.Option(min=0, help="Drop islands of the map with fewer pixels before coding.")]
SsmCodec = Annotated[str, typer.Option(help="Lossless codec of the segmentation map.")]
CoarseCodec = Annotated[str, typer.Option(help="Codec of the coarse image.")]
SegmenterWeights = Annotated[Path | None, typer.Option(help="Weights of the segmenter; shipped ones by default.")]
DecoderWeights = Annotated[
    str | None,
    typer.Option(
        "--decoder", "--decoder-weights", metavar="NAME", help="Shipped decoder (spic weights list) or file of weights."
    ),
]
NamedDecoder = Annotated[
    str | None,
    typer.Option(
        "--decoder",
        "--weights",
        metavar="NAME",
        help="Shipped decoder or file of weights; decodes also files that were made for others.",
    ),
]
SrWeights = Annotated[str | None, typer.Option(help="Decoder for files without a map; street-sr by default.")]
SdmWeights = Annotated[
    str | None, typer.Option(help="Decoder for files without a coarse image; street-sdm by default.")
]
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
    residual_qp: ResidualQp = None,
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
    every: Annotated[int, typer.Option(min=1, help="Of clips: decoding may begin at every so-many-th frame.")] = 30,
    smooth: Annotated[bool, typer.Option(help="Of clips: remove single frames' flicker from the maps.")] = True,
    halve: Annotated[bool, typer.Option("--halve", help="Of clips: send the map of every second frame only.")] = False,
    rate: Annotated[float | None, typer.Option(help="Of clips: frames per second; by default the file's.")] = None,
    force: Force = False,
    as_json: Json = False,
):
    """Code images as .spic files, videos as .spicv files; where OUT ends in .spicv, a folder of frames is a clip too.

    Sampler, steps, start, guidance and seed are recommendations to the receiver; by default those of the decoder.
    """
    is_clip = clips.is_clip(inputs, output)
    if is_clip:
        clips.check_settings(ssm_codec, simplify, coarse_codec, target_bpp, native)
    else:
        sources = files.find_sources(inputs, IMAGES, beside=(".spic",))
        targets = files.find_targets(inputs, sources, output, ".spic", force)
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
        residual_qp=residual_qp,
        sampling=_sampling(sampler, steps, start, guidance),
        seed=seed,
        native=native,
        device=device,
        dtype=dtype,
    )
    set_threads(threads)
    if is_clip:
        coding = {"qp": whole(quality), "every": every, "smooth": smooth, "halve": halve}
        clips.encode(inputs, output, transmitter, coding, rate, force, as_json)
        return

    def work(source):
        prepared = transmitter.prepare(files.read_picture_from(source))
        if prepared.is_street is False:
            complain(DataError(f"{source}: {NO_STREET}"))
        coded = transmitter.code(prepared)
        data = write_spic(coded)
        files.write_bytes_to(targets[source], data)
        record = {"input": str(source), "output": str(targets[source]), "street": prepared.is_street}
        record |= describe(coded, len(data))
        _print(record, as_json, targets[source] == files.STDIO)

    files.for_each("encoding", sources, work)


def decode(
    inputs: SpicFiles,
    output: Output = None,
    part: Annotated[
        str, typer.Option(help="picture; or what needs no network: preview (enlarged coarse image), coarse, ssm.")
    ] = "picture",
    weights: NamedDecoder = None,
    any_weights: AnyWeights = False,
    sr_weights: SrWeights = None,
    sdm_weights: SdmWeights = None,
    sampler: Sampler = None,
    steps: Steps = None,
    start: Start = None,
    guidance: Guidance = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the noise; the file's by default.")] = None,
    max_pixels: MaxPixels = MAX_PIXELS,
    first: Annotated[int, typer.Option(min=0, help="Of clips: the first frame to decode.")] = 0,
    partial: Annotated[
        bool, typer.Option("--partial", help="Of clips: keep what came before a cut or damage.")
    ] = False,
    steady: Annotated[bool, typer.Option(help="Of clips: keep what was drawn where nothing moves.")] = True,
    device: Device = "auto",
    dtype: Dtype = "auto",
    threads: Threads = None,
    force: Force = False,
    as_json: Json = False,
):
    """Rebuild images from .spic files and clips from .spicv files, at their original size.

    PNG, or what the suffix of OUT says. Sampler, steps, start, guidance and seed overrule what the file recommends.
    A part that the file lacks (lost on a channel, say) is named on stderr, and the image made from the other one.
    """
    if part not in ("picture", "preview", "coarse", "ssm"):
        raise ConfigError(f"--part {part}: expected picture, preview, coarse or ssm")
    is_clip = clips.is_coded_clip(inputs, output)
    if not is_clip:
        sources = files.find_sources(inputs, (".spic",), beside=IMAGES)
        targets = files.find_targets(inputs, sources, output, ".png", force)
        for target in targets.values():
            files.image_format(target)
    receiver = spic.Receiver(
        weights,
        any_weights=any_weights or weights is not None,  # whoever names a decoder wants that one
        max_pixels=max_pixels,
        sampling=_sampling(sampler, steps, start, guidance),
        seed=seed,
        sr_weights=sr_weights,
        sdm_weights=sdm_weights,
        device=device,
        dtype=dtype,
    )
    set_threads(threads)
    if is_clip:
        clips.decode(inputs, output, receiver, part, first, partial, steady, force, as_json)
        return

    def work(source):
        data = files.read_bytes_from(source)
        notes = []
        if part in ("coarse", "ssm"):
            picture = receiver.parts(data).get(part)
        elif part == "preview":
            picture = receiver.preview(data)
        else:
            (picture,), notes = receiver.decode_all([data]), receiver.notes(data)
        for note in notes:
            complain(DataError(f"{source}: {note}"))
        files.write_picture_to(targets[source], picture)
        height, width = picture.shape[:2]
        record = {"input": str(source), "output": str(targets[source]), "width": width, "height": height}
        record["notes"] = notes
        report(record, f"{targets[source]}: {width}x{height}", as_json, targets[source] == files.STDIO)

    files.for_each("decoding", sources, work)


def info(inputs: SpicFiles, max_pixels: MaxPixels = MAX_PIXELS, as_json: Json = False):
    """Say what .spic and .spicv files hold; no network is loaded."""
    from spic.bitstream import read_spic, version_of

    def work(source):
        if clips.is_coded_clip([str(source)]):
            return clips.info(source, max_pixels, as_json)
        data = files.read_bytes_from(source)
        record = {"version": version_of(data), **describe(read_spic(data, max_pixels), len(data))}
        record["decoder"] = decoder_of(record["weights_id"])[0]
        report({"input": str(source), **record}, _long(source, record), as_json)

    files.for_each("reading", files.find_sources(inputs, (".spic",), beside=IMAGES), work)


def _sampling(sampler, steps, start, guidance) -> dict | None:
    given = {"sampler": sampler, "steps": steps, "start": start, "guidance": guidance}
    return {key: value for key, value in given.items() if value is not None} or None


def describe(file, num_bytes: int) -> dict:
    """What `--json` says about a `.spic` file."""
    left_out = ("size", "original_size", "ssm", "coarse", "residual")
    record = {key: value for key, value in asdict(file).items() if key not in left_out}
    record["sampling"] = file.sampling and file.sampling.to_dict()
    record |= {f"{name}_bytes": length for name, length in file.bytes_of_parts.items()}
    record["residual_codec"] = file.residual and file.residual.codec
    (height, width), (working_height, working_width) = file.original_size, file.size
    return {
        "width": width,
        "height": height,
        "working_width": working_width,
        "working_height": working_height,
        "bytes": num_bytes,
        "bpp": file.bpp,
        **record,
        "missing": list(file.missing),
    }


def _print(record: dict, as_json: bool, on_stderr: bool) -> None:
    residual = ", residual {residual_bytes}" if record["residual_bytes"] else ""
    line = "{output}: {bytes} bytes, {bpp:.4f} bpp (SSM {ssm_bytes}, coarse {coarse_bytes}" + residual + " bytes)"
    line = line.format(**record)
    report(record, line, as_json, on_stderr)


def _long(source: Path, record: dict) -> str:
    sampling = ", ".join(f"{key} {value}" for key, value in (record["sampling"] or {}).items())
    parts = {
        "ssm": "{ssm_bytes} bytes, {ssm_codec}, {label_space}",
        "coarse": "{coarse_bytes} bytes, {coarse_codec}",
        "residual": "{residual_bytes} bytes, {residual_codec}" if record["residual_bytes"] else "none",
    }
    parts |= dict.fromkeys(record["missing"], "missing")
    more = {
        "name": "stdin" if source == files.STDIO else source,
        "container": record["bytes"] - sum(record[f"{part}_bytes"] for part in parts),
        "known": decoder_of(record["weights_id"])[1],
        "sampling": sampling or "as the decoder's weights recommend",
    }
    return (
        "{name}: {bytes} bytes, version {version}\n"
        "  picture      {width}x{height}, coded at {working_width}x{working_height}\n"
        "  rate         {bpp:.4f} bpp of the coded size, without the {container} bytes of the container\n"
        f"  SSM          {parts['ssm']}\n"
        f"  coarse       {parts['coarse']}\n"
        f"  residual     {parts['residual']}\n"
        "  decoder      {weights_id}{known}\n"
        "  sampling     {sampling}\n"
        "  seed         {seed}"
    ).format(**record | more)
