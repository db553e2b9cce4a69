"""The contract of a degradation, with the identity and compositions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Degradation(nn.Module, ABC):
    """A differentiable map from images (b, 3, r, r) in about [-1, 1] to measurements.

    Results have the device and dtype of the arguments. No image depends on the others of the batch.
    """

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Degrade images to measurements, P(x)."""

    @abstractmethod
    def project(self, x: Tensor, y: Tensor) -> Tensor:
        """Change images `x` to images in [-1, 1] that agree with the measurements `y` where these are trusted."""

    @abstractmethod
    def guess(self, y: Tensor) -> Tensor:
        """Reconstruct images (b, 3, r, r) in [-1, 1] from measurements without a generator."""

    def coverage(self, y: Tensor) -> Tensor:
        """Compute the share of each measurement's values that carry information, (b,) in (0, 1]."""
        return torch.ones(len(y), device=y.device, dtype=y.dtype)


class Identity(Degradation):
    """The identity P(x) = x. Its measurement is not trusted, because the user wants the inversion itself."""

    def forward(self, x: Tensor) -> Tensor:
        """Return x."""
        return x

    def project(self, x: Tensor, y: Tensor) -> Tensor:  # noqa: ARG002  (the contract's signature)
        """Return x."""
        return x

    def guess(self, y: Tensor) -> Tensor:
        """Return y."""
        return y


class Compose(Degradation):
    """Several degradations, one after another, P(x) = Pₙ(… P₁(x)), for instance gray and small.

    Args:
        parts: Degradations in the order in which they are applied to the image.
    """

    def __init__(self, parts: Sequence[Degradation]) -> None:
        super().__init__()
        self.parts: list[Degradation] = list(parts)
        self.stages = nn.ModuleList(self.parts)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the parts in order."""
        for part in self.parts:
            x = part(x)
        return x

    def project(self, x: Tensor, y: Tensor) -> Tensor:
        """Project the input of every part, from the last part to the first."""
        inputs = [x]
        for part in self.parts[:-1]:
            inputs.append(part(inputs[-1]))
        for part, image in zip(reversed(self.parts), reversed(inputs), strict=True):
            y = part.project(image, y)
        return y

    def guess(self, y: Tensor) -> Tensor:
        """Reconstruct through the parts, from the last to the first."""
        for part in reversed(self.parts):
            y = part.guess(y)
        return y

    def coverage(self, y: Tensor) -> Tensor:
        """Return the coverage of the last part, which made the measurement."""
        return self.parts[-1].coverage(y)
