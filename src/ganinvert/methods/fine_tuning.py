"""Fine-tuning of the generator for one photo: near-perfect inversion (the slides) and pivotal tuning (PTI)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ganinvert.degradations import Degradation
from ganinvert.errors import UsageError
from ganinvert.generators import Activations, Discriminator, Generator, View, apply_deltas
from ganinvert.losses import TargetLoss, lpips_loss, pixel_loss
from ganinvert.methods.adversarial import AdversarialLoss, discriminator_of
from ganinvert.methods.base import Code
from ganinvert.methods.weight_deltas import TuningCode, WeightDeltas
from ganinvert.settings import FineTuningSettings

LOCALITY_SHARE = 0.5
"""Step of the locality term from the pivot to a random code's features; PTI's step of 30 is for StyleGAN's W."""


@dataclass(frozen=True)
class FineTuning:
    """Tune the layers after the pivot's.

    Attributes:
        settings: Terms, their weights, and the size of the changes.
        discriminator: Initial discriminator of the terms that need one; None for the generator's own.
        reals: Real images (n, 3, r, r) uint8, for the global term.
    """

    settings: FineTuningSettings
    discriminator: Discriminator | None = None
    reals: Tensor | None = None

    def start(
        self, generator: Generator, pivot: Code, y: Tensor, degradation: Degradation, *, seed: int
    ) -> FineTunedCode:
        """Create the code of a pivot, which stays as it is, with weight deltas of 0; see `Method.start`.

        Raises UsageError also for real images of another size than the generator's.
        """
        FineTunedCode.require_one(y)
        settings, adversary = self.settings, None
        shape = (3, generator.resolution, generator.resolution)
        if self.reals is not None and self.reals.shape[1:] != shape:
            raise UsageError(
                f"real images of shape {tuple(self.reals.shape[1:])} are no images of the generator",
                hint=f"bring them to {shape}",
            )
        if settings.adversarial or settings.cohesion:
            adversary = AdversarialLoss(
                generator,
                discriminator_of(generator, self.discriminator),
                settings,
                target=degradation.guess(y).expand(-1, 3, -1, -1),
                reals=self.reals,
            )
        rng = torch.Generator().manual_seed(seed)
        changes = WeightDeltas(generator.weights_after(pivot.layer), rank=settings.rank, rng=rng)
        stop = lpips_loss(y) if settings.stop else None
        with torch.no_grad():
            features = pivot.compose(generator).map(Tensor.float)
        return FineTunedCode(pivot, features, changes, settings, adversary=adversary, stop=stop, seed=seed)


class FineTunedCode(TuningCode):
    """A fixed code, the pivot, with its activations, and deltas of the weights after its layer, the variables.

    The tuning ends at settings.stop of the LPIPS `stop` to the measurement, if that is given. Each step has its own
    random seed, of `seed` and the step's number.
    """

    def __init__(
        self,
        pivot: Code,
        features: Activations,
        changes: WeightDeltas,
        settings: FineTuningSettings,
        *,
        adversary: AdversarialLoss | None = None,
        stop: TargetLoss | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.pivot, self.changes, self.layer = pivot.requires_grad_(False), changes, pivot.layer
        self.settings, self.adversary, self.seed = settings, adversary, seed
        self.kind, self.space, self.features = pivot.kind, pivot.space, features
        self.whole_image_only = adversary is not None or stop is not None
        self._stop, self._rng, self._local = stop, torch.Generator(), True
        self._view: View | None = None
        self._fixed = pivot.deltas(0)
        """Deltas of the pivot, which stay."""
        self._ended: tuple[Tensor, dict[str, Tensor]] | None = None
        """Image and deltas when the tuning ended before its last step."""

    def tuned(self, generator: Generator) -> Generator:
        """Return the generator with the present deltas, differentiable in them."""
        return apply_deltas(generator, {**self._fixed, **self.changes.named()})

    def compose(self, generator: Generator) -> Activations:  # noqa: ARG002  (the layers before are as they were)
        """Return the activations of the pivot, which do not change."""
        return self.features

    def render(self, generator: Generator, view: View | None = None) -> Tensor:
        """Render the image (1, 3, r, r) or a view of it, without gradient while the local terms are off."""
        if self._ended is not None:
            return self._ended[0]
        self._view = view
        image = self.tuned(generator).synthesize(self.features, self.layer, view)
        return image if self._local else image.detach()

    def on_step_start(self, generator: Generator, index: int, steps: int) -> bool:  # noqa: ARG002
        """Draw the random numbers of the step, and train the discriminator."""
        # A generator's seed is 64 bits; steps of neighbouring seeds must not be the same ones.
        self._rng.manual_seed((self.seed * 1_000_003 + index) % 2**63)
        if self._ended is not None or self.adversary is None:
            return False
        on = torch.rand((), generator=self._rng) < self.settings.probability
        self._local = bool(on) or not self.settings.cohesion
        with torch.no_grad():
            tuned = self.tuned(self.adversary.generator)
            image = tuned.synthesize(self.features, self.layer)
        self.adversary.learn(tuned, image, local=self._local, rng=self._rng)
        return False

    def penalty(self, generator: Generator, x: Tensor) -> Tensor | None:
        """Compute the terms with a discriminator, and PTI's locality, (1,)."""
        if self._ended is not None:
            return None
        if self._stop is not None and bool(self._distance(x) <= self.settings.stop):
            deltas = {name: value.detach().clone() for name, value in self.changes.named_parameters()}
            self._ended = x.detach().clone().requires_grad_(), deltas
            return None
        terms = []
        if self.adversary is not None:
            terms.append(self.adversary.penalty(self.tuned(generator), x, local=self._local))
        if self.settings.locality:
            terms.append(self.settings.locality * self._locality(generator))
        return torch.stack(terms).sum(dim=0) if terms else None

    @torch.no_grad()
    def project_(self, generator: Generator) -> None:  # noqa: ARG002
        """Restore the deltas of the end of the tuning, if it has ended."""
        if self._ended is not None:
            for name, value in self.changes.named_parameters():
                value.copy_(self._ended[1][name])

    def on_end(self, losses: Tensor, steps: int) -> None:
        """Round the deltas, and render with all terms."""
        super().on_end(losses, steps)
        self._ended, self._local = None, True

    def tensors(self, image: int) -> dict[str, Tensor]:
        """Return the tensors of the pivot."""
        return self.pivot.tensors(image)

    def deltas(self, image: int) -> dict[str, Tensor]:
        """Return the deltas for a bundle, with those of the pivot."""
        return {**self._fixed, **super().deltas(image)}

    @torch.no_grad()
    def _distance(self, x: Tensor) -> Tensor:
        assert self._stop is not None
        return self._stop(x)[0]

    def _locality(self, generator: Generator) -> Tensor:
        """Compute the change of images near the pivot in the last view, L2 + LPIPS (Roich et al. 2021, eq. 4), (1,)."""
        z = generator.space().sample(1, self._rng).to(self.features.features.device)
        with torch.no_grad():
            other = generator.features(z, self.layer).map(Tensor.float)
            near = self.features.lerp(other, LOCALITY_SHARE)
            before = generator.synthesize(near, self.layer, self._view).float()
        now = self.tuned(generator).synthesize(near, self.layer, self._view).float()
        return pixel_loss(now, before) + lpips_loss(before)(now)
