"""The contract of a degradation, and the two that need no mathematics of their own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Degradation(nn.Module, ABC):
    """A differentiable map from images (b, 3, r, r) in about [-1, 1] to measurements.

    Device and dtype of the results are those of the arguments. No image of a batch depends on its neighbours.
    """

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """P(x): image to measurement."""

    @abstractmethod
    def project(self, x: Tensor, y: Tensor) -> Tensor:
        """Make the image `x` agree with the measurement `y` where y is trusted: an image in [-1, 1]."""

    @abstractmethod
    def guess(self, y: Tensor) -> Tensor:
        """An image-sized preview (b, 3, r, r) of the measurement, in [-1, 1]."""

    def coverage(self, y: Tensor) -> Tensor:
        """Share of each measurement's values that say anything, (b,) in (0, 1]."""
        return torch.ones(len(y), device=y.device, dtype=y.dtype)


class Identity(Degradation):
    """The measurement is the image itself, but not trusted: the inversion is what the user wants."""

    def forward(self, x: Tensor) -> Tensor:
        """P(x) = x."""
        return x

    def project(self, x: Tensor, y: Tensor) -> Tensor:  # noqa: ARG002  (the contract's signature)
        """The inversion stays as it is."""
        return x

    def guess(self, y: Tensor) -> Tensor:
        """The measurement is already an image."""
        return y


class Compose(Degradation):
    """One degradation after another, for instance gray and small.

    Args:
        parts: In the order in which they happened to the image. Each must take what the one before gives.
    """

    def __init__(self, parts: Sequence[Degradation]) -> None:
        super().__init__()
        self.parts: list[Degradation] = list(parts)
        self.stages = nn.ModuleList(self.parts)

    def forward(self, x: Tensor) -> Tensor:
        """P(x) = Pₙ(… P₁(x))."""
        for part in self.parts:
            x = part(x)
        return x

    def project(self, x: Tensor, y: Tensor) -> Tensor:
        """Correct what every stage sees, from the measurement back to the image."""
        seen = [x]
        for part in self.parts[:-1]:
            seen.append(part(seen[-1]))
        for part, image in zip(reversed(self.parts), reversed(seen), strict=True):
            y = part.project(image, y)
        return y

    def guess(self, y: Tensor) -> Tensor:
        """Undo the stages one by one."""
        for part in reversed(self.parts):
            y = part.guess(y)
        return y

    def coverage(self, y: Tensor) -> Tensor:
        """That of the last stage, which made the measurement."""
        return self.parts[-1].coverage(y)
