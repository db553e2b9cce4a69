"""Optimisers of a code, their learning rates, and their state as tensors of b images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from itertools import chain
from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.rmsprop import rmsprop

from ganinvert.methods import Code
from ganinvert.optimize.solution import Snapshot
from ganinvert.settings.common import Optimizer

_MOMENTS: Mapping[Optimizer, tuple[str, ...]] = {"adam": ("mean", "square"), "rmsprop": ("square",), "sgd": ()}
"""Moments of each parameter, shaped like it. Those of L-BFGS cannot be split by image."""
_LBFGS_SCALE = 1000.0
"""Factor on the objective for torch's L-BFGS, whose threshold for no curvature is absolute and too large for ours."""


class CodeOptimizer:
    """Optimiser of a code, whose parameters have multiples of the learning rate of their own.

    All but L-BFGS are torch's functions: its classes import torch.compile, which takes as long as the rest of torch.
    """

    def __init__(self, kind: Optimizer, code: Code, device: torch.device) -> None:
        self.kind, self.code = kind, code
        self.is_resumable = kind in _MOMENTS and not code.single_image_only
        self.uses_graph = uses_cuda_graph(kind, code, device)
        self._parameters = {name: each for name, each in code.named_parameters() if each.requires_grad}
        self._multiples = code.rates()
        self._moments = {
            name: [torch.zeros_like(each) for _ in _MOMENTS.get(kind, ())] for name, each in self._parameters.items()
        }
        scalar = partial(torch.zeros, (), dtype=torch.float32, device=device if self.uses_graph else "cpu")
        self._steps = {name: scalar() for name in self._parameters}
        self._rates: dict[str, float | Tensor] = {
            name: scalar() if self.uses_graph else 0.0 for name in self._parameters
        }
        for each in self._parameters.values():
            each.grad = torch.zeros_like(each)
        self._lbfgs = _lbfgs(list(self._parameters.values())) if kind == "lbfgs" else None

    def step(self, objective: Callable[[], Tensor]) -> None:
        """Take one step down the objective, a scalar."""

        def closure() -> Tensor:
            for parameter in self._parameters.values():
                assert parameter.grad is not None
                parameter.grad.zero_()
            loss = _LBFGS_SCALE * objective() if self._lbfgs else objective()
            loss.backward()
            return loss

        if self._lbfgs:
            self._lbfgs.step(closure)
            return
        closure()
        with torch.no_grad():
            for name in self._parameters:
                self._move(name)

    def _move(self, name: str) -> None:
        parameter, moments, rate = self._parameters[name], self._moments[name], self._rates[name]
        gradient, steps = parameter.grad, [self._steps[name]]
        assert gradient is not None
        common: dict[str, Any] = {"lr": rate, "eps": 1e-8, "weight_decay": 0.0, "maximize": False}
        if self.kind == "adam":
            mean, square = ([moment] for moment in moments)
            common |= {"beta1": 0.9, "beta2": 0.999, "amsgrad": False}
            adam([parameter], [gradient], mean, square, [], steps, capturable=self.uses_graph, **common)
        elif self.kind == "rmsprop":
            common |= {"alpha": 0.99, "momentum": 0.0, "centered": False}
            rmsprop([parameter], [gradient], moments, [], [], steps, **common)
        else:
            parameter.sub_(gradient, alpha=float(rate))

    def set_rate(self, rate: float) -> None:
        """Set the learning rates, in place where a CUDA graph refers to them by address."""
        for name, own in self._rates.items():
            if isinstance(own, Tensor):
                own.fill_(rate * self._multiples[name])
            else:
                self._rates[name] = rate * self._multiples[name]
        if self._lbfgs:
            self._lbfgs.param_groups[0]["lr"] = rate

    def reset_moments(self) -> None:
        """Set the moments to 0, their value before the first step."""
        for value in chain(self._steps.values(), *self._moments.values()):
            value.zero_()
        if self._lbfgs:
            self._lbfgs.state.clear()

    def state(self) -> dict[str, Tensor]:
        """Return the code's tensors and their moments by name, on the device."""
        state: dict[str, Tensor] = {**dict(self.code.named_buffers()), **dict(self.code.named_parameters())}
        for name, moments in self._moments.items():
            state |= {f"{name}.{moment}": each for moment, each in zip(_MOMENTS[self.kind], moments, strict=True)}
        return state

    @torch.no_grad()
    def restore(self, snapshot: Snapshot, *, steps: int) -> None:
        """Restore a snapshot of the same loop, so many steps after its moments were 0.

        It is restored in place, because a CUDA graph refers to tensors by address.
        """
        for name, tensor in self.state().items():
            tensor.copy_(snapshot.tensors[name])
        for count in self._steps.values():
            count.fill_(steps)


def uses_cuda_graph(kind: Optimizer, code: Code, device: torch.device) -> bool:
    """Return True if steps should be captured as a CUDA graph."""
    return kind == "adam" and device.type == "cuda" and not code.single_image_only


def _lbfgs(parameters: list[Tensor]) -> torch.optim.LBFGS:
    """One iteration per call, each with a complete line search."""
    wolfe: dict[str, Any] = {"max_eval": 25, "history_size": 20, "line_search_fn": "strong_wolfe"}
    return torch.optim.LBFGS(parameters, max_iter=1, tolerance_grad=0, tolerance_change=0, **wolfe)
