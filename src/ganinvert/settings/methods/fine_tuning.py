"""Settings of fine-tuning: near-perfect inversion (the slides) and PTI (Roich et al. 2021)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ganinvert.errors import UsageError
from ganinvert.settings.common import Refinement, at_least, not_negative, positive
from ganinvert.settings.optimization import Objective, Optimization


@dataclass(frozen=True)
class FineTuningSettings:
    """Fine-tuning of the generator's weights around a code that stays as it is, the pivot.

    Near-perfect inversion is 1ₚ [objective + λ·local adversarial term] + global adversarial term; no source gives
    weights, p, rates, steps or the pyramid's depth, and all that are here are ours.

    Attributes:
        kind: "near-perfect" (the slides) or "pti" (Roich et al. 2021).
        optimization: Steps and learning rates of the weights.
        objective: Loss between measurement and image.
        rank: Rank of the weight updates of convolutions; 0: full rank.
        adversarial: Weight of the local adversarial term, λ.
        cohesion: Weight of the global adversarial term.
        probability: Probability p that a step has the objective and the local term; without a global term, all have.
        batch: Images per step of the discriminator, the photo's among them.
        critic_lr: Learning rate of the discriminator.
        locality: Weight of the change of images near the pivot (PTI).
        stop: LPIPS to the measurement at which the tuning ends; 0: never.
    """

    kind: Refinement = "near-perfect"
    optimization: Optimization = Optimization(steps=120, lr=3e-3)
    objective: Objective = Objective(pixel=0.0, laplacian=1.0, perceptual=0.0)
    rank: int = 16
    adversarial: float = 5e-4
    cohesion: float = 0.02
    probability: float = 0.9
    batch: int = 4
    critic_lr: float = 1e-4
    locality: float = 0.0
    stop: float = 0.0

    def __post_init__(self) -> None:
        at_least("rank", self.rank, 0)
        at_least("batch", self.batch, 2)
        positive("critic_lr", self.critic_lr)
        for name in ("adversarial", "cohesion", "locality", "stop"):
            not_negative(name, getattr(self, name))
        if not 0 < self.probability <= 1:
            raise UsageError(f"probability cannot be {self.probability:g}", hint="choose one above 0, and not above 1")


PTI = FineTuningSettings(
    "pti",
    Optimization(350, 3e-4, "constant", warmup=0.0),
    Objective(perceptual=0.0, lpips=1.0, perceptual_every=1),
    rank=0,
    adversarial=0.0,
    cohesion=0.0,
    locality=0.1,
)
PTI_PAPER = replace(PTI, stop=0.06)
REFINEMENTS: Mapping[Refinement, FineTuningSettings] = {"near-perfect": FineTuningSettings(), "pti": PTI}
"""Fine-tuning that can follow any inversion."""
_BY_PARTS = Optimization(120, 1e-4, parts=2)
_DETAILED = Objective(perceptual=0.0, lpips=0.2, perceptual_every=1, side=256)
_STYLED: Mapping[Refinement, FineTuningSettings] = {
    "near-perfect": FineTuningSettings(optimization=_BY_PARTS, objective=replace(_DETAILED, pixel=0.0, laplacian=0.3)),
    "pti": replace(PTI, optimization=_BY_PARTS, objective=_DETAILED, rank=16, locality=0.0),
}
"""Ten times the rate made images of noise, and without LPIPS they got a tenth of noise."""


def refinement(kind: Refinement, *, styled: bool) -> FineTuningSettings:
    """Fine-tuning of a kind, for style-based generators if `styled`: fewer steps, each of which looks at a part."""
    return (_STYLED if styled else REFINEMENTS)[kind]
