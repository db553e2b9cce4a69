"""InvertLayers (Bau et al. 2019)."""

from __future__ import annotations

from dataclasses import dataclass

from ganinvert.settings.common import Init, at_least
from ganinvert.settings.methods.base import LAYER, MethodSettings
from ganinvert.settings.methods.inversion import InversionSettings, method
from ganinvert.settings.optimization import Objective, Optimization


@dataclass(frozen=True)
class LayerResiduals(MethodSettings):
    """InvertLayers (Bau et al. 2019): a code z and residuals dₗ added to the outputs of the first layers.

    Attributes:
        layer: Last layer with a residual; the first is 1.
        init: Initial code: the "nearest" of some random ones, a "random" one, or as the authors' an "encoder"'s.
        candidates: Number of random codes among which the nearest to the photo is found.
        penalty: Weight of Σₗ mean dₗ².
    """

    title = "invertlayers"
    implementation = "ganinvert.methods.residuals:Residuals"
    layer: int = LAYER
    init: Init = "encoder"
    candidates: int = 256
    penalty: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least("layer", self.layer, 1)
        at_least("candidates", self.candidates, 1)

    def edit_layer(self, default: int, encoder: int) -> int:  # noqa: ARG002
        """A layer behind all residuals."""
        return max(self.layer, default)


INVERTLAYERS = method(
    "invertlayers",
    "an encoder's code, then residuals of the first layers (Bau et al. 2019)",
    default=InversionSettings(LayerResiduals(), Optimization(lr=0.05)),
    paper=InversionSettings(
        LayerResiduals(),
        Optimization(3000, 0.01, "halving", 0.0),
        Objective(pixel=0.0, absolute=1.0, perceptual=1.0, perceptual_every=1),
    ),
)
