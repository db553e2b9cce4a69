"""Loss terms of the optimisation. Every loss returns one value per image, (b,)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ganinvert.perception import ImageNetFeatures, lpips_network, lpips_vectors, side_for_alexnet

COARSEST = 8
"""Side in pixels at which a Laplacian pyramid ends; larger images have more levels. No source gives a depth."""
ORIENTATIONS = 8
"""Number of orientations, over half a turn, in a histogram of gradients."""
FAINTEST = 0.05
"""Gradient, per pixel of images in [-1, 1], below which the histograms of a cell fade."""


def pixel_loss(x: Tensor, y: Tensor) -> Tensor:
    """Compute the mean squared difference per image: (b, …), (b, …) → (b,)."""
    return (x - y).square().flatten(1).mean(dim=1)


def absolute_loss(x: Tensor, y: Tensor) -> Tensor:
    """Compute the mean absolute difference per image: (b, …), (b, …) → (b,)."""
    return (x - y).abs().flatten(1).mean(dim=1)


class TargetLoss:
    """Loss of images against target images (b, 3, h, w) in [-1, 1], or gray ones (b, 1, h, w).

    `distance` compares what `features` computes, to losses (b,); the target's features are computed once.
    """

    def __init__(self, features: Callable[[Tensor], Any], distance: Callable[[Any, Any], Tensor], target: Tensor):
        self.features, self.distance = features, distance
        with torch.no_grad():
            self.target = features(target)

    def __call__(self, image: Tensor) -> Tensor:
        """Map images shaped like the target to losses (b,)."""
        return self.distance(self.features(image), self.target)


def perceptual_loss(network: ImageNetFeatures, target: Tensor) -> TargetLoss:
    """Mean absolute difference of the network's last features, in single precision under autocast."""

    def distance(x: Tensor, y: Tensor) -> Tensor:
        return F.l1_loss(x, y, reduction="none").flatten(1).mean(dim=1)

    return TargetLoss(lambda image: network(image)[-1], distance, target)


def alexnet_loss(target: Tensor) -> TargetLoss:
    """Mean squared difference of AlexNet's relu4 features (Zhu et al. 2016)."""
    network, _ = lpips_network("alex", target.device)
    return TargetLoss(lambda image: network(image, side_for_alexnet(image))[3].float(), pixel_loss, target)


def lpips_loss(target: Tensor) -> TargetLoss:
    """LPIPS (AlexNet)."""
    return TargetLoss(lpips_vectors, lambda x, y: (x - y).square().sum(dim=1), target)


def laplacian_loss(target: Tensor) -> TargetLoss:
    """Mean absolute difference, summed over the levels of the Laplacian pyramid.

    Fine detail, which counts little in a mean over pixels, weighs as much as coarse shape. Levels are Burt and
    Adelson's (1983): the details that blurring and halving loses, from full size to `COARSEST`, and the residual image.
    """
    line = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0], device=target.device) / 16
    kernel = torch.outer(line, line)[None, None]

    def blur(x: Tensor) -> Tensor:
        padded = F.pad(x, (2, 2, 2, 2), mode="reflect")
        return F.conv2d(padded, kernel.expand(x.shape[1], -1, -1, -1), groups=x.shape[1])

    def levels(image: Tensor) -> list[Tensor]:
        details = []
        with torch.autocast(image.device.type, enabled=False):  # half precision would lose the fine detail
            x = image.float()
            while min(x.shape[-2:]) >= 2 * COARSEST:
                smaller = blur(x)[..., ::2, ::2]
                larger = torch.zeros_like(x)
                larger[..., ::2, ::2] = 4 * smaller
                details.append(x - blur(larger))
                x = smaller
        return [*details, x]

    def distance(x: list[Tensor], y: list[Tensor]) -> Tensor:
        return torch.stack([absolute_loss(a, b) for a, b in zip(x, y, strict=True)]).sum(0)

    return TargetLoss(levels, distance, target)


def sketch_loss(ink: Tensor) -> Callable[[Tensor], Tensor]:
    """Mean squared difference to the edges of a sketch, in the cells that its strokes touch.

    Edges are histograms of gradients' orientations, as the sketching brush of Zhu et al. (2016, section 4.1) compares
    them: `ORIENTATIONS` of them in cells of 1/16 of the side, divided by their length in the 3×3 cells around.

    Args:
        ink: Opacity of the strokes, (b, 1, h, w) in [0, 1]; dark lines and bright ones have the same orientations.

    Returns:
        A function from images (b, 3, h, w) in [-1, 1] to losses (b,).
    """
    cell = max(2, ink.shape[-1] // 16)
    touched = F.avg_pool2d(ink, cell) > 0
    wanted = _orientations(ink, cell)
    return lambda x: (
        ((_orientations(x.mean(dim=1, keepdim=True), cell) - wanted).square() * touched).sum(dim=(1, 2, 3))
        / touched.sum(dim=(1, 2, 3))
    )


def _orientations(gray: Tensor, cell: int) -> Tensor:
    """Histograms (b, orientations, h/cell, w/cell) of gradients of images (b, 1, h, w).

    A gradient (u, v) = m (cos φ, sin φ) votes for the angle θ with m² max(0, cos 2(φ - θ)), which has a derivative
    also where m = 0.
    """
    padded = F.pad(gray.float(), (1, 1, 1, 1), mode="replicate")
    u = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    v = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    twice = 2 * torch.pi * torch.arange(ORIENTATIONS, device=gray.device)[:, None, None] / ORIENTATIONS
    votes = ((u.square() - v.square()) * twice.cos() + 2 * u * v * twice.sin()).relu()
    histograms = F.avg_pool2d(votes, cell)
    around = F.avg_pool2d(histograms.square().sum(dim=1, keepdim=True), 3, 1, padding=1, count_include_pad=False)
    return histograms / (around + FAINTEST**4).sqrt()
