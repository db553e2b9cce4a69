"""The one optimisation loop: θ* = argmin L(P(render(θ)), y)."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache, partial
from typing import Protocol

import torch
from torch import Tensor

from ganinvert.degradations import Degradation, Identity
from ganinvert.devices import autocast
from ganinvert.generators import Generator
from ganinvert.losses import PerceptualLoss, VGG16Features, pixel_loss
from ganinvert.methods import Code, Method
from ganinvert.settings import Objective, Optimization

logger = logging.getLogger(__name__)


class _Step(Protocol):
    def __call__(self, *, refresh: bool) -> tuple[Tensor, Tensor]: ...


@dataclass(frozen=True)
class Snapshot:
    """Where the loop stands after a step, for b images, on the CPU. From here it goes on to the same bits.

    Attributes:
        done: Steps done.
        losses: (done, b).
        tensors: (b, …) each: the code's parameters, Adam's moments, and the perceptual term's last value and gradient.
    """

    done: int
    losses: Tensor
    tensors: Mapping[str, Tensor]

    def image(self, n: int) -> Snapshot:
        """That of one image."""
        one = slice(n, n + 1)
        return Snapshot(
            self.done, self.losses[:, one].clone(), {name: value[one].clone() for name, value in self.tensors.items()}
        )

    @classmethod
    def stacked(cls, parts: Sequence[Snapshot]) -> Snapshot:
        """That of several images which are equally far."""
        names = parts[0].tensors
        return cls(
            parts[0].done,
            torch.cat([part.losses for part in parts], dim=1),
            {name: torch.cat([part.tensors[name] for part in parts]) for name in names},
        )


@dataclass(frozen=True)
class Step:
    """One step of the loop. The tensors stay on the device: reading a value is what costs a wait.

    Attributes:
        index: From 0.
        steps: How many there will be.
        loss: (b,), the objective of every image before this step; its perceptual term is that of the last refresh.
        pixel: (b,), its pixel term.
        snapshot: Copies where the loop stands, which makes the device wait.
    """

    index: int
    steps: int
    loss: Tensor
    pixel: Tensor
    snapshot: Callable[[], Snapshot]

    @property
    def psnr(self) -> Tensor:
        """(b,) in dB, of images that are not clamped: 10·log10(4 / pixel), since [-1, 1] spans 2."""
        return 10 * (4 / self.pixel).log10()


class Outcome(Enum):
    """How an optimisation of one image ended; the value is the sentence a person reads, "" when all is well."""

    GOOD = ""
    POOR = (
        "the result is far from the photo: it may show something this generator never learned, or not be aligned "
        "as its training images were; try more --steps, more codes (-K), or a generator of the photo's domain"
    )
    STALLED = "the optimisation has hardly moved: raise --steps or --lr, or use the default preset"
    NOT_FINITE = "the optimisation ran into values that are not finite: lower --lr, or use --dtype float32"


POOR_PSNR = 26.0
"""In dB; below it an inversion at 64 px looks washed out: unaligned faces, other motifs, too few steps."""


@dataclass(frozen=True)
class Solution:
    """What the loop found for b images.

    Attributes:
        code: The optimised variables.
        losses: (steps, b) on the CPU, the objective before every step.
        outcomes: One per image.
    """

    code: Code
    losses: Tensor
    outcomes: tuple[Outcome, ...]


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

    run = _captured(step, code, optimizer, y.device) if y.device.type == "cuda" else step
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
    return Solution(code, history, tuple(map(_outcome, history.T, final.cpu())))


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


def _captured(step: _Step, code: Code, optimizer: torch.optim.Adam, device: torch.device) -> _Step:
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


def _outcome(losses: Tensor, pixel: Tensor) -> Outcome:
    """Judge one image: its loss history (steps,) and its final pixel loss on [-1, 1]."""
    if not torch.isfinite(losses).all() or not torch.isfinite(pixel):
        return Outcome.NOT_FINITE
    if 10 * math.log10(4 / max(float(pixel), 1e-12)) >= POOR_PSNR:
        return Outcome.GOOD
    return Outcome.STALLED if float(losses[-1]) > 0.8 * float(losses[0]) else Outcome.POOR
