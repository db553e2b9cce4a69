"""Blurring and downsampling of noisy photos, whose inverse is a Wiener filter."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from ganinvert.degradations.base import Degradation, Part
from ganinvert.degradations.downsample import TOLERANCE, both_ways, resampling_matrix, support
from ganinvert.generators import Window
from ganinvert.settings.common import Kernel

INEXACTNESS = 1.5
"""Standard deviation in levels of what no blur explains: rounding, resizing, and blurs that are not quite Gaussian. By
measurement: with rounding alone, photos that were blurred at another size than the square's got speckled."""
ALTERNATIONS = 20
_REACH = 4.0
"""Radius of the sampled Gaussian in standard deviations."""


class Lens(Degradation):
    """Gaussian blur, then resampling to a smaller square: A x = M x Mᵀ, of any number of channels.

    Args:
        resolution: Side of the image, in pixels.
        size: Side of the measurement, in pixels.
        kernel: Filter of the resampling; see `Downsample`.
        blur: Standard deviation of the Gaussian, in pixels of the image.
        noise: Standard deviation of the measurement's noise, in 8-bit levels.
    """

    matrix: Tensor

    def __init__(
        self, resolution: int, size: int, *, kernel: Kernel = "bicubic", blur: float = 0.0, noise: float = 0.0
    ) -> None:
        super().__init__()
        self.resolution, self.size, self.kernel, self.blur = resolution, size, kernel, blur
        self.noise = noise / 127.5
        self.keeps_averages = size == resolution and not blur
        weights = resampling_matrix(resolution, size, kernel) @ blurring_matrix(resolution, blur)
        self.register_buffer("matrix", weights.float(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Blur and downsample images (b, c, r, r) to (b, c, s, s)."""
        return x if self.keeps_averages else both_ways(x, self.matrix)

    def project(self, x: Tensor, y: Tensor) -> Tensor:
        """Change images by the linear estimate (Wiener 1949) of what is missing in them, which leaves the noise out.

        With M = U S Vᵀ it is V (G ∘ Uᵀ (y - A x) U) Vᵀ with G = g / (g² + σ²/τ²) and g = s sᵀ. The noise has the
        variance σ², with `INEXACTNESS`, and each pixel of what is missing the variance τ², so that
        mean (y - A x)² is τ² mean g² + σ². Repeated, it would explain the noise; only what the clamp to [-1, 1] takes
        away of it is given back, in alternation.
        """
        return torch.cat([self._project(x[n : n + 1], y[n : n + 1]) for n in range(len(x))])

    def _project(self, x: Tensor, y: Tensor) -> Tensor:
        x = x.clamp(-1, 1)
        error = y - self(x)
        variance = self.noise**2 + (INEXACTNESS / 127.5) ** 2
        excess = (error.square().mean() - variance).clamp(min=0)
        x = x + self._estimate(error, excess, variance)
        explained = self(x)
        for _ in range(ALTERNATIONS):
            clamped = x.clamp(-1, 1)
            lost = explained - self(clamped)
            if lost.abs().max() <= TOLERANCE:
                break
            x = clamped + self._estimate(lost, excess, variance)
        return x.clamp(-1, 1)

    def _estimate(self, error: Tensor, excess: Tensor, variance: float) -> Tensor:
        """Estimate what is missing in an image from the error (1, c, s, s) of its measurement."""
        if self.keeps_averages:
            return error * excess / (excess + variance)
        u, s, v = (each.to(error) for each in _spectrum(self.resolution, self.size, self.kernel, self.blur))
        gain = torch.outer(s, s)
        wiener = gain * excess / (gain.square() * excess + variance * gain.square().mean())
        return both_ways(wiener * both_ways(error, u.T), v)

    def guess(self, y: Tensor) -> Tensor:
        """Enlarge bicubically, and sharpen as far as the noise allows."""
        enlarged = F.interpolate(y, (self.resolution, self.resolution), mode="bicubic", align_corners=False)
        return self.project(y if self.size == self.resolution else enlarged.clamp(-1, 1), y)

    def measured_side(self, resolution: int) -> int:  # noqa: ARG002
        """Side of the measurement."""
        return self.size

    def coarse(self, y: Tensor, resolution: int, side: int) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """Measurements averaged to the side if they are larger, and a blur that is narrower by as much."""
        size = min(self.size, side)
        lens = Lens(side, size, kernel=self.kernel, blur=self.blur * side / resolution)
        return F.adaptive_avg_pool2d(y, size), lens.to(y.device)

    def part(self, window: Window, resolution: int) -> Part:  # noqa: ARG002
        """The pixels of which the kernels of the window are made."""
        if self.keeps_averages:
            return Part(window, self)
        rows, columns = support(self.matrix, window.rows), support(self.matrix, window.columns)
        down = self.matrix[slice(*window.rows), slice(*rows)]
        across = self.matrix[slice(*window.columns), slice(*columns)]
        return Part(Window(rows, columns), lambda x: both_ways(x, down, across))


def blurring_matrix(side: int, sigma: float) -> Tensor:
    """Compute the matrix of a one-dimensional Gaussian blur, (side, side) float64, mirrored at the ends; 0: identity.

    Rows sum to 1, and the Gaussian is sampled at whole pixels.
    """
    if not sigma:
        return torch.eye(side, dtype=torch.float64)
    reach = round(_REACH * sigma) + 1
    offsets = torch.arange(-reach, reach + 1)
    weights = torch.exp(-offsets.double().square() / (2 * sigma**2))
    places = (torch.arange(side)[:, None] + offsets) % (2 * side)
    places = torch.where(places < side, places, 2 * side - 1 - places)
    matrix = torch.zeros(side, side, dtype=torch.float64)
    return matrix.scatter_add_(1, places, (weights / weights.sum()).expand(side, -1))


@lru_cache(maxsize=4)
def _spectrum(resolution: int, size: int, kernel: Kernel, blur: float) -> tuple[Tensor, Tensor, Tensor]:
    """The singular value decomposition U S Vᵀ of the matrix: (size, size), (size,) and (resolution, size)."""
    weights = resampling_matrix(resolution, size, kernel) @ blurring_matrix(resolution, blur)
    u, s, vh = torch.linalg.svd(weights, full_matrices=False)
    return u.float(), s.float(), vh.T.float()
