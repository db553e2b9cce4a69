"""Capture a step of the loop as a CUDA graph, so that the device never waits for Python."""

from __future__ import annotations

import logging
from collections.abc import Callable
from itertools import product
from typing import Protocol

import torch
from torch import Tensor

from ganinvert.methods import Code

logger = logging.getLogger(__name__)


class StepFunction(Protocol):
    """One step of the loop."""

    def __call__(self, target: int, *, refresh: bool) -> tuple[Tensor, Tensor]:
        """Move the code towards a target, and return the objective and its pixel term, (b,) each."""


def capture(
    step: StepFunction, code: Code, reset: Callable[[], None], device: torch.device, *, targets: int = 1
) -> StepFunction:
    """Capture a step as two CUDA graphs per target, with and without a refresh.

    Return the eager step if that is impossible.

    Warming up and capturing move nothing: the learning rates must be 0, parameters are restored, and `reset` sets the
    moments to 0.
    """
    saved = [parameter.detach().clone() for parameter in code.parameters()]
    graphs: dict[tuple[int, bool], tuple[torch.cuda.CUDAGraph, tuple[Tensor, Tensor]]] = {}
    with torch.cuda.device(device):
        side = torch.cuda.Stream(device)
        side.wait_stream(torch.cuda.current_stream())
        try:
            with torch.cuda.stream(side):
                for target, refresh in product(range(targets), (True, False, True)):
                    step(target, refresh=refresh)
            torch.cuda.current_stream().wait_stream(side)
            for target, refresh in product(range(targets), (True, False)):
                graph = torch.cuda.CUDAGraph()
                # Replays never overlap and their results are copied at once, so all graphs share memory.
                pool = graphs[0, True][0].pool() if graphs else None
                with torch.cuda.graph(graph, pool=pool, stream=side):
                    result = step(target, refresh=refresh)
                graphs[target, refresh] = graph, result
        except RuntimeError as error:
            logger.info("steps run eagerly, because they cannot be captured as a CUDA graph: %s", error)
            graphs.clear()
        torch.cuda.current_stream().wait_stream(side)
        with torch.no_grad():
            for parameter, value in zip(code.parameters(), saved, strict=True):
                parameter.copy_(value)
            reset()
    if not graphs:
        return step

    def replay(target: int, *, refresh: bool) -> tuple[Tensor, Tensor]:
        graph, result = graphs[target, refresh]
        with torch.cuda.device(device):
            graph.replay()
        return result

    return replay
