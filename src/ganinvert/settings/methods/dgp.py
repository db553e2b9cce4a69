"""Deep generative prior (Pan et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ganinvert.settings.common import at_least, not_negative
from ganinvert.settings.methods.base import MethodSettings
from ganinvert.settings.methods.inversion import InversionSettings, method
from ganinvert.settings.optimization import Objective, Optimization


@dataclass(frozen=True)
class GenerativePrior(MethodSettings):
    """Deep generative prior (Pan et al. 2020): z and the generator's weights move together, layer by layer.

    Attributes:
        candidates: Number of random codes; the one with the nearest discriminator features is the initial code.
        stages: Number of stages, S; in stage s the first s/S of the layers are tuned, and z.
        weight_rate: Learning rate of the weights as a multiple of the code's.
        features: Weight of the mean absolute difference of the discriminator's features.
        rank: Rank of the weight updates of convolutions; 0: full rank.
    """

    title = "dgp"
    implementation = "ganinvert.methods.dgp:DeepGenerativePrior"
    needs: ClassVar[tuple[str, ...]] = ("discriminator",)
    tunes_generator = True
    candidates: int = 500
    stages: int = 5
    weight_rate: float = 0.025
    features: float = 1.0
    rank: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least("candidates", self.candidates, 1)
        at_least("stages", self.stages, 1)
        at_least("rank", self.rank, 0)
        for name in ("weight_rate", "features"):
            not_negative(name, getattr(self, name))


DGP = method(
    "dgp",
    "one code and the generator's weights, layer by layer (Pan et al. 2020)",
    default=InversionSettings(
        GenerativePrior(weight_rate=0.03, rank=16), Optimization(200, 0.1), Objective(perceptual=0.0)
    ),
    # The authors lower both rates by hand in every stage.
    paper=InversionSettings(GenerativePrior(), Optimization(1500, 2e-3, "cosine", 0.0), Objective(perceptual=0.0)),
)
