"""The encoder alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ganinvert.settings.methods.base import MethodSettings
from ganinvert.settings.methods.inversion import InversionSettings, method
from ganinvert.settings.optimization import Objective, Optimization


@dataclass(frozen=True)
class Encoded(MethodSettings):
    """Result of an encoder in one forward pass.

    Attributes:
        into: "features" of the encoder keep more of the photo, its "code" keeps to the generator's own images.
    """

    title = "encoder"
    implementation = "ganinvert.methods.encoded:Encoding"
    needs = ("encoder",)
    optimized = False
    into: Literal["features", "code"] = "features"

    def edit_layer(self, default: int, encoder: int) -> int:
        """The layer of the encoder's features, if those are the result."""
        return encoder if self.into == "features" else default


ENCODER = method(
    "encoder",
    "the encoder's prediction, in one forward pass",
    default=InversionSettings(Encoded(), Optimization(steps=0), Objective(perceptual=0.0)),
)
