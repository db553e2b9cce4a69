"""Missing pixels: the P of inpainting."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ganinvert.degradations.base import Degradation

SEAM = 1 / 16
"""How far into a hole the seam is blended, as a share of the image's side."""
ITERATIONS = 500


class Mask(Degradation):
    """Some pixels are known, the others are zero (middle gray) in the measurement.

    Args:
        known: (b, 1, r, r), or (1, 1, r, r) for all images alike; True where the image is known.
    """

    known: Tensor

    def __init__(self, known: Tensor) -> None:
        super().__init__()
        self.register_buffer("known", known.bool(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """The known pixels, 0 elsewhere."""
        return x * self.known.to(x)

    def project(self, x: Tensor, y: Tensor) -> Tensor:
        """The known pixels of `y`, untouched, and `x` in the holes, blended at the seam.

        What `x` misses at a hole's border is carried into the hole, fading over `SEAM` of the image's side: the
        screened Poisson equation (Δ - 1/s²) e = 0 with e = y - x at the known pixels. Far from any known pixel x
        stays as it is.
        """
        known = self.known.to(x.device)
        error = torch.where(known, y - x, torch.zeros_like(x))
        fading = torch.cat([_carry(e[None], k[None]) for e, k in zip(error, known.expand_as(x[:, :1]), strict=True)])
        return torch.where(known, y, (x + fading).clamp(-1, 1))

    def guess(self, y: Tensor) -> Tensor:
        """The known pixels' mean colour, with the known pixels blended in."""
        known = self.known.to(y)
        mean = (y * known).sum(dim=(2, 3), keepdim=True) / known.sum(dim=(2, 3), keepdim=True).clamp(min=1)
        return self.project(mean.expand_as(y), y)

    def coverage(self, y: Tensor) -> Tensor:
        """Share of the known pixels."""
        return self.known.to(y).mean(dim=(1, 2, 3)).expand(len(y))


def _carry(error: Tensor, known: Tensor) -> Tensor:
    """Solve for e in the holes of one image, (1, 3, r, r), by conjugate gradients."""
    if known.all():
        return error
    hole = (~known).to(error)
    screening = 1 / (SEAM * error.shape[-1]) ** 2
    cross = torch.tensor([[0.0, 1, 0], [1, 0, 1], [0, 1, 0]]).to(error).expand(3, 1, 3, 3)
    neighbours = F.conv2d(torch.ones_like(error), cross, padding=1, groups=3)

    def operator(e: Tensor) -> Tensor:
        return ((neighbours + screening) * e - F.conv2d(e, cross, padding=1, groups=3)) * hole

    e = torch.zeros_like(error)
    residual = -operator(error)  # of e = 0 in the holes, with the border's values moved to the right side
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
