"""A discriminator that learns while a generator is tuned, and keeps it to real images."""

from __future__ import annotations

from copy import deepcopy
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor

from ganinvert.errors import WeightsError
from ganinvert.generators import Discriminator, Generator, load_discriminator
from ganinvert.settings import FineTuningSettings

_DISCRIMINATORS: WeakKeyDictionary[Generator, Discriminator] = WeakKeyDictionary()


def discriminator_of(generator: Generator, given: Discriminator | None = None) -> Discriminator:
    """Load the frozen discriminator of a generator, on its device, or check the given one.

    Raises WeightsError if there is none, or it is for images of another size, or belongs to another generator.
    """
    if given is None:
        if generator not in _DISCRIMINATORS:
            _DISCRIMINATORS[generator] = load_discriminator(generator.file or generator.name)
        given = _DISCRIMINATORS[generator]
    if given.resolution != generator.resolution:
        raise WeightsError(
            f"the discriminator is for images of {given.resolution} pixels, not {generator.resolution}",
            hint="use the one that was trained with the generator",
        )
    if given.digest not in ("", generator.digest):
        raise WeightsError(
            f"the discriminator of that name belongs to another generator than {generator.name}",
            hint="give the generator's file another name",
        )
    return given.to(next(generator.parameters()).device)


class AdversarialLoss:
    """Terms of near-perfect inversion that need a discriminator D.

    Local: log D(x) + log(1 - D(x̂)), for the photo x and its image x̂; global: E log D(x) + E log(1 - D(G(z))). The
    generator minimises -log D instead of log(1 - D), which has a gradient where D is sure (Goodfellow et al. 2014).
    All images of a step share a batch, so that D's statistics of the minibatch are those it was trained with.

    D is copied from `discriminator`; `target` is the photo, (1, 3, r, r) in [-1, 1]; `reals` are real images
    (n, 3, r, r) uint8, or None for samples of the shared generator, which has no deltas.
    """

    def __init__(
        self,
        generator: Generator,
        discriminator: Discriminator,
        settings: FineTuningSettings,
        *,
        target: Tensor,
        reals: Tensor | None,
    ) -> None:
        self.generator, self.settings, self.target, self.reals = generator, settings, target, reals
        self.critic = deepcopy(discriminator)
        # A trained D tells samples from photos before anything is tuned, and would drive all samples away. With a last
        # layer of 0 it starts impartial, and learns only the changes of the tuning.
        self.critic.reset_head()
        self.optimizer = torch.optim.Adam(self.critic.parameters(), lr=settings.critic_lr, betas=(0.0, 0.99))
        self.z = torch.empty(0)

    def learn(self, tuned: Generator, image: Tensor, *, local: bool, rng: torch.Generator) -> None:
        """Draw a batch, and take one step of D; `local` includes the photo and its image (1, 3, r, r)."""
        self.z = self.generator.space().sample(self.settings.batch - 1, rng).to(self.target.device)
        with torch.no_grad():
            fake = torch.cat([tuned(self.z), image])
            real = torch.cat([self._real(rng), self.target])  # samples that stand in have the same codes
        self.critic.requires_grad_(True)
        loss = self._weighted(F.softplus(-self.critic(real)) + F.softplus(self.critic(fake)), local=local)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.critic.requires_grad_(False)

    def penalty(self, tuned: Generator, image: Tensor, *, local: bool) -> Tensor:
        """Compute the generator's loss on the batch of this step, (1,)."""
        return self._weighted(F.softplus(-self.critic(torch.cat([tuned(self.z), image]))), local=local)[None]

    def _weighted(self, losses: Tensor, *, local: bool) -> Tensor:
        """Weigh the global term, of all images but the last, and the local one, of the photo."""
        total = self.settings.cohesion * losses[:-1].mean()
        return total + self.settings.adversarial * losses[-1] if local else total

    def _real(self, rng: torch.Generator) -> Tensor:
        if self.reals is None:
            sampled: Tensor = self.generator(self.z)
            return sampled
        picked = torch.randint(len(self.reals), (self.settings.batch - 1,), generator=rng)
        return self.reals[picked.to(self.reals.device)].to(self.target.device).float() / 127.5 - 1
