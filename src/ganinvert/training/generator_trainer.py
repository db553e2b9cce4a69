"""Generator against discriminator, one step at a time."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ganinvert.devices import autocast
from ganinvert.generators.pggan import PGGANArchitecture
from ganinvert.settings import Training
from ganinvert.training.augmentation import Strength, augment
from ganinvert.training.batches import Batches
from ganinvert.training.features import FeatureHeads
from ganinvert.training.growing import GrowingDiscriminator, GrowingGenerator, Stage, shrink
from ganinvert.training.loop import Trainer
from ganinvert.training.losses import discriminator_loss, generator_loss, gradient_penalty, hinge_loss, r1_penalty

logger = logging.getLogger(__name__)

R1_EVERY = 8
"""Steps between R1 penalties, which weigh as much more (lazy regularisation, Karras et al. 2019)."""

FEATURES_FROM = 32
"""Least resolution at which the feature heads judge: AlexNet sees little in smaller images, at the same cost."""

EMA_RAMP = 0.05
"""Longest half-life of the averaged generator, as a share of the images seen so far."""


class GeneratorTrainer(Trainer):
    """Generator, averaged generator, discriminator and feature heads, for training images (n, 3, r, r), uint8.

    A new discriminator sees `head_start` images before a generator that is trained already learns too.
    """

    curves = ("generator", "discriminator", "augmentation probability")
    settings: Training
    head_start = 0

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
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            self.generator, self.discriminator = GrowingGenerator(architecture), GrowingDiscriminator(architecture)
            self.heads = FeatureHeads() if settings.features else None
        for network in filter(None, (self.generator, self.discriminator, self.heads)):
            network.to(device).to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        self.batches = Batches(pixels, settings.batch, flip=settings.flip, seed=settings.seed, device=device)
        self.strength = Strength(settings.augmentation, device)
        self.rng = torch.Generator(device).manual_seed(settings.seed)
        judges = [*self.discriminator.parameters(), *(self.heads.heads.parameters() if self.heads else ())]
        self.generator_optimizer = self._adam(list(self.generator.parameters()))
        self.discriminator_optimizer = self._adam(judges)
        self._compiled: tuple[Callable[..., Tensor], Callable[..., Tensor]] | None = None
        self.network = self.samples
        self.parts = {  # AlexNet itself never changes
            "generator": self.generator,
            "discriminator": self.discriminator,
            "average": self.average,
            "generator_optimizer": self.generator_optimizer,
            "discriminator_optimizer": self.discriminator_optimizer,
            "strength": self.strength,
        }
        if self.heads is not None:
            self.parts |= {"heads": self.heads.heads, "mixers": self.heads.mixers}

    @property
    def stage(self) -> str:
        """Resolution of the networks, and how much of the newest block is faded in."""
        return str(self._stage)

    def compile(self) -> None:
        """Compile both networks once they are grown, as far as no gradient of a gradient is needed.

        While they grow every stage would be compiled anew, for longer than it lasts.
        """
        self._compiled = _guarded(self.generator), _guarded(self.discriminator)

    def step(self) -> dict[str, Tensor]:
        """Show both networks one batch; returns both losses and the probability of augmentation."""
        generator_learns = self.images_seen >= self.head_start
        stage, fade = self._stage, self._fade()
        real = shrink(self.batches.at(self.images_seen), stage).contiguous(memory_format=torch.channels_last)
        with autocast(self.device, self.dtype):
            with torch.set_grad_enabled(generator_learns):
                codes = torch.randn(len(real), self.architecture.latent_dim, generator=self.rng, device=self.device)
                fake = self._network(0, stage.resolution, fade)(codes, stage.resolution, fade)
            loss_d = self._discriminator_step(real, fake.detach(), fade)
            if generator_learns:
                loss_g = self._generator_step(fake, fade)
                self._average()
            else:
                loss_g = torch.zeros_like(loss_d)
        self.steps += 1
        self.images_seen += len(real)
        return dict(zip(self.curves, (loss_g, loss_d, self.strength.probability), strict=True))

    @torch.no_grad()
    def samples(self, z: Tensor) -> Tensor:
        """Images of the averaged generator at the present stage, enlarged to the last one.

        Codes (n, z) on any device become (n, 3, r, r) float32 on the CPU, about [-1, 1].
        """
        resolution = self._stage.resolution
        with autocast(self.device, self.dtype):
            images: Tensor = self.average(z.to(self.device), resolution, self._fade())
        factor = self.architecture.resolution // resolution
        return images.float().repeat_interleave(factor, 2).repeat_interleave(factor, 3).cpu()

    def state(self) -> dict[str, Any]:
        """The state of every trainer, and the architecture and head start of this one."""
        return {**super().state(), "channels": list(self.architecture.channels), "head_start": self.head_start}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take a result of `state`."""
        super().restore(state)
        self.head_start = state["head_start"]

    @property
    def _stage(self) -> Stage:
        return Stage.after(self.images_seen, self.settings, self.architecture.resolution)

    def _fade(self) -> Tensor | None:
        fade = self._stage.fade
        return None if fade == 1 else torch.full((), fade, device=self.device)

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
        images = self._augmented(fake)
        self._judges_learn(False)
        loss = generator_loss(self._judge(images, fade), self.settings.loss)
        if self.heads is not None and images.shape[-1] >= FEATURES_FROM:
            loss = loss - self.settings.features * self.heads(images).mean()
        self.generator_optimizer.zero_grad()
        loss.backward()
        self.generator_optimizer.step()
        self._judges_learn(True)
        return loss.detach()

    def _network(self, index: int, resolution: int, fade: Tensor | None) -> Callable[..., Tensor]:
        """Generator (0) or discriminator (1), compiled if that was asked for and they are grown."""
        if self._compiled is not None and fade is None and resolution == self.architecture.resolution:
            return self._compiled[index]
        return (self.generator, self.discriminator)[index]

    def _judge(self, images: Tensor, fade: Tensor | None) -> Tensor:
        scores: Tensor = self._network(1, images.shape[-1], fade)(images, fade)
        return scores

    def _augmented(self, images: Tensor) -> Tensor:
        if self.settings.augmentation == "none":
            return images
        return augment(images, self.strength.probability, self.rng)

    def _judges_learn(self, learn: bool) -> None:
        """Switch gradients of the discriminators, which a generator step need not compute."""
        self.discriminator.requires_grad_(learn)
        if self.heads is not None:
            self.heads.heads.requires_grad_(learn)

    @torch.no_grad()
    def _average(self) -> None:
        half_life = min(self.settings.ema_images, EMA_RAMP * self.images_seen)
        keep = 0.5 ** (self.settings.batch / max(half_life, 1e-8))
        for averaged, parameter in zip(self.average.parameters(), self.generator.parameters(), strict=True):
            averaged.lerp_(parameter, 1 - keep)

    def _adam(self, parameters: list[nn.Parameter]) -> torch.optim.Adam:
        return torch.optim.Adam(parameters, self.settings.lr, (0.0, 0.99), fused=self.device.type == "cuda")


def _guarded(module: nn.Module) -> Callable[..., Tensor]:
    """The module compiled, or as it is once that turns out to be impossible."""
    compiled: Callable[..., Any] = torch.compile(module)

    def call(*arguments: Any) -> Any:
        nonlocal compiled
        try:
            return compiled(*arguments)
        except Exception as error:  # of any compiler behind it; a real error comes again from the module itself
            logger.warning("runs without torch.compile, which failed: %s", error)
            compiled = module
            return module(*arguments)

    return call
