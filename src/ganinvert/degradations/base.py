"""The contract of a degradation, and the identity."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganinvert.generators import Window


@dataclass(frozen=True)
class Part:
    """A part of a degradation.

    Attributes:
        window: Part of the image that is needed, in pixels.
        degrade: Function from that part (b, 3, h, w) to the part of the measurement.
    """

    window: Window
    degrade: Callable[[Tensor], Tensor]


class Degradation(nn.Module, ABC):
    """A differentiable map from images (b, 3, r, r) in about [-1, 1] to measurements.

    Results have the device and dtype of the arguments. No image depends on the others of the batch.

    Attributes:
        keeps_averages: True if the measurement of an averaged image is the averaged measurement.
        noise: Standard deviation of the noise of measurements, on [-1, 1].
    """

    keeps_averages: bool = False
    noise: float = 0.0

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Degrade images to measurements, P(x)."""

    @abstractmethod
    def project(self, x: Tensor, y: Tensor) -> Tensor:
        """Change images `x` to images in [-1, 1] that agree with the measurements `y` as far as these are trusted."""

    @abstractmethod
    def guess(self, y: Tensor) -> Tensor:
        """Reconstruct images (b, 3, r, r) in [-1, 1] from measurements without a generator."""

    def part(self, window: Window, resolution: int) -> Part:
        """The part of a degradation that makes a window of the measurement of images of this resolution.

        By default it needs the whole image.
        """
        return Part(Window.tile(resolution, 1, 0), lambda x: window.of(self(x)))

    def measured_side(self, resolution: int) -> int:
        """Side in pixels of the measurements of images of this resolution."""
        return resolution

    def of(self, n: int) -> Degradation:  # noqa: ARG002  (for those that differ)
        """The degradation of image n of the batch."""
        return self

    def coarse(self, y: Tensor, resolution: int, side: int) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """About the same for images averaged to a side: smaller measurements, and the function from images to them.

        By default the images are enlarged and degraded as ever; `y` are measurements of images of this resolution.
        """
        if self.keeps_averages:
            return F.adaptive_avg_pool2d(y, side), self
        return y, lambda x: self(F.interpolate(x, size=(resolution, resolution)))

    def coverage(self, y: Tensor) -> Tensor:
        """Compute the share of each measurement's values that carry information, (b,) in (0, 1]."""
        return torch.ones(len(y), device=y.device, dtype=y.dtype)


class Identity(Degradation):
    """The identity P(x) = x. Its measurement is not trusted, because the user wants the inversion itself."""

    keeps_averages = True

    def forward(self, x: Tensor) -> Tensor:
        """Return x."""
        return x

    def project(self, x: Tensor, y: Tensor) -> Tensor:  # noqa: ARG002  (the contract's signature)
        """Return x."""
        return x

    def guess(self, y: Tensor) -> Tensor:
        """Return y."""
        return y

    def part(self, window: Window, resolution: int) -> Part:  # noqa: ARG002
        """The same window of the image."""
        return Part(window, self)
