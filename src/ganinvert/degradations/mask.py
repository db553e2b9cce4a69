"""Missing pixels: the P of inpainting."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ganinvert.degradations.base import Degradation, Part
from ganinvert.generators import Window

SEAM = 1 / 16
"""Depth to which the seam is blended into a hole, as a share of the image's side."""
ITERATIONS = 500


class Mask(Degradation):
    """Mask that keeps the known pixels and sets the others to 0, middle gray.

    Args:
        known: True at known pixels; (b, 1, r, r), or (1, 1, r, r) for all images alike.
    """

    known: Tensor

    def __init__(self, known: Tensor) -> None:
        super().__init__()
        self.register_buffer("known", known.bool(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the known pixels, and set the others to 0."""
        return x * self.known.to(x)

    def project(self, x: Tensor, y: Tensor) -> Tensor:
        """Keep the known pixels of `y`, fill the holes with `x`, and blend the seam.

        The error of `x` at a hole's border is continued into the hole, fading over `SEAM` of the image's side, by the
        screened Poisson equation (Δ - 1/s²) e = 0 with e = y - x at known pixels. Far from them `x` does not change.
        """
        return blend_seam(x, y, self.known.to(x.device), SEAM * x.shape[-1])

    def guess(self, y: Tensor) -> Tensor:
        """Fill the holes with the mean colour of the known pixels, and blend the seam."""
        known = self.known.to(y)
        mean = (y * known).sum(dim=(2, 3), keepdim=True) / known.sum(dim=(2, 3), keepdim=True).clamp(min=1)
        return self.project(mean.expand_as(y), y)

    def coverage(self, y: Tensor) -> Tensor:
        """Compute the share of known pixels."""
        return self.known.to(y).mean(dim=(1, 2, 3)).expand(len(y))

    def of(self, n: int) -> Degradation:
        """The mask of image n, or of all images alike."""
        return Mask(self.known[n : n + 1]) if len(self.known) > 1 else self

    def coarse(self, y: Tensor, resolution: int, side: int) -> tuple[Tensor, Callable[[Tensor], Tensor]]:  # noqa: ARG002
        """Averages of the known pixels, and the shares of known pixels as weights."""
        shares = F.adaptive_avg_pool2d(self.known.to(y), side)
        return F.adaptive_avg_pool2d(y, side), lambda x: x * shares

    def part(self, window: Window, resolution: int) -> Part:  # noqa: ARG002
        """The same window of the image, with its mask."""
        return Part(window, Mask(window.of(self.known)))


class Visible(Mask):
    """Mask of the visible pixels of a photo that is partly transparent: nothing else is compared with it."""

    def project(self, x: Tensor, y: Tensor) -> Tensor:  # noqa: ARG002
        """Leave the image as it is: the photo is to be explained, not copied."""
        return x

    def guess(self, y: Tensor) -> Tensor:
        """Return the photo."""
        return y


def blend_seam(x: Tensor, y: Tensor, known: Tensor, depth: float) -> Tensor:
    """Keep the known pixels of `y`, and fill the holes with `x` and its continued error: see `Mask.project`.

    Args:
        x: Images (b, 3, h, w).
        y: Images whose known pixels are kept.
        known: True at known pixels; (b, 1, h, w), or (1, 1, h, w) for all images alike.
        depth: Depth in pixels over which the error fades.
    """
    error = torch.where(known, y - x, torch.zeros_like(x))
    masks = known.expand_as(x[:, :1])
    fading = torch.cat([_extend(e[None], k[None], depth) for e, k in zip(error, masks, strict=True)])
    return torch.where(known, y, (x + fading).clamp(-1, 1))


def _extend(error: Tensor, known: Tensor, depth: float) -> Tensor:
    """Solve the screened Poisson equation in the holes of one image, (1, c, h, w), by conjugate gradients."""
    if known.all():
        return error
    hole, channels = (~known).to(error), error.shape[1]
    screening = 1 / depth**2
    cross = torch.tensor([[0.0, 1, 0], [1, 0, 1], [0, 1, 0]]).to(error).expand(channels, 1, 3, 3)
    neighbours = F.conv2d(torch.ones_like(error), cross, padding=1, groups=channels)

    def operator(e: Tensor) -> Tensor:
        return ((neighbours + screening) * e - F.conv2d(e, cross, padding=1, groups=channels)) * hole

    e = torch.zeros_like(error)
    residual = -operator(error)  # for e = 0 in the holes; the border's values are on the right side
    direction, size = residual, residual.square().sum()
    for _ in range(ITERATIONS):
        if size <= 1e-9 * error.numel():
            break
        moved = operator(direction)
        rate = size / (direction * moved).sum()
        e = e + rate * direction
        residual = residual - rate * moved
        size, previous = residual.square().sum(), size
        direction = residual + (size / previous) * direction
    return e
