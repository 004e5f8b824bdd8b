"""The segmenter `transformers`: a folder that Hugging Face's transformers wrote, read without a connection.

SegFormer, UPerNet and whatever `AutoModelForSemanticSegmentation` knows give scores; Mask2Former and MaskFormer give
queries, which `merge_queries` makes into scores. Image processors are not used: the sheet says what they would do.
"""

from contextlib import suppress
from pathlib import Path

import torch

from spic.errors import WeightsError, memory_shortage
from spic.machine import autocast
from spic.metrics.torchvision_shim import import_torchvision
from spic.segmentation.outside.base import FileSegmenter
from spic.segmentation.outside.files import files_of

_KINDS = {"mask2former": "Universal", "maskformer": "Instance"}  # AutoModelFor...Segmentation, by model type


class Segmenter(FileSegmenter):
    """A network of transformers, in float32 or under autocast."""

    def __init__(self, weights, **settings):
        super().__init__(weights, **settings)
        self.model = _load(weights).to(self.device).eval()
        self.check_classes(self.model.config.num_labels)

    def scores(self, x):
        try:
            with autocast(self.device, self.dtype):
                found = self.model(pixel_values=x)
        except (RuntimeError, ValueError, IndexError) as error:
            reason = memory_shortage(error) or f"cannot see {x.shape[-1]}x{x.shape[-2]} ({_first_line(error)})"
            raise WeightsError(f"{self.path}: {reason}") from None
        if hasattr(found, "logits"):
            return found.logits.float()
        return merge_queries(found.class_queries_logits.float(), found.masks_queries_logits.float())


def merge_queries(classes, masks):
    """Scores of each pixel from queries.

    A query says of which class it is and which pixels are its. The score of a class at a pixel is the sum of the
    product of both over the queries; "no object", the last class, is left out (Cheng et al. 2022, Mask2Former).

    Parameters
    ----------
    classes : torch.Tensor
        float (N, queries, classes + 1), logits.
    masks : torch.Tensor
        float (N, queries, h, w), logits.

    Returns
    -------
    torch.Tensor
        float (N, classes, h, w), 0 and above.
    """
    return torch.einsum("nqc,nqhw->nchw", classes.softmax(-1)[..., :-1], masks.sigmoid())


def _load(folder: Path):
    """The network, every tensor of it from the file."""
    with suppress(ImportError):  # transformers imports it where it is installed, whether it loads or not
        import_torchvision()
    import transformers

    weights, _ = files_of("transformers", folder)
    quiet = transformers.utils.logging
    verbosity, bars = quiet.get_verbosity(), quiet.is_progress_bar_enabled()
    quiet.set_verbosity(quiet.CRITICAL)
    quiet.disable_progress_bar()
    try:
        local = {"local_files_only": True, "trust_remote_code": False}
        config = transformers.AutoConfig.from_pretrained(folder, **local)
        make = getattr(transformers, f"AutoModelFor{_KINDS.get(config.model_type, 'Semantic')}Segmentation")
        safe = {"use_safetensors": weights.suffix == ".safetensors", "weights_only": True}
        model, told = make.from_pretrained(folder, config=config, output_loading_info=True, **safe, **local)
    except Exception as error:  # whatever transformers raises for a damaged file or config
        raise WeightsError(f"{folder}: {memory_shortage(error) or f'not readable ({_first_line(error)})'}") from None
    finally:
        quiet.set_verbosity(verbosity)
        if bars:
            quiet.enable_progress_bar()
    lacking = sorted(map(str, [*told["missing_keys"], *told["mismatched_keys"]]))
    if lacking:
        raise WeightsError(f"{folder}: {len(lacking)} tensors are missing or misshapen ({lacking[0]})")
    return model


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:160]
