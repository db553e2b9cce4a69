"""Settings of the discovery of subspaces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ganinvert.settings.common import DiscoveryPreset, Schedule, at_least, positive, require_seed, scheduled_rate


@dataclass(frozen=True)
class Discovery:
    """Learning of the self-expression matrix S (PmSFC eq. 5, algorithm 1).

    Attributes:
        layer: Layer whose channels are grouped.
        steps: Number of Adam steps.
        lr: Adam's learning rate.
        schedule: Schedule of the learning rate.
        batch: Number of codes sampled per step (the paper does not say; the authors' program takes 4).
        moment_codes: Number of codes for the expectation of the feature loss; 0 uses each step's batch, as the paper.
        image_weight: Weight λ of the loss in image space.
        sparsity_weight: Weight μ of ‖S‖₁.
        seed: Random seed of the sampled codes.
    """

    layer: int = 3
    steps: int = 400
    lr: float = 3e-3
    schedule: Schedule = "cosine"
    batch: int = 2
    moment_codes: int = 2048
    image_weight: float = 10.0
    sparsity_weight: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        at_least("steps", self.steps, 1)
        at_least("batch", self.batch, 1)
        require_seed(self.seed)
        positive("lr", self.lr)

    def rate(self, index: int) -> float:
        """Learning rate of step `index`."""
        return scheduled_rate(index, self.steps, lr=self.lr, schedule=self.schedule)


DISCOVERY: Mapping[DiscoveryPreset, Discovery] = {
    "default": Discovery(),
    "paper": Discovery(steps=3000, lr=1e-4, schedule="constant", batch=4, moment_codes=0),
}
