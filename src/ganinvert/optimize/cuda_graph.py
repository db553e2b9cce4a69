"""One step of the loop as a CUDA graph, which spares the device from waiting for Python."""

from __future__ import annotations

import logging
import warnings
from typing import Protocol

import torch
from torch import Tensor

from ganinvert.methods import Code

logger = logging.getLogger(__name__)


class StepFunction(Protocol):
    """One step of the loop."""

    def __call__(self, *, refresh: bool) -> tuple[Tensor, Tensor]:
        """Move the code; returns the objective and its pixel term, (b,) each."""


def captured(step: StepFunction, code: Code, optimizer: torch.optim.Optimizer, device: torch.device) -> StepFunction:
    """Record the whole step as CUDA graphs, one with and one without a refresh; if impossible, the eager step.

    Warming up and recording must not move anything: the rates are 0 then, and parameters and moments are put back.
    """
    saved = [parameter.detach().clone() for parameter in code.parameters()]
    graphs: dict[bool, tuple[torch.cuda.CUDAGraph, tuple[Tensor, Tensor]]] = {}
    with torch.cuda.device(device), warnings.catch_warnings():
        # Adam remarks that a capturable step runs uncaptured: it does so while warming up.
        warnings.filterwarnings("ignore", message=".*capturable=True")
        side = torch.cuda.Stream(device)
        side.wait_stream(torch.cuda.current_stream())
        try:
            with torch.cuda.stream(side):
                for refresh in (True, False, True):
                    step(refresh=refresh)
            torch.cuda.current_stream().wait_stream(side)
            for refresh in (True, False):
                graph = torch.cuda.CUDAGraph()
                # Replays never overlap and their results are copied at once, so both may use the same memory.
                pool = graphs[True][0].pool() if graphs else None
                with torch.cuda.graph(graph, pool=pool, stream=side):
                    result = step(refresh=refresh)
                graphs[refresh] = graph, result
        except RuntimeError as error:
            logger.info("the step runs eagerly, because it cannot be captured as a CUDA graph: %s", error)
            graphs.clear()
        torch.cuda.current_stream().wait_stream(side)
        with torch.no_grad():
            for parameter, value in zip(code.parameters(), saved, strict=True):
                parameter.copy_(value)
            for state in optimizer.state.values():
                for tensor in state.values():
                    tensor.zero_()
    if not graphs:
        return step

    def replay(*, refresh: bool) -> tuple[Tensor, Tensor]:
        graph, result = graphs[refresh]
        with torch.cuda.device(device):
            graph.replay()
        return result

    return replay
