"""The contract between a method and the optimisation loop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Protocol

from torch import Tensor, nn

from ganinvert.degradations import Degradation
from ganinvert.generators import Generator


class Code(nn.Module, ABC):
    """The variables θ of b images. Its parameters are what the loop optimises; their first dimension is b."""

    @abstractmethod
    def render(self, generator: Generator) -> Tensor:
        """Images (b, 3, r, r), about [-1, 1], differentiable in the parameters."""

    def rates(self) -> Mapping[str, float]:
        """Learning rate of each parameter, by name, as a multiple of the loop's."""
        return dict.fromkeys(dict(self.named_parameters()), 1.0)

    def retract(self) -> None:
        """Bring the parameters back to where they are allowed to be, in place; called after every step."""

    @abstractmethod
    def tensors(self, image: int) -> dict[str, Tensor]:
        """What a bundle keeps to render one image again, on the CPU."""


class Method(Protocol):
    """A frozen dataclass of hyper-parameters that starts a code."""

    def start(self, generator: Generator, y: Tensor, degradation: Degradation, *, seed: int) -> Code:
        """The code to optimise from.

        Args:
            generator: On its device.
            y: Measurements of b images.
            degradation: What made them.
            seed: The same for every image, so that its result does not depend on its place in the batch.
        """
