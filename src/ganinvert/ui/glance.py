"""First looks at edits of large images, before these are rendered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from ganinvert import images
from ganinvert.bundle import LatentBundle
from ganinvert.devices import undisturbed
from ganinvert.generators import Generator
from ganinvert.methods.previews import Readout
from ganinvert.metrics import to_unit

GLANCE = 256
"""Largest side in pixels of the features from which a first look is read."""


@dataclass(frozen=True)
class Glance:
    """Reads images from features of an earlier layer, by a linear map that is fitted to the image before its edits.

    Attributes:
        readout: The map.
    """

    readout: Readout

    @classmethod
    @undisturbed()
    @torch.no_grad()
    def of(cls, bundle: LatentBundle, generator: Generator) -> Glance:
        """Fit the map to the image of a bundle."""
        sizes = [generator.layer_info(layer).size for layer in range(generator.num_layers + 1)]
        layer = max(bundle.layer, *(layer for layer, size in enumerate(sizes) if size <= GLANCE))
        image = bundle.decode(generator, bundle.features(generator))
        return cls(Readout.of_image(layer, bundle.composed(generator, layer).features, image))

    @undisturbed()
    @torch.no_grad()
    def look(self, bundle: LatentBundle, generator: Generator) -> Any:
        """The image of an edited bundle at first sight, a Pillow image of the generator's size."""
        x = self.readout.read(bundle.composed(generator, self.readout.layer).features)
        return images.to_pil(to_unit(x)[0].numpy()).resize((generator.resolution,) * 2)
