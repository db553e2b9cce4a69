"""The contract between a method and the optimisation loop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from torch import Tensor, nn

from ganinvert.degradations import Degradation
from ganinvert.directions import Shift
from ganinvert.errors import UsageError
from ganinvert.generators import Activations, Generator, View
from ganinvert.settings import MethodSettings
from ganinvert.subspaces import SubspacePartition


@dataclass(frozen=True)
class CodeRecord:
    """A code of one image as a bundle keeps it, with the method's settings, and the editing layer and its subspaces."""

    kind: str
    space: str
    tensors: Mapping[str, Tensor]
    settings: Mapping[str, Any]
    partition: SubspacePartition
    layer: int


class Code(nn.Module, ABC):
    """The variables θ of b images. Its parameters are what the loop optimises; their first dimension is b.

    Whatever else a later step depends on is a buffer, whose first dimension is b, too.

    Attributes:
        kind: Name of the class in bundles, see `CODES`.
        space: Name of the latent space of the codes; empty for the native one, or none.
        layer: Layer at which the code composes activations.
        single_image_only: True if the code can only be that of one image, because images would share something.
        whole_image_only: True if its penalty needs the whole image.
    """

    kind: str = ""
    space: str = ""
    layer: int
    single_image_only: bool = False
    whole_image_only: bool = False

    @abstractmethod
    def compose(self, generator: Generator) -> Activations:
        """Compose the activations of b images at `layer`, differentiable in the parameters."""

    def render(self, generator: Generator, view: View | None = None) -> Tensor:
        """Render images (b, 3, r, r), or a view of them, about [-1, 1], differentiable in the parameters."""
        return generator.synthesize(self.compose(generator), self.layer, view)

    def penalty(self, generator: Generator, x: Tensor) -> Tensor | None:  # noqa: ARG002  (for those that have one)
        """Terms that the method adds to the objective, (b,); x is the last result of `render`."""
        return None

    def rates(self) -> Mapping[str, float]:
        """Learning rate of each parameter, by name, as a multiple of the loop's."""
        return dict.fromkeys(dict(self.named_parameters()), 1.0)

    def on_step_start(self, generator: Generator, index: int, steps: int) -> bool:  # noqa: ARG002
        """Prepare step `index` of `steps`; True tells the loop to forget its moments and record anew."""
        return False

    def project_(self, generator: Generator) -> None:
        """Bring the parameters back to where they are allowed to be, in place, after every step."""

    def on_end(self, losses: Tensor, steps: int) -> None:
        """Finish after the last step; `losses` is the objective before every step, (n, b), n < `steps` if stopped."""

    @abstractmethod
    def tensors(self, image: int) -> dict[str, Tensor]:
        """Tensors from which the activations of one image are composed again, float32 on the CPU."""

    def deltas(self, image: int) -> dict[str, Tensor]:  # noqa: ARG002  (for those that tune weights)
        """Changes of the weights of one image's generator by name, float16 on the CPU."""
        return {}

    def shifted(self, generator: Generator, shift: Shift) -> Code:  # noqa: ARG002
        """The code after a change along a direction; by default it is refused.

        Raises:
            UsageError: The code has nothing that can be shifted, or the generator has no space in which it could be.
        """
        raise UsageError(
            f"codes of the kind {self.kind} cannot be moved along a direction",
            hint="invert the photo with another --method",
        )

    @classmethod
    def restore(cls, record: CodeRecord) -> Self:
        """Make the code of one image from a bundle again; raises ValueError, for instance, if its parts do not fit."""
        raise NotImplementedError(f"{cls.__name__} is kept as another kind")


def to_bundle(value: Tensor) -> Tensor:
    """A copy for a bundle, on the CPU."""
    return value.detach().cpu().clone()


def require(holds: bool) -> None:
    """Raise ValueError unless the parts of a record fit together."""
    if not holds:
        raise ValueError("its parts do not fit together")


@dataclass(frozen=True)
class Method(ABC):
    """A method with its hyper-parameters, which makes the initial code.

    Attributes:
        settings: Hyper-parameters.
        partition: Subspaces of the editing layer; only compositions need them.
    """

    settings: MethodSettings
    partition: SubspacePartition | None = None

    @abstractmethod
    def start(self, generator: Generator, y: Tensor, degradation: Degradation, *, seed: int) -> Code:
        """Make the code to optimise.

        Args:
            generator: Generator on its device.
            y: Measurements of b images.
            degradation: Degradation that made them.
            seed: Random seed, the same for every image, so that no result depends on the place in the batch.

        Raises:
            UsageError: The layer does not exist, or the settings do not fit the generator or the photos.
            WeightsError: The generator lacks a network that the method needs.
        """
