"""Downsampling: the P of super-resolution."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ganinvert.degradations.base import Degradation, Part
from ganinvert.generators import Window
from ganinvert.generators.views import Span
from ganinvert.settings.common import Kernel

TOLERANCE = 0.5 / 255
"""Tolerance of low-resolution consistency on [-1, 1]: a quarter of an 8-bit step."""
ALTERNATIONS = 200


class Downsample(Degradation):
    """Separable resampling to a smaller square, A x = D x Dᵀ, of any number of channels.

    Args:
        resolution: Side of the image, in pixels.
        size: Side of the measurement, in pixels.
        kernel: "bicubic" (a = -0.5) and "lanczos" (3 lobes) are antialiased, "area" is the mean of the covered pixels,
            and "bilinear" is not antialiased, as in the programs of mGANprior and PmSFC.
    """

    matrix: Tensor
    inverse: Tensor

    def __init__(self, resolution: int, size: int, *, kernel: Kernel = "bicubic", detail: float = 1.0) -> None:
        super().__init__()
        self.resolution, self.size, self.kernel, self.detail = resolution, size, kernel, detail
        weights = resampling_matrix(resolution, size, kernel).float()
        self.register_buffer("matrix", weights, persistent=False)
        # D has full row rank, so that A A⁺ is the identity, and (D ⊗ D)⁺ = D⁺ ⊗ D⁺.
        self.register_buffer("inverse", torch.linalg.pinv(weights.double()).float(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Downsample images (b, c, r, r) to (b, c, s, s)."""
        return both_ways(x, self.matrix)

    def project(self, x: Tensor, y: Tensor) -> Tensor:
        """Alternate the back-projection x + A⁺(y - A x) and the clamp to [-1, 1] until both hold.

        Where no image in [-1, 1] has this measurement (clipped ringing), the result is the last of the alternations.
        """
        return torch.cat([self._project(x[n : n + 1], y[n : n + 1]) for n in range(len(x))])

    def _project(self, x: Tensor, y: Tensor) -> Tensor:
        x = x.clamp(-1, 1)
        if self.detail < 1:
            x = torch.lerp(self.guess(y), x, self.detail)
        for _ in range(ALTERNATIONS):
            error = y - self(x)
            if error.abs().max() <= TOLERANCE:
                break
            x = (x + both_ways(error, self.inverse)).clamp(-1, 1)
        return x

    def guess(self, y: Tensor) -> Tensor:
        """Enlarge bicubically."""
        shape = (self.resolution, self.resolution)
        return F.interpolate(y, shape, mode="bicubic", align_corners=False).clamp(-1, 1)

    def coarse(self, y: Tensor, resolution: int, side: int) -> tuple[Tensor, Callable[[Tensor], Tensor]]:  # noqa: ARG002
        """Measurements averaged to the side, or images resampled from it to smaller measurements."""
        if self.size < side:
            return y, Downsample(side, self.size, kernel=self.kernel).to(y.device)
        return F.adaptive_avg_pool2d(y, side), lambda x: x

    def measured_side(self, resolution: int) -> int:  # noqa: ARG002
        """Side of the measurement."""
        return self.size

    def part(self, window: Window, resolution: int) -> Part:  # noqa: ARG002
        """The pixels of which the kernels of the window are made."""
        rows, columns = support(self.matrix, window.rows), support(self.matrix, window.columns)
        down = self.matrix[slice(*window.rows), slice(*rows)]
        across = self.matrix[slice(*window.columns), slice(*columns)]
        return Part(Window(rows, columns), lambda x: both_ways(x, down, across))


def support(matrix: Tensor, rows: Span) -> Span:
    """Span of the columns in which rows of a matrix have entries."""
    used = matrix[slice(*rows)].abs().amax(dim=0).nonzero()
    return int(used[0]), int(used[-1]) + 1


def both_ways(x: Tensor, matrix: Tensor, across: Tensor | None = None) -> Tensor:
    """Multiply images by one matrix along the rows and by another, or the same, along the columns."""
    down = matrix.to(x)
    across = down if across is None else across.to(x)
    with torch.autocast(x.device.type, enabled=False):
        return torch.matmul(torch.matmul(down, x), across.T)


def resampling_matrix(resolution: int, size: int, kernel: Kernel) -> Tensor:
    """Compute D of a one-dimensional resampling, (size, resolution) float64; rows sum to 1, pixel n is at n + ½."""
    factor = resolution / size
    place = torch.arange(resolution, dtype=torch.float64)[None] + 0.5
    centre = (torch.arange(size, dtype=torch.float64)[:, None] + 0.5) * factor
    if kernel == "area":
        overlap = torch.minimum(place + 0.5, centre + factor / 2) - torch.maximum(place - 0.5, centre - factor / 2)
        weights = overlap.clamp(min=0)
    else:
        shape, stretched = _KERNELS[kernel]
        weights = shape((place - centre) / (factor if stretched else 1))
    return weights / weights.sum(dim=1, keepdim=True)


def _triangle(t: Tensor) -> Tensor:
    return (1 - t.abs()).clamp(min=0)


def _cubic(t: Tensor) -> Tensor:
    """Keys 1981 with a = -0.5."""
    t = t.abs()
    inner, outer = 1.5 * t**3 - 2.5 * t**2 + 1, -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    return torch.where(t < 1, inner, torch.where(t < 2, outer, torch.zeros_like(t)))


def _lanczos(t: Tensor) -> Tensor:
    product: Tensor = torch.special.sinc(t) * torch.special.sinc(t / 3)
    return torch.where(t.abs() < 3, product, torch.zeros_like(t))


_KERNELS: dict[str, tuple[Callable[[Tensor], Tensor], bool]] = {
    "bicubic": (_cubic, True),
    "lanczos": (_lanczos, True),
    "bilinear": (_triangle, False),
}
"""Function of each kernel, and True if it is stretched by the factor against aliasing."""
