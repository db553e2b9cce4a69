"""Training an encoder on samples, whose codes and features are known, and on real images, one step at a time."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ganinvert.devices import autocast
from ganinvert.generators import Generator, PGGANEncoder
from ganinvert.generators.pggan import EncoderArchitecture
from ganinvert.losses import pixel_loss
from ganinvert.settings import EncoderTraining
from ganinvert.training.batches import Batches
from ganinvert.training.features import AlexNetFeatures
from ganinvert.training.loop import Trainer

STATISTICS, STATISTICS_BATCH = 512, 16
"""Number of samples for mean and standard deviation of the feature channels, and how many are computed at once."""

SMALLEST, LARGEST = 64, 224
"""Least and largest side in pixels of the images for AlexNet."""


class EncoderTrainer(Trainer):
    """An encoder of a frozen generator, which learns from samples and from real images (n, 3, r, r), uint8, if any."""

    curves = ("code", "features", "pixel", "perceptual")
    settings: EncoderTraining

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
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            architecture = EncoderArchitecture.compact(
                generator.resolution,
                latent_dim=generator.space().shape[0],
                layer=settings.layer,
                channels=generator.layer_info(settings.layer).channels,
                base=settings.base,
                cap=settings.cap,
            )
            self.encoder = self.network = PGGANEncoder(architecture).to(device)
        self.encoder.digest = generator.digest
        self._measure_features()
        self.alexnet = AlexNetFeatures().to(device) if settings.perceptual else None
        self.batches = None
        if reals is not None:
            self.batches = Batches(reals, settings.batch // 2, flip=settings.flip, seed=settings.seed, device=device)
        self.rng = torch.Generator(device).manual_seed(settings.seed)
        self.optimizer = torch.optim.Adam(self.encoder.parameters(), lr=settings.lr, betas=(0.9, 0.99))
        self.parts = {"encoder": self.encoder, "optimizer": self.optimizer}

    def step(self) -> dict[str, Tensor]:
        """Show the encoder one batch.

        Returns:
            Unweighted losses. "code": 1 - cos(z, ẑ) of samples. "features": mean squared difference of their normalised
            features. "pixel": mean squared difference of images, rendered through features and through z in turn.
            "perceptual": the same difference in AlexNet's features.
        """
        settings = self.settings
        for group in self.optimizer.param_groups:
            group["lr"] = settings.rate(self.images_seen)
        with autocast(self.device, self.dtype):
            losses = code, features, pixel, perceptual = self._losses()
            loss = settings.code * code + settings.features * features + settings.pixel * pixel
            loss = loss + settings.perceptual * perceptual
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.steps += 1
        self.images_seen += settings.batch
        return {name: value.detach() for name, value in zip(self.curves, losses, strict=True)}

    def _losses(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        settings, generator, encoder = self.settings, self.generator, self.encoder
        z = self._random(settings.batch, *generator.space().shape)
        with torch.no_grad():
            state = generator.features(z, settings.layer)
            samples = generator.synthesize(state, settings.layer).clamp(-1, 1)
        # Real images at every step, repeated where there are many samples' worth of them.
        reals = self.batches.at(self.steps * self.batches.batch) if self.batches is not None else samples[:0]
        images = torch.cat([reals, samples])
        codes, read = encoder.predict(images + settings.noise * self._random(*images.shape))
        count = len(reals)
        code = 1 - F.cosine_similarity(codes[count:], z).mean()
        difference = (read.features[count:] - state.features) / encoder.scale[:, None, None]
        # All real images, and some of the samples: their features tell more, and cost less, than their images.
        rendered = count + settings.batch // 4
        if self.steps % 2 == 1:
            rendering = generator(codes[:rendered])
        else:
            rendering = generator.synthesize(read.map(lambda x: x[:rendered]), settings.layer)
        target = images[:rendered]
        perceptual = self._perceptual(rendering, target) if self.alexnet is not None else code.new_zeros(())
        return code, difference.square().mean(), pixel_loss(rendering, target).mean(), perceptual

    def _perceptual(self, rendering: Tensor, target: Tensor) -> Tensor:
        assert self.alexnet is not None
        size = min(max(rendering.shape[-1], SMALLEST), LARGEST)
        with torch.no_grad():
            expected = self.alexnet(target, size)
        pairs = zip(self.alexnet(rendering, size), expected, strict=True)
        differences = [(F.normalize(a) - F.normalize(b)).square().sum(dim=1).mean() for a, b in pairs]
        return torch.stack(differences).mean()

    @torch.no_grad()
    def _measure_features(self) -> None:
        """Give the encoder mean and scale of the features, so that its targets are about N(0, 1)."""
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
