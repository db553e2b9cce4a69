"""The contract between a method and the optimisation loop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Protocol

from torch import Tensor, nn

from ganinvert.degradations import Degradation
from ganinvert.generators import Generator


class Code(nn.Module, ABC):
    """The variables θ of b images. Its parameters are what the loop optimises; their first dimension is b.

    Whatever else a later step depends on is a buffer, whose first dimension is b, too.

    Attributes:
        layer: The image is what the rest of the generator makes of the features that are composed there.
        single_image_only: Whether it can only be that of one image at a time, because images would share something.
    """

    layer: int
    single_image_only: bool = False

    @abstractmethod
    def compose(self, generator: Generator) -> Tensor:
        """The features (b, c, h, w) at `layer`, differentiable in the parameters."""

    def render(self, generator: Generator) -> Tensor:
        """Images (b, 3, r, r), about [-1, 1], differentiable in the parameters."""
        return generator.synthesize(self.compose(generator), self.layer)

    def penalty(self, generator: Generator, x: Tensor) -> Tensor | None:  # noqa: ARG002  (for those that have one)
        """What the method adds to the objective, (b,); x is what `render` has just given."""
        return None

    def rates(self) -> Mapping[str, float]:
        """Learning rate of each parameter, by name, as a multiple of the loop's."""
        return dict.fromkeys(dict(self.named_parameters()), 1.0)

    def on_step_start(self, index: int, steps: int) -> bool:  # noqa: ARG002  (for those that change on the way)
        """Called before step `index` of `steps`; True tells the loop to forget its moments and record anew."""
        return False

    def project_(self) -> None:
        """Bring the parameters back to where they are allowed to be, in place; called after every step."""

    def on_end(self, losses: Tensor) -> None:
        """Called after the last step with the objective before every step, (steps, b)."""

    @abstractmethod
    def tensors(self, image: int) -> dict[str, Tensor]:
        """What a bundle keeps of one image to compose the features again, float32 on the CPU."""

    def deltas(self, image: int) -> dict[str, Tensor]:  # noqa: ARG002  (for those that tune weights)
        """What a bundle keeps of one image's own generator: changes of its weights by name, float16 on the CPU."""
        return {}


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


class Refiner(Protocol):
    """A frozen dataclass of hyper-parameters that starts a code from another one, which is done."""

    def start(self, generator: Generator, pivot: Code, y: Tensor, degradation: Degradation, *, seed: int) -> Code:
        """The code to optimise from.

        Args:
            generator: On its device.
            pivot: The code that was found; it stays as it is.
            y: Measurements of b images.
            degradation: What made them.
            seed: Of everything random.
        """
