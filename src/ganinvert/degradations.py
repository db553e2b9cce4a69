"""What turned the wanted image into the measurement: the P of PmSFC eq. 9.

Tasks differ only in their degradation. Inverting is the case in which the user's file shows everything.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Degradation(nn.Module, ABC):
    """A differentiable map from images (b, 3, r, r) in about [-1, 1] to measurements."""

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """P(x): image to measurement."""

    @abstractmethod
    def project(self, x: Tensor, y: Tensor) -> Tensor:
        """Make the image `x` agree with the measurement `y` where y is trusted."""

    @abstractmethod
    def guess(self, y: Tensor) -> Tensor:
        """An image-sized preview (b, 3, r, r) of the measurement."""


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
