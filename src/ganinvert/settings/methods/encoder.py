"""The encoder alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from ganinvert.settings.methods.base import MethodSettings
from ganinvert.settings.methods.inversion import InversionSettings, method
from ganinvert.settings.optimization import Objective, Optimization


@dataclass(frozen=True)
class Encoded(MethodSettings):
    """Result of an encoder in one forward pass.

    Attributes:
        into: "features" of the encoder keep more of the photo, its "code" keeps to the generator's own images. The
            space "f" stands for the one and "w+" for the other.
    """

    title = "encoder"
    implementation = "ganinvert.methods.encoded:Encoding"
    needs: ClassVar[tuple[str, ...]] = ("encoder",)
    optimized = False
    into: Literal["features", "code"] = "features"

    @classmethod
    def allows_space(cls, space: str) -> bool:
        """Spaces in which encoders of style-based generators predict."""
        return space in ("w+", "f")

    @property
    def result(self) -> str:
        """The kind of prediction to take, "features" or "code", by the space if one was chosen."""
        return {"f": "features", "w+": "code"}.get(self.space, self.into)

    def edit_layer(self, default: int, encoder: int) -> int:
        """The layer of the encoder's features, if those are the result."""
        return encoder if self.result == "features" else default


ENCODER = method(
    "encoder",
    "the encoder's prediction, in one forward pass",
    default=InversionSettings(Encoded(), Optimization(steps=0), Objective(perceptual=0.0)),
)
