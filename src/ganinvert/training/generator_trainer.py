"""Generator against discriminator, one step at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
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
from ganinvert.training.losses import (
    discriminator_loss,
    generator_loss,
    gradient_penalty,
    hinge_loss,
    r1_penalty,
)

logger = logging.getLogger(__name__)

R1_EVERY = 8
"""Steps between R1 penalties, which weigh as much more (lazy regularisation, Karras et al. 2019)."""

FEATURES_FROM = 32
"""Least resolution at which the feature heads judge: AlexNet sees little in smaller images, at the same cost."""

EMA_RAMP = 0.05
"""Longest half-life of the averaged generator, as a share of the images seen so far."""


class GeneratorTrainer(Trainer):
    """Generator, averaged generator, discriminator and feature heads.

    Args:
        settings: Settings of the training.
        architecture: Architecture of the generator, which the discriminator mirrors.
        pixels: Training images (n, 3, r, r), uint8.
        device: Device to compute on.
        dtype: Precision of the convolutions; parameters are float32.

    Attributes:
        head_start: Images that a new discriminator sees before a generator that is trained already learns too.
    """

    curves = ("generator", "discriminator", "augmentation probability")
    settings: Training

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
        self.head_start = 0
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
    def stage(self) -> str:
        """Resolution of the networks, and how much of the newest block is faded in."""
        return str(self._stage)

    @property
    def network(self) -> Callable[[Tensor], Tensor]:
        """`samples`, by which the averaged generator is measured."""
        return self.samples

    @property
    def learning(self) -> Sequence[nn.Module]:
        """Generator and discriminator."""
        return self.generator, self.discriminator

    def compile(self) -> None:
        """Compile both networks once they are grown, as far as no gradient of a gradient is needed.

        While they grow every stage would be compiled anew, for longer than it lasts.
        """
        self._compiled = _guarded(self.generator), _guarded(self.discriminator)

    def step(self) -> dict[str, Tensor]:
        """Show both networks one batch; returns both losses and the probability of augmentation."""
        generator_learns = self.images_seen >= self.head_start
        stage = self._stage
        fade = None if stage.fade == 1 else torch.full((), stage.fade, device=self.device)
        real = shrink(self.batches.at(self.images_seen), stage).contiguous(memory_format=torch.channels_last)
        with autocast(self.device, self.dtype):
            with torch.set_grad_enabled(generator_learns):
                fake = self._make(self._codes(), stage, fade)
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
        """Images of the averaged generator at the present stage, enlarged to the last one: codes (n, z) on any device.

        Returns:
            (n, 3, r, r) float32 on the CPU, about [-1, 1].
        """
        stage = self._stage
        fade = None if stage.fade == 1 else torch.full((), stage.fade, device=self.device)
        with autocast(self.device, self.dtype):
            images: Tensor = self.average(z.to(self.device), stage.resolution, fade)
        factor = self.architecture.resolution // stage.resolution
        return images.float().repeat_interleave(factor, 2).repeat_interleave(factor, 3).cpu()

    def parts(self) -> Mapping[str, Any]:
        """Networks, optimisers and the strength of augmentation; AlexNet itself never changes."""
        heads = {} if self.heads is None else {"heads": self.heads.heads, "mixers": self.heads.mixers}
        return {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "average": self.average,
            "generator_optimizer": self.generator_optimizer,
            "discriminator_optimizer": self.discriminator_optimizer,
            "strength": self.strength,
            **heads,
        }

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
        """Switch gradients of the discriminators, which a generator step need not compute."""
        self.discriminator.requires_grad_(learn)
        if self.heads is not None:
            self.heads.heads.requires_grad_(learn)

    @torch.no_grad()
    def _average(self) -> None:
        half_life = min(self.settings.ema_images, EMA_RAMP * self.images_seen)
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


def _guarded(module: nn.Module) -> Callable[..., Tensor]:
    """The module compiled, or as it is once that turns out to be impossible."""
    compiled = torch.compile(module)

    def call(*arguments: Any) -> Tensor:
        nonlocal compiled
        try:
            images: Tensor = compiled(*arguments)
        except Exception as error:  # of any compiler behind it; a real error comes again from the module itself
            logger.warning("runs without torch.compile, which failed: %s", error)
            compiled = module
            images = module(*arguments)
        return images

    return call
