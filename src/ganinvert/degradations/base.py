"""The contract of a degradation, and the identity."""

from __future__ import annotations

from abc import ABC, abstractmethod

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
