"""Images of a generator for its encoder."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ganinvert.generators import Activations, Generator, View, Window
from ganinvert.generators.encoders import LARGEST_SEEN


@dataclass(frozen=True)
class Rendering:
    """Images from the codes and features that the encoder of a generator predicts.

    Those of style-based generators are averaged to the side at which the encoder looks, at most 256 pixels.

    Attributes:
        generator: The generator.
    """

    generator: Generator

    @property
    def space(self) -> str:
        """Latent space of the encoder's codes."""
        return "w+" if self.generator.is_styled else self.generator.space().name

    @property
    def side(self) -> int:
        """Side of the images in pixels."""
        side = self.generator.resolution
        return min(side, LARGEST_SEEN) if self.generator.is_styled else side

    @property
    def averages(self) -> bool:
        """True if the images are smaller than the generator's."""
        return self.side < self.generator.resolution

    def code(self, z: Tensor) -> Tensor:
        """Codes of the native space in the space of the encoder's codes."""
        return self.generator.styles(z) if self.generator.is_styled else z

    def from_code(self, code: Tensor, quadrant: int | None = None) -> Tensor:
        """Codes to images (n, 3, side, side), or one of their four quadrants."""
        return self.from_state(self.generator.begin(self.generator.styles(code, self.space)), 0, quadrant)

    def from_features(self, code: Tensor, state: Activations, layer: int, quadrant: int | None = None) -> Tensor:
        """An encoder's codes and features at its layer to images; the codes give whatever else is at the layer."""
        if self.generator.is_styled:
            state = self.generator.features(code, layer, self.space).replace(state.features)
        return self.from_state(state, layer, quadrant)

    def from_state(self, state: Activations, layer: int, quadrant: int | None = None) -> Tensor:
        """Activations at a layer to images."""
        full = self.generator.resolution
        if quadrant is None and not self.averages:
            return self.generator.synthesize(state, layer)
        window = Window.tile(full, 1, 0) if quadrant is None else Window.tile(full, 2, quadrant)
        return self.generator.synthesize(state, layer, View(window, full // self.side))
