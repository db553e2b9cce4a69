"""The one optimisation loop: θ* = argmin L(P(render(θ)), y)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial

import torch
from torch import Tensor

from ganinvert.degradations import Degradation, Identity
from ganinvert.devices import autocast
from ganinvert.generators import Generator
from ganinvert.losses import PerceptualLoss, VGG16Features, pixel_loss
from ganinvert.methods import Code, Method
from ganinvert.optimize.capture import captured
from ganinvert.optimize.records import Snapshot, Solution, Step, judge
from ganinvert.settings import Objective, Optimization


def solve(
    generator: Generator,
    y: Tensor,
    *,
    method: Method,
    degradation: Degradation | None = None,
    objective: Objective | None = None,
    optimization: Optimization | None = None,
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
    resume: Snapshot | None = None,
    callback: Callable[[Step], None] | None = None,
) -> Solution:
    """Find the codes whose images explain the measurements.

    Losses are summed over images, so that no image's result depends on its neighbours.

    Args:
        generator: Frozen, on the device to compute on.
        y: Measurements, (b, 3, r, r) in [-1, 1] for the identity, on the same device.
        method: What is optimised.
        degradation: P; the identity by default.
        objective: Weights of the loss terms.
        optimization: Steps and learning rates.
        dtype: What convolutions compute in; variables, losses and Adam's moments are float32.
        seed: Of the start.
        resume: Where an earlier loop of the same arguments stood; it goes on from there.
        callback: Called after every step; an exception it raises ends the loop.
    """
    degradation = degradation or Identity()
    objective = objective or Objective()
    optimization = optimization or Optimization()
    with autocast(y.device, dtype):
        code = method.start(generator, y, degradation, seed=seed)
        evaluate = _Evaluation(generator, y, degradation, objective)
    optimizer = _adam(code, y.device)

    def step(*, refresh: bool) -> tuple[Tensor, Tensor]:
        with autocast(y.device, dtype):
            surrogate, loss, pixel = evaluate(code, refresh=refresh)
        optimizer.zero_grad(set_to_none=False)
        surrogate.sum().backward()
        optimizer.step()
        code.retract()
        return loss, pixel

    run = captured(step, code, optimizer, y.device) if y.device.type == "cuda" else step
    losses = torch.empty(optimization.steps, len(y), device=y.device)
    state = _state(code, optimizer, evaluate)
    if resume is not None:
        losses[: resume.done] = resume.losses.to(y.device)
        _restore(state, optimizer, resume)

    def snapshot(done: int) -> Snapshot:
        return Snapshot(done, losses[:done].cpu(), {name: live.detach().cpu().clone() for name, live in state.items()})

    for index in range(resume.done if resume is not None else 0, optimization.steps):
        _set_rates(optimizer, optimization.rate(index))
        losses[index], pixel = run(refresh=index % objective.perceptual_every == 0)
        if callback is not None:
            callback(Step(index, optimization.steps, losses[index], pixel.clone(), partial(snapshot, index + 1)))
    with torch.no_grad(), autocast(y.device, dtype):
        final = pixel_loss(degradation(code.render(generator).float()), y) / degradation.coverage(y)
    history = losses.cpu()
    return Solution(code, history, tuple(map(judge, history.T, final.cpu())))


class _Evaluation:
    """The objective of b images. V(y) is computed here, once."""

    def __init__(self, generator: Generator, y: Tensor, degradation: Degradation, objective: Objective) -> None:
        self.generator, self.y, self.degradation, self.objective = generator, y, degradation, objective
        self.coverage = degradation.coverage(y)
        self.perceptual = PerceptualLoss(_vgg16(y.device), y) if objective.perceptual else None
        self.slope, self.value = torch.zeros_like(y), torch.zeros(len(y), device=y.device)

    def __call__(self, code: Code, *, refresh: bool) -> tuple[Tensor, Tensor, Tensor]:
        """What to differentiate, the objective and its pixel term, (b,) each.

        The perceptual term enters as its first-order expansion around an image; `refresh` makes that the current
        image, where value and gradient are exact.
        """
        shown = self.degradation(code.render(self.generator).float())
        pixel = pixel_loss(shown, self.y) / self.coverage
        surrogate = self.objective.pixel * pixel
        if self.perceptual is None:
            return surrogate, surrogate.detach(), pixel.detach()
        if refresh:
            image = shown.detach().requires_grad_()
            value = self.perceptual(image).float()
            self.slope.copy_(torch.autograd.grad(value.sum(), image)[0])
            self.value.copy_(value.detach())
        loss = surrogate.detach() + self.objective.perceptual * self.value
        return surrogate + self.objective.perceptual * (shown * self.slope).flatten(1).sum(dim=1), loss, pixel.detach()


@cache
def _vgg16(device: torch.device) -> VGG16Features:
    return VGG16Features().to(device)


def _adam(code: Code, device: torch.device) -> torch.optim.Adam:
    rates = code.rates()
    on_gpu = device.type == "cuda"
    groups = [
        {
            "params": [parameter],
            "lr": torch.tensor(0.0, device=device) if on_gpu else 0.0,
            "multiple": rates[name],
        }
        for name, parameter in code.named_parameters()
    ]
    for parameter in code.parameters():
        parameter.grad = torch.zeros_like(parameter)
    return torch.optim.Adam(groups, betas=(0.9, 0.999), capturable=on_gpu)


def _state(code: Code, optimizer: torch.optim.Adam, evaluation: _Evaluation) -> dict[str, Tensor]:
    """All that one step hands to the next, by name, as it lives on the device."""
    state = {"slope": evaluation.slope, "value": evaluation.value}
    for name, parameter in code.named_parameters():
        if not optimizer.state[parameter]:  # as Adam's first step would make it
            place = parameter.device if optimizer.defaults["capturable"] else "cpu"
            optimizer.state[parameter] = {
                "step": torch.zeros((), device=place),
                "exp_avg": torch.zeros_like(parameter),
                "exp_avg_sq": torch.zeros_like(parameter),
            }
        moments = optimizer.state[parameter]
        state |= {name: parameter, f"{name}.mean": moments["exp_avg"], f"{name}.square": moments["exp_avg_sq"]}
    return state


@torch.no_grad()
def _restore(state: Mapping[str, Tensor], optimizer: torch.optim.Adam, snapshot: Snapshot) -> None:
    """In place, because a captured step knows its tensors by their addresses."""
    for name, live in state.items():
        live.copy_(snapshot.tensors[name])
    for moments in optimizer.state.values():
        moments["step"].fill_(snapshot.done)


def _set_rates(optimizer: torch.optim.Adam, rate: float) -> None:
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate * group["multiple"])
        else:
            group["lr"] = rate * group["multiple"]
