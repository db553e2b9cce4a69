"""The objective that the loop minimises, for b images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache

import torch
from torch import Tensor

from ganinvert.generators import Generator
from ganinvert.losses import (
    absolute_loss,
    alexnet_loss,
    laplacian_loss,
    lpips_loss,
    perceptual_loss,
    pixel_loss,
)
from ganinvert.methods import Code
from ganinvert.optimize.targets import Target
from ganinvert.perception import ImageNetFeatures, vgg16
from ganinvert.settings import Objective


class ObjectiveFunction:
    """Objective of b images. Networks see the measurements once, when it is created.

    What is explained to its noise is explained well enough (the discrepancy principle, Morozov 1966): while the mean
    squared difference is below the variance of the noise, only the penalty of the code moves it.
    """

    def __init__(self, generator: Generator, target: Target, objective: Objective) -> None:
        self.generator, self.target, self.objective = generator, target, objective
        y = target.y
        self.laplacian = laplacian_loss(y) if objective.laplacian else None
        self.networks: list[tuple[float, Callable[[Tensor], Tensor]]] = []
        if objective.perceptual:
            self.networks.append((objective.perceptual, perceptual_loss(_vgg16(y.device), y)))
        if objective.alexnet:
            self.networks.append((objective.alexnet, alexnet_loss(y)))
        if objective.lpips:
            self.networks.append((objective.lpips, lpips_loss(y)))
        self.slope, self.value = torch.zeros_like(y), torch.zeros(len(y), device=y.device)

    def __call__(self, code: Code, *, refresh: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Return the loss to differentiate, the objective, and its pixel term, (b,) each.

        Loss terms with a network enter as a first-order expansion around an earlier image; `refresh` renews it around
        the current image, where value and gradient are exact.
        """
        target = self.target
        x = (code.render(self.generator, target.view) if target.view else code.render(self.generator)).float()
        degraded = target.degrade(x)
        pixel = pixel_loss(degraded, target.y) / target.coverage
        if target.noise:
            unexplained = (pixel > target.noise**2).view(-1, 1, 1, 1)
            degraded = torch.where(unexplained, degraded, degraded.detach())
            pixel = pixel_loss(degraded, target.y) / target.coverage
        surrogate = self.objective.pixel * pixel
        if self.objective.absolute:
            surrogate = surrogate + self.objective.absolute * absolute_loss(degraded, target.y) / target.coverage
        if self.laplacian is not None:
            surrogate = surrogate + self.objective.laplacian * self.laplacian(degraded) / target.coverage
        if (penalty := code.penalty(self.generator, x)) is not None:
            surrogate = surrogate + penalty
        if not self.networks:
            return surrogate, surrogate.detach(), pixel.detach()
        if refresh:
            self._refresh(degraded)
        loss = surrogate.detach() + self.value
        expansion = ((degraded - degraded.detach()) * self.slope).flatten(1).sum(dim=1) + self.value
        return surrogate + expansion, loss, pixel.detach()

    def _refresh(self, degraded: Tensor) -> None:
        image = degraded.detach().requires_grad_()
        value = torch.stack([weight * term(image).float() for weight, term in self.networks]).sum(dim=0)
        self.slope.copy_(torch.autograd.grad(value.sum(), image)[0])
        self.value.copy_(value.detach())


def state_of(objectives: Sequence[ObjectiveFunction]) -> dict[str, Tensor]:
    """Return the tensors, on the device, that the next steps of one or more objectives depend on."""
    first, *others = ({"slope": each.slope, "value": each.value} for each in objectives)
    return first | {f"{name}{n}": value for n, each in enumerate(others, 1) for name, value in each.items()}


def restore(objectives: Sequence[ObjectiveFunction], tensors: Mapping[str, Tensor]) -> None:
    """Restore a state in place."""
    for name, tensor in state_of(objectives).items():
        tensor.copy_(tensors[name])


@cache
@torch.inference_mode(False)
def _vgg16(device: torch.device) -> ImageNetFeatures:
    return vgg16().to(device)
