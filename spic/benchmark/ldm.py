"""The method `ldm`: 4x super-resolution by latent diffusion, the SR model that the paper compares with in figure 3.

Source: Rombach et al. 2022 (latent diffusion models), section 4.4, as diffusers' `LDMSuperResolutionPipeline`.
"""

from contextlib import suppress
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from spic.benchmark.methods import UpsampledMethod
from spic.errors import ConfigError, WeightsError, memory_shortage
from spic.machine import autocast, pick_device, pick_dtype, set_threads
from spic.pictures.sizes import COARSE_FACTOR
from spic.plugins import install

PUBLIC = "CompVis/ldm-super-resolution-4x-openimages"
_PARTS = {"unet": "config.json", "vqvae": "config.json", "scheduler": "scheduler_config.json"}
_SUFFIXES = (".safetensors", ".bin")  # the first that is there is read
_MULTIPLE = 32  # of the sides of the coarse image; it is continued by its last pixels, and the result cut again


class LdmMethod(UpsampledMethod):
    """The coarse image through a published super-resolution model, 4x latent diffusion, as the paper does in figure 3.

    Options: `steps` of the sampler (DDIM), 100 by default, and its `eta`, 1 by default. `ldm_weights` is the folder.
    """

    reads = ("ldm_weights",)
    libraries = ("torch", "diffusers")
    counts_officially = False

    def __init__(self, settings):
        super().__init__(settings)
        options = {"steps": 100, "eta": 1.0, **settings.options}
        self.steps, self.eta = options.pop("steps"), options.pop("eta")
        if options:
            raise ConfigError(f"method_options: ldm has the options steps and eta, not {', '.join(options)}")
        if type(self.steps) is not int or not 1 <= self.steps <= 1000:
            raise ConfigError(f"method_options: ldm: steps {self.steps!r}: a whole number from 1 to 1000")
        if type(self.eta) not in (int, float) or not 0 <= self.eta <= 1:
            raise ConfigError(f"method_options: ldm: eta {self.eta!r}: a number from 0 to 1")

    @property
    def missing(self):
        return None if self.settings.ldm_weights is not None else "ldm_weights"

    @property
    def lack(self):
        if find_spec("transformers") is None:  # diffusers wants it for this pipeline
            return f"transformers: {install('transformers')}"
        if self.missing:
            return f"ldm_weights, the folder of {PUBLIC} from the Hugging Face Hub, 0.7 GB (docs/weights.md)"
        try:
            self.files()
        except WeightsError as error:
            return f"ldm_weights: {error}; the public folder is {PUBLIC}, 0.7 GB (docs/weights.md)"
        return None

    def files(self):
        """Configs and weights of the folder; `WeightsError` names the first that is missing."""
        folder, found = Path(self.settings.ldm_weights or ""), []
        for part, config in _PARTS.items():
            found.append(folder / part / config)
            if not found[-1].is_file():
                raise WeightsError(f"{found[-1]}: no such file")
            if part != "scheduler":
                found.append(self._tensors(part))
        return [str(path) for path in found]

    def _tensors(self, part: str) -> Path:
        folder = Path(self.settings.ldm_weights, part)
        paths = [folder / f"diffusion_pytorch_model{suffix}" for suffix in _SUFFIXES]
        for path in paths:
            if path.is_file():
                return path
        raise WeightsError(f"{paths[0]}: no such file, nor {paths[1].name}")

    def decode(self, parts, names):
        return [self._enlarge(coarse) for coarse in self._coarse(parts)]

    def _enlarge(self, coarse: np.ndarray) -> np.ndarray:
        """uint8 (h, w, 3) to uint8 (4 h, 4 w, 3)."""
        import torch

        pipeline, machine = self._pipeline, self.settings.machine
        height, width = coarse.shape[:2]
        padded = np.pad(coarse, ((0, -height % _MULTIPLE), (0, -width % _MULTIPLE), (0, 0)), mode="edge")
        image = torch.from_numpy(padded).permute(2, 0, 1)[None].float() / 127.5 - 1
        device = pipeline.device
        cards = [device] if device.type == "cuda" else []
        # The sampler draws from torch's own generators: each image starts them anew, and they are left as found.
        with torch.random.fork_rng(cards), autocast(device.type, pick_dtype(machine.dtype, device.type)):
            torch.manual_seed(self.settings.seed)
            found = pipeline(image, num_inference_steps=self.steps, eta=self.eta, output_type="pt").images[0]
        pixels = (found.float() * 255).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).cpu().numpy()
        return pixels[: height * COARSE_FACTOR, : width * COARSE_FACTOR]

    @cached_property
    def _pipeline(self):
        if self.lack:
            raise ConfigError(f"method ldm needs {self.lack}")
        from spic.metrics.torchvision_shim import import_torchvision

        with suppress(ImportError):  # transformers imports it where it is installed, whether it loads or not
            import_torchvision()
        import diffusers

        machine, folder = self.settings.machine, Path(self.settings.ldm_weights)
        set_threads(machine.threads)
        diffusers.utils.logging.set_verbosity(diffusers.utils.logging.CRITICAL)
        diffusers.utils.logging.disable_progress_bar()
        try:
            unet, vqvae = (
                self._network(getattr(diffusers, kind), part)
                for kind, part in (("UNet2DModel", "unet"), ("VQModel", "vqvae"))
            )
            scheduler = diffusers.DDIMScheduler.from_pretrained(folder / "scheduler", local_files_only=True)
            pipeline = diffusers.LDMSuperResolutionPipeline(vqvae, unet, scheduler)
        except WeightsError:
            raise
        except Exception as error:  # whatever diffusers raises for a damaged file or config
            reason = memory_shortage(error) or f"not readable ({' '.join(str(error).split())[:160]})"
            raise WeightsError(f"{folder}: {reason}") from None
        if unet.config.in_channels != 6 or 2 ** (len(vqvae.config.block_out_channels) - 1) != COARSE_FACTOR:
            raise WeightsError(f"{folder}: not a pipeline for {COARSE_FACTOR}x super-resolution")
        pipeline.set_progress_bar_config(disable=True)
        return pipeline.to(pick_device(machine.device))

    def _network(self, kind, part: str):
        """One of the two networks, every tensor of it from the folder."""
        path = self._tensors(part)
        model, told = kind.from_pretrained(
            path.parent,
            local_files_only=True,
            use_safetensors=path.suffix == ".safetensors",
            low_cpu_mem_usage=False,
            output_loading_info=True,
        )
        lacking = sorted(map(str, [*told["missing_keys"], *told["mismatched_keys"]]))
        if lacking:
            raise WeightsError(f"{path}: {len(lacking)} tensors are missing or misshapen ({lacking[0]})")
        return model
