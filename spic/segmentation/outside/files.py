"""Which files a network from outside consists of, without loading it."""

import json
from pathlib import Path

from spic.errors import WeightsError
from spic.segmentation.outside.external_data import external_files
from spic.weights.reading import check_file

_WEIGHTS = ("model.safetensors", "pytorch_model.bin")


def files_of(name: str, path: Path) -> list[Path]:
    """Files of the network at `path` of the segmenter `onnx` or `transformers`, the one with the weights first.

    Raises
    ------
    WeightsError
        One is missing or something else; an ONNX file names data outside of its folder; a folder asks for code or for
        files from elsewhere.
    """
    return _of_onnx(path) if name == "onnx" else _of_transformers(path)


def _of_onnx(path: Path) -> list[Path]:
    if path.suffix != ".onnx":
        raise WeightsError(f"{path}: segmenter onnx wants a file NAME.onnx")
    check_file(path)
    return [path, *external_files(path)]


def _of_transformers(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise WeightsError(f"{folder}: no such folder")
    found = [folder / name for name in _WEIGHTS if (folder / name).is_file()]
    if not found:
        raise WeightsError(f"{folder}: holds neither {' nor '.join(_WEIGHTS)}")
    check_file(found[0])
    try:
        config = json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        config = None
    if not isinstance(config, dict) or not isinstance(config.get("model_type"), str):
        raise WeightsError(f"{folder / 'config.json'}: missing, or not a config of transformers")
    if "auto_map" in config:
        raise WeightsError(f"{folder}: its network is code of the folder's author, which is not run")
    if config.get("use_pretrained_backbone"):
        raise WeightsError(f"{folder}: its backbone is a file elsewhere (use_pretrained_backbone)")
    return [found[0], folder / "config.json"]
