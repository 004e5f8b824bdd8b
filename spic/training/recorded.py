"""Steps of a training recorded as CUDA graphs.

A step of the second stage launches some 5 000 kernels, most of them small, and on one H200 the processor needed
0.24 s to launch what took the card 0.10 s. Recorded once and replayed, they are one launch.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch

WARM = 3  # steps before a recording: libraries choose their algorithms in them, optimizers make their state


@dataclass(frozen=True)
class Staged:
    """A training step in two stages, so that the second one can be recorded.

    Attributes
    ----------
    draw : callable
        Given the random generator of the step and its number, returns a dict of tensors on the device: all that is
        random or differs from step to step.
    losses : callable
        Given these tensors by name, returns a dict of scalar tensors. Works on the device alone: it neither waits for a
        number nor brings one there, and which operations it runs depends on the tensors' shapes alone: not on values,
        on the step, or on anything that changes in Python.
    """

    draw: Callable
    losses: Callable

    def __call__(self, rng, step: int) -> dict:
        return self.losses(**self.draw(rng, step))


class Recorded:
    """Work on a CUDA device, recorded for each set of shapes of its inputs after a few calls, then replayed.

    Each recording keeps the memory that the work needs.

    Parameters
    ----------
    work : callable
        Given tensors by name returns a tensor. It may change, in place, tensors that exist before and after (weights,
        buffers).
    device : torch.device
        Where it works.
    """

    def __init__(self, work: Callable, device):
        self.work, self.device, self.calls, self.graphs = work, device, {}, {}
        self.stream = torch.cuda.Stream(device)

    def __call__(self, inputs: dict) -> torch.Tensor:
        with torch.cuda.device(self.device):
            return self._done(inputs)

    def _done(self, inputs):
        key = tuple((name, tuple(x.shape), x.dtype) for name, x in inputs.items())
        if key not in self.graphs:
            self.calls[key] = self.calls.get(key, 0) + 1
            if self.calls[key] <= WARM:
                return self._aside(inputs)
            self.graphs[key] = self._record(inputs)
        graph, held, result = self.graphs[key]
        for name, x in inputs.items():
            held[name].copy_(x)
        graph.replay()
        return result.clone()

    def _aside(self, inputs):
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream), warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*capturable=True.*")  # of optimizers: these steps are not recorded yet
            result = self.work(**inputs)
        torch.cuda.current_stream().wait_stream(self.stream)
        return result

    def _record(self, inputs):
        held, graph = {name: x.clone() for name, x in inputs.items()}, torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=self.stream):
            result = self.work(**held)
        return graph, held, result
