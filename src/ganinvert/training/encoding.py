"""Teaching an encoder: samples whose codes and features are known, and real images, one step at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ganinvert.devices import autocast
from ganinvert.generators import Generator, PGGANEncoder
from ganinvert.losses import pixel_loss
from ganinvert.settings import EncoderTraining
from ganinvert.training.data import Batches
from ganinvert.training.features import AlexNetFeatures
from ganinvert.weights import EncoderArchitecture

STATISTICS, STATISTICS_BATCH = 512, 16
"""Samples from which mean and standard deviation of the feature channels are taken, and how many at once."""

SMALLEST, LARGEST = 64, 224
"""Sides in pixels that AlexNet is shown."""


@dataclass(frozen=True)
class EncoderLosses:
    """Of one step, unweighted scalars. The tensors stay on the device: reading a value is what costs a wait.

    Attributes:
        code: 1 - cos(z, ẑ) of samples.
        features: Mean squared difference of their normalised features.
        pixel: Mean squared difference of images, rendered through features and through z in turn.
        perceptual: The same in AlexNet's features.
    """

    code: Tensor
    features: Tensor
    pixel: Tensor
    perceptual: Tensor


class EncoderTrainer:
    """An encoder at the state after `shown` samples, its optimiser and everything random.

    Args:
        settings: Of the training.
        generator: To invert, frozen.
        reals: (n, 3, r, r) uint8 images to learn from too, or None.
        device: Where to compute.
        dtype: What convolutions compute in; parameters are float32.
    """

    def __init__(
        self,
        settings: EncoderTraining,
        generator: Generator,
        reals: Tensor | None,
        *,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.settings, self.device, self.dtype = settings, device, dtype
        self.generator = generator.to(device)
        self.shown = self.steps = 0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            self.encoder = PGGANEncoder(
                EncoderArchitecture.compact(
                    generator.resolution,
                    latent_dim=generator.space().shape[0],
                    layer=settings.layer,
                    channels=generator.layer_info(settings.layer).channels,
                    base=settings.base,
                    cap=settings.cap,
                )
            ).to(device)
        self.encoder.digest = generator.digest
        self._measure_features()
        self.alexnet = AlexNetFeatures().to(device) if settings.perceptual else None
        self.batches = (
            Batches(reals, settings.batch // 2, flip=settings.flip, seed=settings.seed, device=device)
            if reals is not None
            else None
        )
        self.rng = torch.Generator(device).manual_seed(settings.seed)
        self.optimizer = torch.optim.Adam(self.encoder.parameters(), lr=settings.lr, betas=(0.9, 0.99))

    def step(self) -> EncoderLosses:
        """Show the encoder one batch."""
        settings = self.settings
        for group in self.optimizer.param_groups:
            group["lr"] = settings.rate(self.shown)
        with autocast(self.device, self.dtype):
            losses = self._losses()
            loss = (
                settings.code * losses.code
                + settings.features * losses.features
                + settings.pixel * losses.pixel
                + settings.perceptual * losses.perceptual
            )
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.steps += 1
        self.shown += settings.batch
        return EncoderLosses(*(getattr(losses, name).detach() for name in EncoderLosses.__dataclass_fields__))

    def is_finite(self) -> bool:
        """Whether all parameters are finite numbers; waits for the device."""
        sums = [parameter.detach().sum() for parameter in self.encoder.parameters()]
        return bool(torch.stack(sums).isfinite().all())

    def state(self) -> dict[str, Any]:
        """Everything that the following steps depend on, as plain tensors, strings and numbers."""
        return {
            "shown": self.shown,
            "steps": self.steps,
            "rng": self.rng.get_state(),
            "encoder": self.encoder.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take what `state` gave; the same steps follow, bit for bit on the CPU with as many threads."""
        self.encoder.load_state_dict(state["encoder"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.rng.set_state(state["rng"])
        self.shown, self.steps = state["shown"], state["steps"]

    def _losses(self) -> EncoderLosses:
        settings, generator, encoder = self.settings, self.generator, self.encoder
        z = self._random(settings.batch, *generator.space().shape)
        with torch.no_grad():
            state = generator.features(z, settings.layer)
            samples = generator.synthesize(state, settings.layer).clamp(-1, 1)
        # Real images at every step, repeated where there are many samples' worth of them.
        reals = self.batches.at(self.steps * self.batches.batch) if self.batches is not None else samples[:0]
        shown = torch.cat([reals, samples])
        found, read = encoder.predict(shown + settings.noise * self._random(*shown.shape))
        count = len(reals)
        code = 1 - F.cosine_similarity(found[count:], z).mean()
        difference = (read.features[count:] - state.features) / encoder.scale[:, None, None]
        # All real images, and some of the samples: their features tell more, and cost less, than their images.
        rendered = count + settings.batch // 4
        from_code = self.steps % 2 == 1
        if from_code:
            made = generator(found[:rendered])
        else:
            made = generator.synthesize(read.map(lambda x: x[:rendered]), settings.layer)
        target = shown[:rendered]
        perceptual = self._perceptual(made, target) if self.alexnet is not None else code.new_zeros(())
        return EncoderLosses(code, difference.square().mean(), pixel_loss(made, target).mean(), perceptual)

    def _perceptual(self, made: Tensor, target: Tensor) -> Tensor:
        assert self.alexnet is not None
        size = min(max(made.shape[-1], SMALLEST), LARGEST)
        with torch.no_grad():
            wanted = self.alexnet(target, size)
        pairs = zip(self.alexnet(made, size), wanted, strict=True)
        differences = [(F.normalize(a) - F.normalize(b)).square().sum(dim=1).mean() for a, b in pairs]
        return torch.stack(differences).mean()

    @torch.no_grad()
    def _measure_features(self) -> None:
        """Give the encoder the scale of the features, so that what it has to learn is about N(0, 1)."""
        codes = self.generator.space().sample(STATISTICS, torch.Generator().manual_seed(2018))
        # Part by part: features near the image would not fit into memory together.
        moments = []
        for part in codes.split(STATISTICS_BATCH):
            features = self.generator.features(part.to(self.device), self.settings.layer).features
            moments.append(torch.stack([features.mean(dim=(0, 2, 3)), features.square().mean(dim=(0, 2, 3))]))
        mean, square = torch.stack(moments).mean(dim=0)
        self.encoder.mean.copy_(mean)
        self.encoder.scale.copy_((square - mean.square()).clamp(min=1e-12).sqrt())

    def _random(self, *size: int) -> Tensor:
        return torch.randn(size, generator=self.rng, device=self.device)
