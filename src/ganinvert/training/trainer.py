"""The two networks, their optimisers and everything random, one step at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ganinvert.devices import autocast
from ganinvert.generators.pggan import PGGANArchitecture
from ganinvert.settings import Training
from ganinvert.training.augmentation import Strength, augment
from ganinvert.training.data import Batches
from ganinvert.training.features import FeatureHeads
from ganinvert.training.losses import (
    discriminator_loss,
    generator_loss,
    gradient_penalty,
    hinge_loss,
    r1_penalty,
)
from ganinvert.training.networks import GrowingDiscriminator, GrowingGenerator, Stage, shrink

logger = logging.getLogger(__name__)

R1_EVERY = 8
"""Steps between R1 penalties, which weigh as much more (lazy regularisation, Karras et al. 2019)."""

FEATURES_FROM = 32
"""Pixels from which the feature heads judge too: AlexNet sees little in smaller images, and costs as much."""

EMA_RAMP = 0.05
"""The averaged generator's half-life is no longer than this share of the images shown so far."""


@dataclass(frozen=True)
class Losses:
    """Of one step. The tensors stay on the device: reading a value is what costs a wait.

    Attributes:
        generator: Scalar.
        discriminator: Scalar, with the penalty in the steps that have one.
    """

    generator: Tensor
    discriminator: Tensor


class Trainer:
    """Generator, averaged generator, discriminator and feature heads at the state after `shown` images.

    Args:
        settings: Of the training.
        architecture: Of the generator; the discriminator mirrors it.
        pixels: (n, 3, r, r) uint8 training images.
        device: Where to compute.
        dtype: What convolutions compute in; parameters are float32.
    """

    def __init__(
        self,
        settings: Training,
        architecture: PGGANArchitecture,
        pixels: Tensor,
        *,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.settings, self.architecture, self.device, self.dtype = settings, architecture, device, dtype
        self.shown = self.steps = 0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            self.generator = GrowingGenerator(architecture).to(device).to(memory_format=torch.channels_last)
            self.discriminator = GrowingDiscriminator(architecture).to(device).to(memory_format=torch.channels_last)
            self.heads = FeatureHeads().to(device).to(memory_format=torch.channels_last) if settings.features else None
        self.average = (
            GrowingGenerator(architecture).to(device).to(memory_format=torch.channels_last).requires_grad_(False)
        )
        self.average.load_state_dict(self.generator.state_dict())
        self.batches = Batches(pixels, settings.batch, flip=settings.flip, seed=settings.seed, device=device)
        self.strength = Strength(settings.augmentation, device)
        self.rng = torch.Generator(device).manual_seed(settings.seed)
        judges = [*self.discriminator.parameters(), *(self.heads.heads.parameters() if self.heads else ())]
        self.generator_optimizer = self._adam(list(self.generator.parameters()))
        self.discriminator_optimizer = self._adam(judges)
        self._compiled: tuple[Callable[..., Tensor], Callable[..., Tensor]] | None = None

    @property
    def stage(self) -> Stage:
        """How far the networks have grown."""
        return Stage.after(self.shown, self.settings, self.architecture.resolution)

    def compile(self) -> None:
        """Compile both networks once they are grown, as far as no gradient of a gradient is needed.

        While they grow every stage would be compiled anew, for longer than it lasts.
        """
        self._compiled = _guarded(self.generator), _guarded(self.discriminator)

    def step(self, *, generator_learns: bool = True) -> Losses:
        """Show both networks one batch.

        Args:
            generator_learns: False while a new discriminator catches up with a generator that is trained already.
        """
        stage = self.stage
        fade = None if stage.fade == 1 else torch.full((), stage.fade, device=self.device)
        real = shrink(self.batches.at(self.shown), stage).contiguous(memory_format=torch.channels_last)
        with autocast(self.device, self.dtype):
            with torch.set_grad_enabled(generator_learns):
                fake = self._make(self._codes(), stage, fade)
            judged = self._discriminator_step(real, fake.detach(), fade)
            if generator_learns:
                made = self._generator_step(fake, fade)
                self._average()
            else:
                made = torch.zeros_like(judged)
        self.steps += 1
        self.shown += len(real)
        return Losses(made, judged)

    @torch.no_grad()
    def samples(self, z: Tensor) -> Tensor:
        """Images of the averaged generator at the present stage, enlarged to the last one: codes (n, z) on any device.

        Returns:
            (n, 3, r, r) float32 on the CPU, about [-1, 1].
        """
        stage = self.stage
        fade = None if stage.fade == 1 else torch.full((), stage.fade, device=self.device)
        with autocast(self.device, self.dtype):
            images: Tensor = self.average(z.to(self.device), stage.resolution, fade)
        factor = self.architecture.resolution // stage.resolution
        return images.float().repeat_interleave(factor, 2).repeat_interleave(factor, 3).cpu()

    def is_finite(self) -> bool:
        """Whether all parameters are finite numbers; waits for the device."""
        parameters = [*self.generator.parameters(), *self.discriminator.parameters()]
        return bool(torch.stack([parameter.detach().sum() for parameter in parameters]).isfinite().all())

    def state(self) -> dict[str, Any]:
        """Everything that the following steps depend on, as plain tensors, strings and numbers."""
        modules = self._modules()
        return {
            "shown": self.shown,
            "steps": self.steps,
            "rng": self.rng.get_state(),
            "strength": self.strength.state(),
            **{name: module.state_dict() for name, module in modules.items()},
            "generator_optimizer": self.generator_optimizer.state_dict(),
            "discriminator_optimizer": self.discriminator_optimizer.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take what `state` gave; the same steps follow, bit for bit on the CPU with as many threads."""
        for name, module in self._modules().items():
            module.load_state_dict(state[name])
        self.generator_optimizer.load_state_dict(state["generator_optimizer"])
        self.discriminator_optimizer.load_state_dict(state["discriminator_optimizer"])
        self.strength.restore(state["strength"])
        self.rng.set_state(state["rng"])
        self.shown, self.steps = state["shown"], state["steps"]

    def _discriminator_step(self, real: Tensor, fake: Tensor, fade: Tensor | None) -> Tensor:
        settings = self.settings
        real, fake = (self._augmented(images) for images in (real, fake))
        scores = self._judge(real, fade)
        loss = discriminator_loss(scores, self._judge(fake, fade), settings.loss)
        self.strength.observe(scores)
        if settings.loss == "wgan-gp":
            loss = loss + gradient_penalty(lambda x: self.discriminator(x, fade), real, fake, self.rng)
        elif self.steps % R1_EVERY == 0:
            loss = loss + settings.r1 * R1_EVERY * r1_penalty(lambda x: self.discriminator(x, fade), real)
        if self.heads is not None and real.shape[-1] >= FEATURES_FROM:
            loss = loss + hinge_loss(self.heads(real), self.heads(fake))
        self.discriminator_optimizer.zero_grad()
        loss.backward()
        self.discriminator_optimizer.step()
        return loss.detach()

    def _generator_step(self, fake: Tensor, fade: Tensor | None) -> Tensor:
        shown = self._augmented(fake)
        self._judges_learn(False)
        loss = generator_loss(self._judge(shown, fade), self.settings.loss)
        if self.heads is not None and shown.shape[-1] >= FEATURES_FROM:
            loss = loss - self.settings.features * self.heads(shown).mean()
        self.generator_optimizer.zero_grad()
        loss.backward()
        self.generator_optimizer.step()
        self._judges_learn(True)
        return loss.detach()

    def _make(self, z: Tensor, stage: Stage, fade: Tensor | None) -> Tensor:
        grown = fade is None and stage.resolution == self.architecture.resolution
        network = self._compiled[0] if self._compiled is not None and grown else self.generator
        images: Tensor = network(z, stage.resolution, fade)
        return images

    def _judge(self, images: Tensor, fade: Tensor | None) -> Tensor:
        grown = fade is None and images.shape[-1] == self.architecture.resolution
        network = self._compiled[1] if self._compiled is not None and grown else self.discriminator
        scores: Tensor = network(images, fade)
        return scores

    def _augmented(self, images: Tensor) -> Tensor:
        if self.settings.augmentation == "none":
            return images
        return augment(images, self.strength.probability, self.rng)

    def _judges_learn(self, learn: bool) -> None:
        """Spare the gradients of parameters that a step does not change."""
        self.discriminator.requires_grad_(learn)
        if self.heads is not None:
            self.heads.heads.requires_grad_(learn)

    @torch.no_grad()
    def _average(self) -> None:
        half_life = min(self.settings.ema_images, EMA_RAMP * self.shown)
        keep = 0.5 ** (self.settings.batch / max(half_life, 1e-8))
        pairs = zip(self.average.parameters(), self.generator.parameters(), strict=True)
        for averaged, parameter in pairs:
            averaged.lerp_(parameter, 1 - keep)

    def _codes(self) -> Tensor:
        size = (self.settings.batch, self.architecture.latent_dim)
        return torch.randn(size, generator=self.rng, device=self.device)

    def _adam(self, parameters: list[nn.Parameter]) -> torch.optim.Adam:
        return torch.optim.Adam(
            parameters, lr=self.settings.lr, betas=(0.0, 0.99), eps=1e-8, fused=self.device.type == "cuda"
        )

    def _modules(self) -> dict[str, nn.Module]:
        modules: dict[str, nn.Module] = {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "average": self.average,
        }
        # AlexNet itself never changes.
        heads = {} if self.heads is None else {"heads": self.heads.heads, "mixers": self.heads.mixers}
        return modules | heads


def _guarded(module: nn.Module) -> Callable[..., Tensor]:
    """The module compiled, or as it is once that turns out to be impossible."""
    compiled = torch.compile(module)

    def call(*arguments: Any) -> Tensor:
        nonlocal compiled
        try:
            found: Tensor = compiled(*arguments)
        except Exception as error:  # of any compiler behind it; a real error comes again from the module itself
            logger.warning("runs without torch.compile, which failed: %s", error)
            compiled = module
            found = module(*arguments)
        return found

    return call
