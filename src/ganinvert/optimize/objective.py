"""The objective of b images and its gradient."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

import torch
from torch import Tensor

from ganinvert.degradations import Degradation
from ganinvert.generators import Generator
from ganinvert.losses import (
    AlexNetLoss,
    LaplacianLoss,
    LpipsLoss,
    PerceptualLoss,
    VGG16Features,
    absolute_loss,
    pixel_loss,
)
from ganinvert.methods import Code
from ganinvert.settings import Objective


class ObjectiveFunction:
    """The objective of b images. What networks make of the measurements is computed here, once.

    Args:
        generator: Frozen.
        y: Measurements of b images.
        degradation: What made them.
        objective: Weights of the terms.
    """

    def __init__(self, generator: Generator, y: Tensor, degradation: Degradation, objective: Objective) -> None:
        self.generator, self.y, self.degradation, self.objective = generator, y, degradation, objective
        self.coverage = degradation.coverage(y)
        self.laplacian = LaplacianLoss(y) if objective.laplacian else None
        self.networks: list[tuple[float, Callable[[Tensor], Tensor]]] = []
        if objective.perceptual:
            self.networks.append((objective.perceptual, PerceptualLoss(_vgg16(y.device), y)))
        if objective.alexnet:
            self.networks.append((objective.alexnet, AlexNetLoss(y)))
        if objective.lpips:
            self.networks.append((objective.lpips, LpipsLoss(y)))
        self.slope, self.value = torch.zeros_like(y), torch.zeros(len(y), device=y.device)

    def __call__(self, code: Code, *, refresh: bool) -> tuple[Tensor, Tensor, Tensor]:
        """What to differentiate, the objective and its pixel term, (b,) each.

        The terms with a network enter as their first-order expansion around an image; `refresh` makes that the
        current image, where value and gradient are exact.
        """
        x = code.render(self.generator).float()
        shown = self.degradation(x)
        pixel = pixel_loss(shown, self.y) / self.coverage
        surrogate = self.objective.pixel * pixel
        if self.objective.absolute:
            surrogate = surrogate + self.objective.absolute * absolute_loss(shown, self.y) / self.coverage
        if self.laplacian is not None:
            surrogate = surrogate + self.objective.laplacian * self.laplacian(shown) / self.coverage
        if (penalty := code.penalty(self.generator, x)) is not None:
            surrogate = surrogate + penalty
        if not self.networks:
            return surrogate, surrogate.detach(), pixel.detach()
        if refresh:
            self._refresh(shown)
        loss = surrogate.detach() + self.value
        expansion = ((shown - shown.detach()) * self.slope).flatten(1).sum(dim=1) + self.value
        return surrogate + expansion, loss, pixel.detach()

    def state(self) -> dict[str, Tensor]:
        """What one step hands to the next, as it lives on the device."""
        return {"slope": self.slope, "value": self.value}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Go back to what `state` told."""
        for name, live in self.state().items():
            live.copy_(tensors[name])

    def _refresh(self, shown: Tensor) -> None:
        image = shown.detach().requires_grad_()
        value = torch.stack([weight * term(image).float() for weight, term in self.networks]).sum(dim=0)
        self.slope.copy_(torch.autograd.grad(value.sum(), image)[0])
        self.value.copy_(value.detach())


@cache
def _vgg16(device: torch.device) -> VGG16Features:
    return VGG16Features().to(device)
