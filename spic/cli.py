"""The command line: `spic codec`, `spic train`, `spic weights`, `spic segment`.

What a user can get wrong ends in one line on stderr, `spic: <file>: reason`, and exit status 1; wrong usage in 2.
Results are written under a temporary name first, so that a failure leaves nothing half-written. Heavy libraries load
inside the commands that need them.
"""

import json
import math
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperGroup

from spic import __version__
from spic.errors import ConfigError, DataError, SpicError, WeightsError


class _Commands(TyperGroup):
    """Turns the errors a user can cause into one line."""

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise
        except SpicError as error:
            message = str(error)
        except OSError as error:
            message = _reason(error)
        typer.echo(f"spic: {' '.join(message.split())}", err=True)
        raise typer.Exit(1)


def _group(text: str, **options) -> typer.Typer:
    settings = {"no_args_is_help": True, "add_completion": False, "rich_markup_mode": None}
    return typer.Typer(help=text, pretty_exceptions_enable=False, **settings, **options)


app = _group("Semantic-preserving image coding: pictures as segmentation map and coarse image.", cls=_Commands)
codec_app = _group("Encode and decode single files by any codec.")
train_app = _group("Train the networks, and pack what they train on.")
weights_app = _group("Look at network weights, and ship them.")
app.add_typer(codec_app, name="codec")
app.add_typer(train_app, name="train")
app.add_typer(weights_app, name="weights")

Source = Annotated[Path, typer.Argument(metavar="IN", help="File to read.")]
Target = Annotated[Path, typer.Argument(metavar="OUT", help="File to write.")]
CodecName = Annotated[str, typer.Argument(metavar="NAME", help="A name of `spic codec list`.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Dtype = Annotated[str, typer.Option(help="auto, float32 or bfloat16.")]
PackFile = Annotated[Path, typer.Argument(metavar="PACK", help="A zip file of `spic train pack`.")]
Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="Checkpoint, log and weights; resumed if it has some.")]
Minutes = Annotated[float | None, typer.Option(help="Train so long, restarts summed.")]
Steps = Annotated[int | None, typer.Option(help="Train so many steps.")]
LeaveOut = Annotated[list[str] | None, typer.Option(help="Pictures with such names validate; repeatable.")]
Threads = Annotated[int | None, typer.Option(help="CPU threads; torch's choice by default.")]
Batch = Annotated[int, typer.Option(min=1, help="Pictures a step.")]
Seed = Annotated[int, typer.Option(min=0, help="Of everything random.")]


@app.callback()
def main(
    version: Annotated[bool, typer.Option("--version", is_eager=True, help="Print the version and exit.")] = False,
):
    if version:
        typer.echo(f"spic {__version__}")
        raise typer.Exit


# ---------------------------------------------------------------------------------------------------------- codec


@codec_app.command("list")
def list_codecs():
    """Every codec: name, kind, file extension, quality setting."""
    from spic.codecs import codec_names, get_codec

    for name in codec_names():
        codec = get_codec(name)
        typer.echo(f"{name:18}{codec.kind:9}{codec.extension:6}{codec.quality_name or 'lossless'}")


@codec_app.command()
def encode(
    name: CodecName,
    source: Source,
    target: Target,
    quality: Annotated[float | None, typer.Option(help="Value of the codec's quality setting (qp, bpp).")] = None,
):
    """Code a picture, or for label codecs a label map (one 8-bit channel)."""
    from spic.codecs import get_codec
    from spic.images import write_bytes

    codec = get_codec(name)
    setting = _quality(codec, quality)
    image = _read_image(source, codec.kind)
    with _about(source):
        data = codec.encode(image, **setting)
    with _about(target):
        write_bytes(target, data)
    _print_rate(target, len(data), image)


@codec_app.command()
def decode(name: CodecName, source: Source, target: Target):
    """Decode a file to PNG, or to what the suffix of OUT says."""
    from spic.codecs import get_codec

    codec = get_codec(name)
    image_format = _image_format(target)
    with _about(source):
        data = source.read_bytes()
        image = codec.decode(data)
    _write_image(target, image, image_format)
    _print_rate(source, len(data), image)


def _quality(codec, value: float | None) -> dict:
    if value is None:
        return {}
    if codec.quality_name is None:
        raise ConfigError(f"codec {codec.name} is lossless: it takes no --quality")
    return {codec.quality_name: int(value) if value.is_integer() else value}


def _read_image(path: Path, kind: str):
    """What a codec of `kind` takes; for "both", a file with one channel is a label map and any other a picture."""
    from spic.images import read_labels, read_picture

    if kind == "both":
        try:
            return read_labels(path)
        except DataError:
            return read_picture(path)
    return read_labels(path) if kind == "label" else read_picture(path)


def _image_format(path: Path) -> str:
    from PIL import Image

    formats = {suffix: name for suffix, name in Image.registered_extensions().items() if name in Image.SAVE}
    if path.suffix and path.suffix.lower() not in formats:
        raise ConfigError(f"{path}: no picture format has the suffix {path.suffix}")
    return formats.get(path.suffix.lower(), "PNG")


def _write_image(path: Path, image, image_format: str) -> None:
    from PIL import Image

    from spic.images import atomic_path

    gray = image.ndim == 3 and image.shape[2] == 1
    with _about(path), atomic_path(path) as temporary:
        try:
            Image.fromarray(image[:, :, 0] if gray else image).save(temporary, format=image_format)
        except (ValueError, KeyError) as error:
            raise DataError(f"not to be written as {image_format} ({error})") from None


def _print_rate(path: Path, num_bytes: int, image) -> None:
    from spic.metrics.rate import bpp

    typer.echo(f"{path}: {num_bytes} bytes, {bpp(num_bytes, *image.shape[:2]):.4f} bpp")


# ---------------------------------------------------------------------------------------------------------- train


@train_app.command()
def pack(
    target: Annotated[Path, typer.Argument(metavar="OUT", help="Zip file to write.")],
    root: Annotated[Path | None, typer.Option(help="Folder of the data set; without it, scenes only.")] = None,
    dataset: Annotated[str, typer.Option(help="Data set under --root, of which the train split is taken.")] = "camvid",
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first pictures of --root.")] = None,
    scenes: Annotated[int, typer.Option(min=0, help="Procedural street scenes to add.")] = 0,
    qp: Annotated[list[int] | None, typer.Option(help="QPs of coarse images, for the decoder; repeatable.")] = None,
):
    """Pack training pictures, labels and coarse images into one zip file."""
    from spic.codecs import get_codec
    from spic.training.pack import write_pack

    sets = _training_sets(dataset, root, limit, scenes)
    codec = get_codec("bpg")
    for value in qp or []:
        codec.encode(_tiny_picture(), qp=value)  # a wrong QP shall not show after minutes
    with _about(target), _progress("packing", sum(map(len, sets))) as report:
        count = write_pack(target, sets, qp or (), codec, report=report)
    typer.echo(f"{target}: {count} pictures, {target.stat().st_size} bytes")


def _training_sets(dataset: str, root: Path | None, limit: int | None, scenes: int) -> list:
    from spic.datasets import get_dataset
    from spic.training.pack import FRAME_SIZE

    sets = []
    if root is not None:
        sets.append(get_dataset(dataset, root, "train", limit, FRAME_SIZE))
    if scenes:
        sets.append(get_dataset("street_scenes", None, "train", scenes, FRAME_SIZE))
        if len(sets[-1]) < scenes:
            raise ConfigError(f"--scenes {scenes}: street_scenes has {len(sets[-1])} for training")
    if not sets:
        raise ConfigError("nothing to pack: give --root, --scenes or both")
    return sets


def _tiny_picture():
    import numpy as np

    return np.zeros((8, 8, 3), np.uint8)


@train_app.command()
def segmenter(
    pack: PackFile,
    folder: Folder,
    minutes: Minutes = None,
    steps: Steps = None,
    leave_out: LeaveOut = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    threads: Threads = None,
    batch: Batch = 8,
    seed: Seed = 0,
):
    """Train the segmenter and write FOLDER/street-segmenter."""
    from spic.training.loop import Budget
    from spic.training.segmenter import train_segmenter
    from spic.weights import write_weights

    budget = Budget(steps, minutes)
    options = {"batch": batch, "seed": seed, **_machine(device, dtype, threads)}
    train_pack, validation = _packs(pack, leave_out or [])
    state, config = train_segmenter(train_pack, folder, budget, validation=validation, **options)
    _print_weights(folder / "street-segmenter", write_weights(folder / "street-segmenter", state, config))


@train_app.command()
def decoder(
    pack: PackFile,
    folder: Folder,
    minutes: Minutes = None,
    steps: Steps = None,
    leave_out: LeaveOut = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    threads: Threads = None,
    batch: Batch = 8,
    seed: Seed = 0,
    sampler: Annotated[str, typer.Option(help="Recommended sampler: ddim, ancestral or published.")] = "ddim",
    sampling_steps: Annotated[int, typer.Option(help="Recommended steps.")] = 8,
    start: Annotated[int, typer.Option(help="Recommended first timestep.")] = 192,
    guidance: Annotated[float, typer.Option(help="Recommended guidance scale.")] = 1.0,
):
    """Train the decoder and write FOLDER/street-decoder, with the sampling it is recommended to run with."""
    from spic.scsrdm import save_checkpoint
    from spic.training.decoder import train_decoder
    from spic.training.loop import Budget

    budget = Budget(steps, minutes)
    sampling = _sampling(sampler, sampling_steps, start, guidance)
    options = {"batch": batch, "seed": seed, **_machine(device, dtype, threads)}
    train_pack, validation = _packs(pack, leave_out or [])
    state, network = train_decoder(train_pack, folder, budget, validation=validation, **options)
    config = {"network": network, "sampling": sampling, "label_space": train_pack.label_space}
    _print_weights(folder / "street-decoder", save_checkpoint(folder / "street-decoder", state, config))


def _sampling(sampler: str, steps: int, start: int, guidance: float) -> dict:
    """Settings that `spic.scsrdm.sample` takes; checked now and not after hours of training."""
    from spic.scsrdm.checkpoint import check_sampling

    sampling = {"sampler": sampler, "steps": steps, "start": start, "guidance": guidance}
    check_sampling(sampling)
    if not math.isfinite(guidance):
        raise ConfigError(f"guidance {guidance}: expected a finite number")
    return sampling


def _machine(device: str, dtype: str, threads: int | None) -> dict:
    from spic.devices import pick_device, pick_dtype, set_threads

    if threads is not None:
        set_threads(threads)
    device = pick_device(device)
    return {"device": device, "dtype": pick_dtype(dtype, device)}


def _packs(path: Path, prefixes: list[str]):
    """The pack without, and (None if there are none) with, the pictures whose names start with one of `prefixes`."""
    from spic.training.pack import read_pack

    everything = read_pack(path)
    prefixes = tuple(prefixes)
    if not prefixes:
        return everything, None
    left_out = everything.where(lambda name: name.startswith(prefixes))
    kept = everything.where(lambda name: not name.startswith(prefixes))
    if not len(kept) or not len(left_out):
        raise ConfigError(f"{path}: --leave-out {' '.join(prefixes)} leaves {len(kept)} of {len(everything)} pictures")
    return kept, left_out


def _print_weights(path: Path, digest: str) -> None:
    from spic.weights import weight_paths

    tensors, _ = weight_paths(path)
    typer.echo(f"{tensors}: {tensors.stat().st_size} bytes, sha256 {digest}")


# -------------------------------------------------------------------------------------------------------- weights


@weights_app.command("list")
def list_weights():
    """Shipped weights: name, bytes, SHA-256, and whether the files are the released ones."""
    from spic import weights

    damaged = False
    for name in _shipped_names(weights.FOLDER / "manifest.json"):
        try:
            path = weights.shipped(name, weights.FOLDER)
            typer.echo(f"{name}  {path.stat().st_size} bytes  sha256 {weights.sha256(path)}  verified")
        except WeightsError as error:
            damaged = True
            typer.echo(f"{name}  NOT VERIFIED: {error}")
    if damaged:
        raise WeightsError(f"{weights.FOLDER}: not all shipped weights are as released")


def _shipped_names(manifest: Path) -> list[str]:
    try:
        return sorted(json.loads(manifest.read_bytes()))
    except FileNotFoundError:
        return []
    except (ValueError, TypeError) as error:
        raise WeightsError(f"{manifest}: damaged ({error})") from None


@weights_app.command()
def check(path: Annotated[Path, typer.Argument(metavar="PATH", help="Stem, .safetensors, .json or .pt file.")]):
    """Read weights and try them in the network that their config describes."""
    from spic.weights import read_weights

    state, config = read_weights(path)
    if config.get("arch") == "street":
        from spic.segmentation import get_segmenter

        kind = "street segmenter"
        get_segmenter("street", path, device="cpu", dtype="float32")
    else:
        from spic.scsrdm import load_checkpoint

        kind = "SCSRDM"
        load_checkpoint(path)
    typer.echo(f"{path}: {kind}, {len(state)} tensors, {sum(tensor.numel() for tensor in state.values())} values")


@weights_app.command()
def ship(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name to ship them under.")],
    path: Annotated[Path, typer.Argument(metavar="PATH", help="Weights to copy into the package.")],
):
    """Copy weights into the package and enter them in its manifest."""
    from spic import weights

    if not name or Path(name).name != name:
        raise ConfigError(f"{name!r} is not a plain name")
    target = weights.register(name, path, weights.FOLDER)
    typer.echo(f"{target}: {target.stat().st_size} bytes, sha256 {weights.sha256(target)}")


# -------------------------------------------------------------------------------------------------------- segment


@app.command()
def segment(
    source: Source,
    target: Annotated[Path, typer.Argument(metavar="OUT.png", help="PNG file to write.")],
    weights: Annotated[Path | None, typer.Option(help="Of a street segmenter; shipped ones by default.")] = None,
    color: Annotated[bool, typer.Option(help="Paint the classes instead of writing their ids.")] = False,
    device: Device = "auto",
    dtype: Dtype = "auto",
):
    """Write the segmentation map of a picture at working size (256x512)."""
    from spic.images import read_picture, to_working_size, write_png
    from spic.segmentation import get_segmenter

    if target.suffix.lower() != ".png":
        raise ConfigError(f"{target}: a label map is written as .png")
    with _about(source):
        picture = to_working_size(read_picture(source))
    network = get_segmenter("street", weights, device, dtype)
    labels = network.segment(picture[None])[0]
    with _about(target):
        write_png(target, network.label_space.colorize(labels) if color else labels)


# --------------------------------------------------------------------------------------------------------- shared


def _reason(error: OSError) -> str:
    name = f"{error.filename}: " if error.filename else ""
    return name + (error.strerror or str(error) or type(error).__name__)


@contextmanager
def _about(path: Path):
    """Make errors begin with the file they are about, unless they do."""
    try:
        yield
    except SpicError as error:
        if str(error).startswith(f"{path}:"):
            raise
        raise type(error)(f"{path}: {error}") from None
    except BrokenPipeError:
        raise
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None


@contextmanager
def _progress(what: str, total: int):
    """A progress bar on a terminal; gives the function to call after each piece."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda _: bar.advance(task)


if __name__ == "__main__":
    app()
