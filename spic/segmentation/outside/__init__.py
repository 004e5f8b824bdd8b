"""Segmenters from files: an ONNX file, or a folder of Hugging Face's transformers, each with a YAML sheet beside it.

Nothing loads until a network is asked for; `describe` reads the sheet alone, so that a run is refused before its first
job where something is missing.
"""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from spic.errors import ConfigError, WeightsError
from spic.plugins import install
from spic.segmentation.info import SegmenterInfo
from spic.segmentation.outside.files import files_of
from spic.segmentation.outside.sheet import read_sheet, sheet_path

_LIBRARIES = {"onnx": "onnxruntime", "transformers": "transformers"}  # each is in the extra of the segmenter's name


class Outside:
    """Makes the segmenter `onnx` or `transformers`, and says what is known of it before."""

    def __init__(self, name: str):
        self.name = name

    def __call__(self, weights=None, **settings):
        """Load it: arguments as for `spic.segmentation.outside.base.FileSegmenter`."""
        self.describe(weights)
        module = import_module(f"spic.segmentation.outside.{self.name}_network")
        return module.Segmenter(Path(weights), **settings)

    def describe(self, weights=None) -> SegmenterInfo:
        """Its files, label space and sizes.

        Raises
        ------
        ConfigError
            The library is not installed; the message names the extra.
        WeightsError
            The file or folder or its sheet is missing or wrong.
        """
        if find_spec(_LIBRARIES[self.name]) is None:
            raise ConfigError(f"segmenter {self.name} needs {_LIBRARIES[self.name]}: {install(self.name)}")
        if weights is None:
            kind = "an ONNX file" if self.name == "onnx" else "a folder of transformers"
            raise WeightsError(f"segmenter {self.name} has no shipped weights: name {kind} (docs/segmenters.md)")
        path = Path(weights)
        files = files_of(self.name, path)
        sheet = read_sheet(path)
        inputs = ("native", "working") if sheet.size else ("working",)
        return SegmenterInfo(files[0], sheet.space, inputs, (*files[1:], sheet_path(path)))
