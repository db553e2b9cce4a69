"""Optimisers of a code, their learning rates, and their state as tensors of b images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from ganinvert.methods import Code
from ganinvert.optimize.solution import Snapshot
from ganinvert.settings.common import Optimizer

_MOMENTS: Mapping[Optimizer, Mapping[str, str]] = {
    "adam": {"mean": "exp_avg", "square": "exp_avg_sq"},
    "rmsprop": {"square": "square_avg"},
    "sgd": {},
}
"""Moments of each parameter, shaped like it: our names and torch's. Those of L-BFGS cannot be split by image."""
_LBFGS_SCALE = 1000.0
"""Factor on the objective for torch's L-BFGS, whose threshold for no curvature is absolute and too large for ours."""


class CodeOptimizer:
    """Optimiser of a code, whose parameters have multiples of the learning rate of their own."""

    def __init__(self, kind: Optimizer, code: Code, device: torch.device) -> None:
        self.kind, self.code = kind, code
        self.optimizer = _create(kind, code, device)
        self.is_resumable = kind in _MOMENTS and not code.single_image_only

    def step(self, objective: Callable[[], Tensor]) -> None:
        """Take one step down the objective, a scalar."""

        def closure() -> Tensor:
            self.optimizer.zero_grad(set_to_none=False)
            loss = _LBFGS_SCALE * objective() if self.kind == "lbfgs" else objective()
            loss.backward()
            return loss

        if self.kind == "lbfgs":
            self.optimizer.step(closure)  # type: ignore[arg-type]  # torch takes the tensor as the number it is
        else:
            closure()
            self.optimizer.step()

    def set_rate(self, rate: float) -> None:
        """Set the learning rates, in place where a CUDA graph refers to them by address."""
        for group in self.optimizer.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate * group["multiple"])
            else:
                group["lr"] = rate * group.get("multiple", 1.0)

    def reset_moments(self) -> None:
        """Set the moments to 0, their value before the first step."""
        for moments in self.optimizer.state.values():
            for value in moments.values():
                if isinstance(value, Tensor):
                    value.zero_()

    def state(self) -> dict[str, Tensor]:
        """Return the code's tensors and their moments by name, on the device."""
        state: dict[str, Tensor] = dict(self.code.named_buffers())
        for name, parameter in self.code.named_parameters():
            moments = self._moments(parameter)
            state[name] = parameter
            state |= {f"{name}.{ours}": moments[theirs] for ours, theirs in _MOMENTS[self.kind].items()}
        return state

    @torch.no_grad()
    def restore(self, snapshot: Snapshot, *, steps: int) -> None:
        """Restore a snapshot of the same loop, so many steps after its moments were 0.

        It is restored in place, because a CUDA graph refers to tensors by address.
        """
        for name, tensor in self.state().items():
            tensor.copy_(snapshot.tensors[name])
        for moments in self.optimizer.state.values():
            if "step" in moments:
                moments["step"].fill_(steps)

    def _moments(self, parameter: Tensor) -> dict[str, Tensor]:
        """Return the moments of a parameter; create them, as the first step would, if there was none yet."""
        state: dict[str, Tensor] = self.optimizer.state[parameter]
        if not state and _MOMENTS[self.kind]:
            place = parameter.device if self.optimizer.defaults.get("capturable") else "cpu"
            state["step"] = torch.zeros((), device=place)
            state |= {theirs: torch.zeros_like(parameter) for theirs in _MOMENTS[self.kind].values()}
        return state


def uses_cuda_graph(kind: Optimizer, code: Code, device: torch.device) -> bool:
    """Return True if steps should be captured as a CUDA graph."""
    return kind == "adam" and device.type == "cuda" and not code.single_image_only


def _create(kind: Optimizer, code: Code, device: torch.device) -> torch.optim.Optimizer:
    parameters = [parameter for parameter in code.parameters() if parameter.requires_grad]
    for parameter in parameters:
        parameter.grad = torch.zeros_like(parameter)
    if kind == "lbfgs":
        # One iteration per call, each with a complete line search.
        wolfe: dict[str, Any] = {"max_eval": 25, "history_size": 20, "line_search_fn": "strong_wolfe"}
        return torch.optim.LBFGS(parameters, max_iter=1, tolerance_grad=0, tolerance_change=0, **wolfe)
    rates, captured = code.rates(), uses_cuda_graph(kind, code, device)
    groups = [
        {"params": [parameter], "lr": torch.tensor(0.0, device=device) if captured else 0.0, "multiple": rates[name]}
        for name, parameter in code.named_parameters()
        if parameter.requires_grad
    ]
    if kind == "adam":
        return torch.optim.Adam(groups, betas=(0.9, 0.999), capturable=captured)
    return torch.optim.RMSprop(groups) if kind == "rmsprop" else torch.optim.SGD(groups)
