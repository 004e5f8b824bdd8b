"""`spic train`: packs of training data, segmenter, decoder, prior of the label-map coder."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from spic.cli import files
from spic.cli.common import Device, Dtype, Threads, group, progress
from spic.errors import ConfigError, about
from spic.machine import Machine
from spic.weights import weight_paths, write_weights

app = group("Train the networks, and pack what they train on.")

PackFile = Annotated[Path, typer.Argument(metavar="PACK", help="A zip file of `spic train pack`.")]
Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="Checkpoint, log and weights; resumed if it has some.")]
Minutes = Annotated[float | None, typer.Option(help="Total training time in minutes, across restarts.")]
Steps = Annotated[int | None, typer.Option(help="Number of training steps.")]
LeaveOut = Annotated[list[str] | None, typer.Option(help="Name prefixes held out for validation; repeatable.")]
Batch = Annotated[int, typer.Option(min=1, help="Images per step.")]
Copies = Annotated[
    int, typer.Option(min=0, help="Times that each image is coded, in other lights, too; 0: the pack's coarse images.")
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of all random numbers.")]


@app.command()
def pack(
    target: Annotated[Path, typer.Argument(metavar="OUT", help="Zip file to write.")],
    root: Annotated[Path | None, typer.Option(help="Folder of the data set; without it, scenes only.")] = None,
    dataset: Annotated[str, typer.Option(help="Data set under --root; its train split is used.")] = "camvid",
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first images of --root.")] = None,
    scenes: Annotated[int, typer.Option(min=0, help="Procedural street scenes to add.")] = 0,
    qp: Annotated[list[int] | None, typer.Option(help="QPs of coarse images, for the decoder; repeatable.")] = None,
):
    """Pack training pictures, labels and coarse images into one zip file."""
    import numpy as np

    from spic.codecs import get_codec
    from spic.datasets import dataset_class, get_dataset
    from spic.training.pack import FRAME_SIZE, write_pack

    target = files.as_target(target)
    files.check_target(target, force=True)
    sets = []
    if root is not None or dataset_class(dataset).procedural:
        sets.append(get_dataset(dataset, root, "train", limit, FRAME_SIZE))
    if scenes:
        sets.append(get_dataset("street_scenes", None, "train", scenes, FRAME_SIZE))
        if len(sets[-1]) < scenes:
            raise ConfigError(f"--scenes {scenes}: street_scenes has {len(sets[-1])} for training")
    if not sets:
        raise ConfigError("nothing to pack: give --root, --scenes or both")
    codec = get_codec("bpg")
    for value in qp or []:
        codec.encode_coarse(np.zeros((8, 8, 3), np.uint8), qp=value)  # a wrong QP fails now and not after minutes
    with about(target), progress("packing", sum(map(len, sets))) as report:
        count = write_pack("/dev/fd/1" if target == files.STDIO else target, sets, qp or (), codec, report=report)
    typer.echo(f"{target}: {count} pictures, {files.size_of(target)}", err=target == files.STDIO)


@app.command()
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
    network: Annotated[str, typer.Option(help="street, pyramid or dense.")] = "street",
    init: Annotated[Path | None, typer.Option(help="Weights of the same network to start from.")] = None,
    learning_rate: Annotated[float, typer.Option(min=0, help="Peak learning rate.")] = 2e-3,
    encoder: Annotated[
        str | None, typer.Option(help="ImageNet encoder: lite1 (pyramid's default), lite2 (street's), none.")
    ] = None,
    scene_share: Annotated[float, typer.Option(min=0, max=1, help="Share of drawn scenes in a batch.")] = 0.2,
    crop: Annotated[tuple[int, int], typer.Option(help="Height and width of the crops, pixels.")] = (192, 384),
    zoom: Annotated[tuple[float, float], typer.Option(help="Range of the factor that enlarges crops.")] = (0.5, 2.0),
    turn: Annotated[float, typer.Option(help="Largest angle by which crops are turned, degrees.")] = 8.0,
    mixed: Annotated[float, typer.Option(help="Share of crops that take some classes of another one.")] = 0.0,
    lights: Annotated[float, typer.Option(help="Share of crops in another light.")] = 0.4,
    lovasz: Annotated[float, typer.Option(help="Weight of the Lovasz-softmax loss.")] = 0.0,
    mirrored: Annotated[bool, typer.Option("--mirrored", help="Have mirror images segmented, too, later on.")] = False,
    potts: Annotated[float, typer.Option(help="How strongly neighbours will be asked, too, later on; 0: not.")] = 0.0,
):
    """Train a segmenter and write FOLDER/street-segmenter."""
    from spic.training.segmenter import Recipe, train_segmenter

    recipe = Recipe(
        network,
        encoder,
        batch=batch,
        scene_share=scene_share,
        learning_rate=learning_rate,
        crop=crop,
        zoom=zoom,
        turn=turn,
        mixed=mixed,
        lights=lights,
        lovasz=lovasz,
        mirrored=mirrored,
        potts=potts,
    )
    state, config = train_segmenter(
        recipe=recipe, init=init, **_given(pack, folder, steps, minutes, leave_out, device, dtype, threads, seed)
    )
    target = folder / "street-segmenter"
    _print_weights(target, write_weights(target, state, config, "int8"))


@app.command()
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
    t_min: Annotated[int, typer.Option(help="Lowest timestep to train.")] = 0,
    t_max: Annotated[int | None, typer.Option(help="Highest timestep to train; the preset's by default.")] = None,
    t_focus: Annotated[
        float, typer.Option(min=0, max=1, help="Share of crops at the last 50 timesteps, where x_t is as chains begin.")
    ] = 0.0,
    init: Annotated[Path | None, typer.Option(help="Weights to start from.")] = None,
    ssm: Annotated[Path | None, typer.Option(help="Segmenter weights; half of the crops take its maps.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak learning rate; the preset's by default.")] = None,
    sampler: Annotated[str | None, typer.Option(help="Recommended sampler (docs/decoder.md).")] = None,
    sampling_steps: Annotated[int | None, typer.Option(help="Recommended steps.")] = None,
    start: Annotated[int | None, typer.Option(help="Recommended first timestep.")] = None,
    preset: Annotated[str, typer.Option(help="small, or paper: the released size and recipe.")] = "small",
    condition: Annotated[str, typer.Option(help="both, or for the methods sr and sdm: coarse, ssm.")] = "both",
    guidance: Annotated[float, typer.Option(help="Recommended guidance scale.")] = 1.0,
):
    """Train the decoder and write FOLDER/street-decoder, with the sampling it is recommended to run with.

    On several GPUs: `torchrun --nproc-per-node N -m spic.cli train decoder PACK FOLDER ...`; --batch is that of each.
    """
    from spic.scsrdm import save_checkpoint
    from spic.training.decoder import recipe_of, train_decoder
    from spic.training.distributed import joined

    recipe = recipe_of(
        preset,
        condition,
        sampling={"sampler": sampler, "steps": sampling_steps, "start": start, "guidance": guidance},
        t_min=t_min,
        t_max=t_max,
        t_focus=t_focus,
        batch=batch,
        learning_rate=learning_rate,
    )
    given = _given(pack, folder, steps, minutes, leave_out, device, dtype, threads, seed, ssm, init=init)
    with joined(given["device"]) as (ranks, given["device"]):
        state, network = train_decoder(recipe=recipe, init=init, ranks=ranks, **given)
    if ranks.first:
        config = {"network": network, "sampling": recipe.sampling, "label_space": given["pack"].label_space}
        _print_weights(folder / "street-decoder", save_checkpoint(folder / "street-decoder", state, config))


@app.command()
def adversarial(
    pack: PackFile,
    folder: Folder,
    init: Annotated[Path, typer.Option(help="Decoder weights to start from.")],
    ssm: Annotated[Path | None, typer.Option(help="Segmenter weights whose maps most crops take.")] = None,
    minutes: Minutes = None,
    steps: Steps = None,
    leave_out: LeaveOut = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    threads: Threads = None,
    batch: Batch = 6,
    seed: Seed = 0,
    condition: Annotated[
        str | None, typer.Option(help="both, coarse or ssm, as in the first stage; by default that of --init.")
    ] = None,
    vgg: Annotated[
        Path | None, typer.Option(help="Weights of LPIPS on VGG16, for a perceptual loss (spic weights convert).")
    ] = None,
    discriminators: Annotated[
        Path | None, typer.Option(help="Checkpoint of a training whose discriminators this one goes on with.")
    ] = None,
    sampler: Annotated[
        str, typer.Option(help="noiseless: one step; published or ancestral: the paper's 20 steps.")
    ] = "noiseless",
    copies: Copies = 0,
):
    """Train a decoder against discriminators, from the weights of `spic train decoder` or the shipped ones.

    Writes FOLDER/street-decoder, which draws in one step and without noise; FOLDER/street-decoder-20 for a chain.
    """
    from spic.scsrdm import save_checkpoint
    from spic.training.adversarial import Recipe, train_adversarial

    recipe = Recipe(condition=condition, batch=batch, sampler=sampler)
    state, config = train_adversarial(
        recipe=recipe,
        init=init,
        vgg=vgg,
        discriminators=discriminators,
        **_given(pack, folder, steps, minutes, leave_out, device, dtype, threads, seed, ssm, copies, init),
    )
    target = folder / ("street-decoder" if sampler == "noiseless" else "street-decoder-20")
    _print_weights(target, save_checkpoint(target, state, config, "int8"))


@app.command()
def restore(
    pack: PackFile,
    folder: Folder,
    init: Annotated[Path, typer.Option(help="Decoder weights; all but the part for the coarse image stays as it is.")],
    ssm: Annotated[Path | None, typer.Option(help="Segmenter weights whose maps most crops take.")] = None,
    minutes: Minutes = None,
    steps: Steps = None,
    leave_out: LeaveOut = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    threads: Threads = None,
    batch: Batch = 16,
    seed: Seed = 0,
    copies: Copies = 10,
    channels: Annotated[int, typer.Option(min=8, help="Width of what is added, a multiple of 8.")] = 96,
):
    """Teach a decoder to restore its coarse image first, and write FOLDER/street-decoder."""
    from spic.scsrdm import save_checkpoint
    from spic.training.restore import Recipe, train_restore

    recipe = Recipe(channels, batch=batch)
    given = _given(pack, folder, steps, minutes, leave_out, device, dtype, threads, seed, ssm, copies, init)
    state, config = train_restore(recipe=recipe, init=init, **given)
    _print_weights(folder / "street-decoder", save_checkpoint(folder / "street-decoder", state, config, "int8"))


@app.command()
def mend(
    pack: PackFile,
    folder: Folder,
    init: Annotated[Path, typer.Option(help="Decoder weights.")],
    ssm: Annotated[Path | None, typer.Option(help="Segmenter weights whose maps most crops take.")] = None,
    minutes: Minutes = None,
    steps: Steps = None,
    leave_out: LeaveOut = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    threads: Threads = None,
    batch: Batch = 6,
    seed: Seed = 0,
    copies: Copies = 0,
    colour_share: Annotated[
        float | None, typer.Option(help="How far colours are to go back to the coarse image's, 0 to 1; as it is.")
    ] = None,
):
    """Take the 4x4 pattern out of what a decoder draws, and write it to FOLDER under the same name."""
    from spic.scsrdm import save_checkpoint
    from spic.training.mend import Recipe, train_mend

    given = _given(pack, folder, steps, minutes, leave_out, device, dtype, threads, seed, ssm, copies, init)
    state, config = train_mend(recipe=Recipe(batch=batch, colour_share=colour_share), init=init, **given)
    target = folder / weight_paths(init)[0].stem
    _print_weights(target, save_checkpoint(target, state, config, "int8"))


@app.command("labelmap-prior")
def labelmap_prior(
    target: Annotated[Path, typer.Argument(metavar="OUT", help="Stem of the two files to write.")],
    dataset: Annotated[str, typer.Option(help="Data set; its train split is used.")] = "camvid",
    root: Annotated[Path | None, typer.Option(help="Folder of the data set; not needed for drawn ones.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first maps.")] = None,
    leave_out: Annotated[list[str] | None, typer.Option(help="Name prefixes of images to skip; repeatable.")] = None,
    segmenter: Annotated[str, typer.Option(help="Learn from its maps too; none: ground truth only.")] = "street",
    steps: Annotated[int, typer.Option(min=1, help="Steps of the network's training.")] = 26000,
    width: Annotated[int, typer.Option(min=1, max=1024, help="Width of the network.")] = 128,
    mixer_maps: Annotated[int | None, typer.Option(min=1, help="Maps the adaptive part sees; default all.")] = None,
    clips: Annotated[bool, typer.Option("--clips", help="The prior of P maps: of clips made from the images.")] = False,
    device: Device = "auto",
    threads: Threads = None,
    seed: Seed = 0,
):
    """Train the prior of the label-map coder and write OUT.safetensors and OUT.json."""
    from spic.datasets import get_dataset
    from spic.segmentation import get_segmenter
    from spic.training.labelmap_clips import collect_clips, train_after
    from spic.training.labelmap_prior import HIDDEN, collect_maps, train_prior, write_prior

    files.check_weights_target(target, force=True)
    data = get_dataset(dataset, root, "train", limit)
    device = Machine(device, "auto", threads).decided().device
    network = None if segmenter == "none" else get_segmenter(segmenter, device=device)
    if clips and network is None:
        raise ConfigError("--clips: a segmenter makes the maps of clips")
    collect, train = (collect_clips, train_after) if clips else (collect_maps, train_prior)
    with progress("reading maps", len(data)) as step:
        maps = collect(data, network, tuple(leave_out or ()), report=step)
    size = {"classes": data.label_space.num_classes + 1, "hidden": (width, HIDDEN[1]), "mixer_maps": mixer_maps}
    prior = train(maps, steps, **size, seed=seed, report=lambda what, cost: typer.echo(f"{what}: {cost:.4f}"))
    source = {"dataset": dataset, "maps": len(maps), "left_out": leave_out or [], "segmenter": segmenter}
    source |= {"clips": clips} if clips else {}
    about_it = {"label_space": data.label_space.name, "steps": steps, "seed": seed, **source}
    _print_weights(target, write_prior(target, prior, about_it))


def _given(
    pack: Path, folder: Path, steps, minutes, leave_out, device, dtype, threads, seed, ssm=None, copies=0, init=None
) -> dict:
    """What all trainings are given; `init` is looked at before images are segmented and coded, which takes minutes."""
    from spic.training.batches import Coded, predicted_maps
    from spic.training.loop import Budget
    from spic.training.pack import read_split
    from spic.weights import read_weights

    if init is not None:
        read_weights(init)

    budget, machine = Budget(steps, minutes), Machine(device, dtype, threads).decided()
    data, validation = read_split(pack, leave_out or [])
    given = {"pack": data, "folder": folder, "budget": budget, "validation": validation, "seed": seed}
    if ssm is not None:
        given["predicted"] = predicted_maps(data, ssm, machine.device)
    if copies:
        with progress("coding", copies * len(data)) as report:
            given["pack"] = replace(data, coded=Coded(data, copies, seed=seed, report=report))
    return {**given, "device": machine.device, "dtype": machine.dtype}


def _print_weights(path: Path, digest: str) -> None:
    tensors, _ = weight_paths(path)
    typer.echo(f"{tensors}: {files.size_of(tensors)}, sha256 {digest}")
