"""Optimisers of the loop: making them, their rates, and their state as tensors of b images."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from ganinvert.methods import Code
from ganinvert.optimize.solution import Snapshot
from ganinvert.settings import Optimizer

_MOMENTS: Mapping[Optimizer, Mapping[str, str]] = {
    "adam": {"mean": "exp_avg", "square": "exp_avg_sq"},
    "rmsprop": {"square": "square_avg"},
    "sgd": {},
}
"""What each keeps of a parameter, which are (b, …) as it is; L-BFGS keeps what cannot be told apart by images."""
_LBFGS_SCALE = 1000.0
"""What torch's L-BFGS takes for no curvature does not depend on the scale of the objective, and ours are small."""


class CodeOptimizer:
    """Moves a code.

    Args:
        kind: Of the optimiser.
        code: Its parameters are moved, each at its own multiple of the rate.
        device: Where they are.
    """

    def __init__(self, kind: Optimizer, code: Code, device: torch.device) -> None:
        self.kind, self.code = kind, code
        self.optimizer = _made(kind, code, device)
        self.keeps_state = kind in _MOMENTS and not code.single_image_only

    def step(self, objective: Callable[[], Tensor]) -> None:
        """One step down the objective, a scalar."""

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
        """Set the learning rates, in place where a captured step knows them by their address."""
        for group in self.optimizer.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate * group["multiple"])
            else:
                group["lr"] = rate * group.get("multiple", 1.0)

    def forget(self) -> None:
        """Zero the moments, as they were before the first step."""
        for moments in self.optimizer.state.values():
            for value in moments.values():
                if isinstance(value, Tensor):
                    value.zero_()

    def state(self) -> dict[str, Tensor]:
        """Code and moments by name, as they live on the device."""
        state: dict[str, Tensor] = dict(self.code.named_buffers())
        for name, parameter in self.code.named_parameters():
            moments = self._moments(parameter)
            state[name] = parameter
            state |= {f"{name}.{ours}": moments[theirs] for ours, theirs in _MOMENTS[self.kind].items()}
        return state

    @torch.no_grad()
    def restore(self, snapshot: Snapshot, *, moved: int) -> None:
        """Go back to a snapshot, in place, because a captured step knows its tensors by their addresses.

        Args:
            snapshot: Of the same loop.
            moved: Steps since the moments were zero.
        """
        for name, live in self.state().items():
            live.copy_(snapshot.tensors[name])
        for moments in self.optimizer.state.values():
            if "step" in moments:
                moments["step"].fill_(moved)

    def _moments(self, parameter: Tensor) -> dict[str, Tensor]:
        """Those of a parameter; before the first step, as that would make them."""
        state: dict[str, Tensor] = self.optimizer.state[parameter]
        if not state and _MOMENTS[self.kind]:
            place = parameter.device if self.optimizer.defaults.get("capturable") else "cpu"
            state["step"] = torch.zeros((), device=place)
            state |= {theirs: torch.zeros_like(parameter) for theirs in _MOMENTS[self.kind].values()}
        return state


def is_captured(kind: Optimizer, code: Code, device: torch.device) -> bool:
    """Whether steps run as a CUDA graph, if they can."""
    return kind == "adam" and device.type == "cuda" and not code.single_image_only


def _made(kind: Optimizer, code: Code, device: torch.device) -> torch.optim.Optimizer:
    parameters = [parameter for parameter in code.parameters() if parameter.requires_grad]
    for parameter in parameters:
        parameter.grad = torch.zeros_like(parameter)
    if kind == "lbfgs":
        # One iteration a call, each with a whole line search.
        return torch.optim.LBFGS(
            parameters,
            max_iter=1,
            max_eval=25,
            tolerance_grad=0,
            tolerance_change=0,
            history_size=20,
            line_search_fn="strong_wolfe",
        )
    rates, captured = code.rates(), is_captured(kind, code, device)
    groups = [
        {
            "params": [parameter],
            "lr": torch.tensor(0.0, device=device) if captured else 0.0,
            "multiple": rates[name],
        }
        for name, parameter in code.named_parameters()
        if parameter.requires_grad
    ]
    if kind == "rmsprop":
        return torch.optim.RMSprop(groups)
    if kind == "sgd":
        return torch.optim.SGD(groups)
    return torch.optim.Adam(groups, betas=(0.9, 0.999), capturable=captured)
