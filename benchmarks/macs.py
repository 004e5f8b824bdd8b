"""Multiply-accumulate operations of each method's networks: python benchmarks/macs.py [--csv macs.csv].

Counted by torch.utils.flop_counter (convolutions and matrix products; a FLOP there is half a MAC) at 256x512, without
computing anything, in thousands for each pixel of the image. Codecs without a network (FLIF, BPG and so on) count
nothing.
"""

import argparse
import csv
import sys

import torch
from decoder import flops
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from spic.metrics.torchvision_shim import import_torchvision
from spic.pictures.sizes import COARSE_FACTOR, WORKING_SIZE
from spic.scsrdm import build
from spic.scsrdm.config import ScsrdmConfig
from spic.segmentation.segmenter import NETWORKS, network_name
from spic.weights import FOLDER, read_config

CHAIN, LDM_STEPS = 20, 100
# CompVis/ldm-super-resolution-4x-openimages; in float32 they have the published files' sizes, 455 and 221 MB.
LDM_UNET = {
    "in_channels": 6,
    "out_channels": 3,
    "block_out_channels": (160, 320, 320, 640),
    "layers_per_block": 2,
    "attention_head_dim": 32,
    "down_block_types": ("DownBlock2D",) * 3 + ("AttnDownBlock2D",),
    "up_block_types": ("AttnUpBlock2D",) + ("UpBlock2D",) * 3,
}
LDM_VQVAE = {
    "block_out_channels": (128, 256, 512),
    "latent_channels": 3,
    "num_vq_embeddings": 8192,
    "layers_per_block": 2,
    "down_block_types": ("DownEncoderBlock2D",) * 3,
    "up_block_types": ("UpDecoderBlock2D",) * 3,
}


def counted(make, call) -> tuple[float, int]:
    """MACs of `call(network)`, and the network's parameters; nothing is computed, nothing allocated."""
    with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        model = make().requires_grad_(False).eval()
        with FlopCounterMode(display=False) as counter:
            call(model)
        return counter.get_total_flops() / 2, parameters(model)


def parameters(model) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def segmenter() -> tuple[float, int]:
    """The shipped segmenter, which makes the SSM."""
    config = read_config(FOLDER / "street-segmenter")
    shape, network, *_ = NETWORKS[network_name(config)]
    return counted(
        lambda: network(shape.from_dict({**config["net"], "num_classes": 11})),
        lambda model: model(torch.empty(1, 3, *WORKING_SIZE)),
    )


def scsrdm(condition: str, steps: int = 1) -> tuple[float, int]:
    """Some steps of a decoder of the shipped shape that sees one of the conditions, or both."""
    config = ScsrdmConfig.from_dict({**read_config(FOLDER / "street-decoder")["network"], "condition": condition})
    preparation, step = flops(config, WORKING_SIZE, 1.0)["on"]
    with torch.device("meta"):
        return (preparation + steps * step) / 2, parameters(build(config))


def ldm() -> tuple[float, int]:
    """All steps in the latent space, and its decoder."""
    import_torchvision()
    import diffusers

    latents = [side // COARSE_FACTOR for side in WORKING_SIZE]
    step, unet = counted(
        lambda: diffusers.UNet2DModel(**LDM_UNET), lambda model: model(torch.empty(1, 6, *latents), torch.tensor(1))
    )
    last, vqvae = counted(
        lambda: diffusers.VQModel(**LDM_VQVAE), lambda model: model.decode(torch.empty(1, 3, *latents))
    )
    return LDM_STEPS * step + last, unet + vqvae


def rows() -> list[dict]:
    """One row per method that has a network."""
    found, (eye, eye_size) = [], segmenter()
    own = scsrdm("both")
    decoders = {"spic": own, "spic_20": scsrdm("both", CHAIN), "spic_video": own, "dsslic": own}
    decoders |= {"sr": scsrdm("coarse"), "sdm": scsrdm("ssm")}
    for name, (macs, size) in (decoders | {"ldm": ldm()}).items():
        sends = name not in ("sr", "ldm")
        # the weights of sdm say how many; one is counted
        steps = {"ldm": LDM_STEPS, "spic_20": CHAIN, "sdm": ""}.get(name, 1)
        pixels = 1000 * WORKING_SIZE[0] * WORKING_SIZE[1]
        tried = macs if name == "dsslic" else 0  # its encoder decodes, and codes what is missing
        counts = {"encoder_kmac": round((eye * sends + tried) / pixels, 1), "decoder_kmac": round(macs / pixels, 1)}
        sizes = {
            "encoder_m": round((eye_size * sends + size * bool(tried)) / 1e6, 2),
            "decoder_m": round(size / 1e6, 2),
            "steps": steps,
        }
        found.append({"method": name, **counts, **sizes})
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--csv", help="file to write; without it the table is printed")
    path = parser.parse_args().csv
    table = rows()
    with open(path, "w", newline="") if path else sys.stdout as file:
        writer = csv.DictWriter(file, list(table[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)
