"""Deep generative prior (Pan et al. 2020): the code and the generator's weights move together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganinvert.degradations import Degradation
from ganinvert.generators import Activations, Discriminator, Generator, View, apply_deltas
from ganinvert.methods.adversarial import discriminator_of
from ganinvert.methods.base import Method, to_bundle
from ganinvert.methods.weight_deltas import TuningCode, WeightDeltas
from ganinvert.settings import GenerativePrior

_CANDIDATES_AT_ONCE = 50
_COARSE = 3
"""Candidates are compared by so many of the discriminator's last maps, as in the authors' program."""


@dataclass(frozen=True)
class DeepGenerativePrior(Method):
    """One code, and deltas of all weights.

    Attributes:
        discriminator: Discriminator whose features are compared; that of the generator by default.
    """

    settings: GenerativePrior
    discriminator: Discriminator | None = None

    @torch.no_grad()
    def start(self, generator: Generator, y: Tensor, degradation: Degradation, *, seed: int) -> PriorCode:
        """The best of the candidates, and deltas of 0."""
        PriorCode.require_one(y)
        rng = torch.Generator().manual_seed(seed)
        distance = FeatureDistance(discriminator_of(generator, self.discriminator), degradation, y)
        z = generator.space().sample(self.settings.candidates, rng).to(y.device)
        distances = [distance(generator(part), last=_COARSE) for part in z.split(_CANDIDATES_AT_ONCE)]
        best = z[torch.cat(distances).argmin()][None].clone()
        changes = WeightDeltas(generator.weights_after(0), rank=self.settings.rank, rng=rng)
        return PriorCode(best, changes, self.settings, distance, layers=generator.num_layers)


class FeatureDistance:
    """Σ over maps of the discriminator of the mean absolute difference to those of a measurement, seen as an image."""

    def __init__(self, discriminator: Discriminator, degradation: Degradation, y: Tensor) -> None:
        self.discriminator, self.degradation = discriminator, degradation
        with torch.no_grad():
            self.target = self._features(y)

    def __call__(self, image: Tensor, *, last: int | None = None) -> Tensor:
        """Images (n, 3, r, r) to distances (n,), by the `last` maps or all."""
        pairs = list(zip(self._features(self.degradation(image.float())), self.target, strict=True))
        pairs = pairs[-(last or len(pairs)) :]
        return torch.stack([(a - b).abs().flatten(1).mean(dim=1) for a, b in pairs]).sum(dim=0)

    def _features(self, measurement: Tensor) -> list[Tensor]:
        return self.discriminator.features(self.degradation.guess(measurement).expand(-1, 3, -1, -1))


class PriorCode(TuningCode):
    """A code z (1, *shape), and deltas of all weights of a generator of so many layers."""

    kind = "latent"
    layer = 0
    whole_image_only = True

    def __init__(
        self, z: Tensor, changes: WeightDeltas, settings: GenerativePrior, distance: FeatureDistance, *, layers: int
    ) -> None:
        super().__init__()
        self.z, self.changes = nn.Parameter(z), changes
        self.settings, self._distance, self._layers = settings, distance, layers
        self._fixed: int | None = None
        """The weights after this layer are not tuned yet; None: all are."""

    def compose(self, generator: Generator) -> Activations:
        """Activations of layer 0, before which nothing is tuned."""
        return generator.begin(generator.styles(self.z, self.space))

    def render(self, generator: Generator, view: View | None = None) -> Tensor:
        """Images (1, 3, r, r) of the generator as far as it is tuned."""
        fixed = generator.weights_after(self._fixed) if self._fixed is not None else {}
        return apply_deltas(generator, self.changes.named(but=fixed)).synthesize(self.compose(generator), 0, view)

    def penalty(self, generator: Generator, x: Tensor) -> Tensor | None:  # noqa: ARG002  (x is what it made)
        """The discriminator's features, (1,)."""
        return self.settings.features * self._distance(x) if self.settings.features else None

    def rates(self) -> Mapping[str, float]:
        """The weights move at their own rate."""
        return {name: 1.0 if name == "z" else self.settings.weight_rate for name, _ in self.named_parameters()}

    def on_step_start(self, generator: Generator, index: int, steps: int) -> bool:  # noqa: ARG002
        """In stage s of S, the first s/S of the layers are tuned; in the last, all, and what makes the image."""
        stage = index * self.settings.stages // steps + 1
        fixed = None if stage >= self.settings.stages else self._layers * stage // self.settings.stages
        # Moments that have counted steps without a gradient would let the first ones that have it run.
        changed, self._fixed = index > 0 and fixed != self._fixed, fixed
        return changed

    def on_end(self, losses: Tensor, steps: int) -> None:
        """Round the deltas, and tune all weights."""
        super().on_end(losses, steps)
        self._fixed = None

    def tensors(self, image: int) -> dict[str, Tensor]:
        """The code z."""
        return {"z": to_bundle(self.z[image])}
