"""The segmenter `onnx`: a network of an ONNX file, run by onnxruntime."""

import re

import onnxruntime
import torch

from spic.errors import WeightsError, memory_shortage
from spic.segmentation.outside.base import FileSegmenter
from spic.segmentation.outside.files import files_of


class Segmenter(FileSegmenter):
    """One input, float32 (N, 3, H, W); the first output is scores (N, classes, h, w) or ids (N, h, w)."""

    def __init__(self, weights, **settings):
        super().__init__(weights, **settings)
        files_of("onnx", weights)  # before onnxruntime opens what the file names
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # what goes wrong comes as an exception
        options.intra_op_num_threads, options.inter_op_num_threads = torch.get_num_threads(), 1
        wanted = ["CUDAExecutionProvider"] * self.device.startswith("cuda")
        providers = [name for name in wanted if name in onnxruntime.get_available_providers()]
        providers.append("CPUExecutionProvider")
        self.session = self._ask(lambda: onnxruntime.InferenceSession(str(weights), options, providers=providers))
        self._check()

    def _check(self) -> None:
        """`WeightsError` where the file already says that it does not fit: input, size, number of classes."""
        inputs, output = self.session.get_inputs(), self.session.get_outputs()[0]
        if len(inputs) != 1 or inputs[0].type != "tensor(float)" or len(inputs[0].shape) != 4:
            told = " and ".join(f"{one.type} {one.shape}" for one in inputs) or "nothing"
            raise WeightsError(f"{self.path}: takes {told}, not one tensor(float) [N, 3, height, width]")
        batch, channels, *sides = inputs[0].shape
        if not _may_be(batch, 1) or not _may_be(channels, 3):
            raise WeightsError(f"{self.path}: takes {inputs[0].shape}, not one image of three channels at a time")
        if any(isinstance(side, int) for side in sides) and self.size is None:
            raise WeightsError(
                f"{self.path}: takes {sides} alone, not images as they come: say so by `size` in its sheet"
            )
        if self.size and not all(map(_may_be, sides, self.size)):
            raise WeightsError(f"{self.path}: takes {sides}, its sheet says {list(self.size)}")
        if "float" in output.type and len(output.shape) == 4 and isinstance(output.shape[1], int):
            self.check_classes(output.shape[1])

    def scores(self, x):
        name = self.session.get_inputs()[0].name
        found = torch.from_numpy(self._ask(lambda: self.session.run(None, {name: x.cpu().numpy()}))[0])
        return found[:, 0] if found.ndim == 4 and not found.is_floating_point() else found

    def _ask(self, call):
        try:
            return call()
        except Exception as error:  # onnxruntime's have no base of their own
            raise WeightsError(f"{self.path}: {memory_shortage(error) or _reason(error)}") from None


def _may_be(side, wanted: int) -> bool:
    """Whether a side in the file, a number or a name that stands for any, can be that long."""
    return not isinstance(side, int) or side == wanted


def _reason(error: Exception) -> str:
    """onnxruntime's complaint without its codes, source files and line breaks."""
    text = " ".join(str(error).split())
    text = re.sub(r"\[ONNXRuntimeError\] : \d+ : \w+ : |Load model from \S+ failed:|\S+\.(cc|h):\d+ \S.*?\) ", "", text)
    return f"onnxruntime cannot run it ({text[:200]})"
