"""Training an encoder on samples, whose codes and features are known, and on real images, one step at a time."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ganinvert.devices import autocast
from ganinvert.generators import Generator, PGGANEncoder, StyleEncoder, Window
from ganinvert.generators.pggan import EncoderArchitecture
from ganinvert.generators.style_encoder import StyleEncoderArchitecture
from ganinvert.losses import pixel_loss
from ganinvert.perception import alexnet
from ganinvert.settings import EncoderTraining
from ganinvert.training.batches import Batches
from ganinvert.training.loop import Trainer
from ganinvert.training.rendering import Rendering

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
        self.settings = settings = settings.at(generator.edit_layer)
        self.device, self.dtype = device, dtype
        self.generator = generator.to(device)
        self.rendering = Rendering(self.generator)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            self.encoder = self.network = new_encoder(generator, settings).to(device)
        self.encoder.digest = generator.digest
        self._measure()
        self.alexnet = alexnet().to(device) if settings.perceptual else None
        self.batches = None
        if reals is not None:
            self.batches = Batches(reals, settings.batch // 2, flip=settings.flip, seed=settings.seed, device=device)
        self.rng = torch.Generator(device).manual_seed(settings.seed)
        self.optimizer = torch.optim.Adam(self.encoder.parameters(), lr=settings.lr, betas=(0.9, 0.99))
        self.parts = {"encoder": self.encoder, "optimizer": self.optimizer}

    def step(self) -> dict[str, Tensor]:
        """Show the encoder one batch.

        Returns:
            Unweighted losses. "code": the encoder's `error` of samples. "features": mean squared difference of their
            normalised features. "pixel": mean squared difference of images, rendered through features and through the
            code in turn, of large ones one quadrant. "perceptual": the same difference in AlexNet's features.
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
        settings, generator, encoder, rendering = self.settings, self.generator, self.encoder, self.rendering
        z = self._random(settings.batch, *generator.space().shape)
        with torch.no_grad():
            truth = rendering.code(z)
            state = generator.features(truth, encoder.layer, rendering.space)
            samples = rendering.from_state(state, encoder.layer).clamp(-1, 1)
        # Real images at every step, repeated where there are many samples' worth of them.
        reals = self.batches.at(self.steps * self.batches.batch) if self.batches is not None else samples[:0]
        images = torch.cat([reals, samples])
        codes, read = encoder.predict(images + settings.noise * self._random(*images.shape))
        count = len(reals)
        code = encoder.error(codes[count:], truth)
        difference = (read.features[count:] - state.features) / encoder.scale[:, None, None]
        # All real images, and some of the samples: their features tell more, and cost less, than their images.
        shown, target = count + settings.batch // 4, images[: count + settings.batch // 4]
        quadrant = self.steps // 2 % 4 if rendering.averages else None
        if quadrant is not None:
            target = Window.tile(rendering.side, 2, quadrant).of(target)
        if self.steps % 2 == 1:
            made = rendering.from_code(codes[:shown], quadrant)
        else:
            made = rendering.from_features(codes[:shown], read.map(lambda x: x[:shown]), encoder.layer, quadrant)
        perceptual = self._perceptual(made, target) if self.alexnet is not None else code.new_zeros(())
        return code, difference.square().mean(), pixel_loss(made, target).mean(), perceptual

    def _perceptual(self, made: Tensor, target: Tensor) -> Tensor:
        assert self.alexnet is not None
        size = min(max(made.shape[-1], SMALLEST), LARGEST)
        with torch.no_grad():
            expected = self.alexnet(target, size)
        pairs = zip(self.alexnet(made, size), expected, strict=True)
        differences = [(F.normalize(a) - F.normalize(b)).square().sum(dim=1).mean() for a, b in pairs]
        return torch.stack(differences).mean()

    @torch.no_grad()
    def _measure(self) -> None:
        """Give the encoder mean and scale of the features, and of styles, so that its targets are about N(0, 1)."""
        codes = self.generator.space().sample(STATISTICS, torch.Generator().manual_seed(2018))
        # Part by part: features near the image would not fit into memory together.
        moments = []
        for part in codes.split(STATISTICS_BATCH):
            features = self.generator.features(part.to(self.device), self.encoder.layer).features
            moments.append(torch.stack([features.mean(dim=(0, 2, 3)), features.square().mean(dim=(0, 2, 3))]))
        mean, square = torch.stack(moments).mean(dim=0)
        self.encoder.mean.copy_(mean)
        self.encoder.scale.copy_((square - mean.square()).clamp(min=1e-12).sqrt())
        if isinstance(self.encoder, StyleEncoder):
            self.encoder.code_mean.copy_(self.generator.space("w+").mean()[0])
            styles = self.rendering.code(codes.to(self.device))
            self.encoder.code_scale.copy_(styles.std(dim=(0, 1)).clamp(min=1e-6))

    def _random(self, *size: int) -> Tensor:
        return torch.randn(size, generator=self.rng, device=self.device)


def new_encoder(generator: Generator, settings: EncoderTraining) -> PGGANEncoder | StyleEncoder:
    """An encoder with random weights; `UsageError` if it could not tell the features of the layer."""
    assert settings.layer is not None
    if generator.is_styled:
        sizes = StyleEncoderArchitecture.compact(generator, settings.layer, base=settings.base, cap=settings.cap)
        return StyleEncoder(sizes)
    architecture = EncoderArchitecture.compact(
        generator.resolution,
        latent_dim=generator.space().shape[0],
        layer=settings.layer,
        channels=generator.layer_info(settings.layer).channels,
        base=settings.base,
        cap=settings.cap,
    )
    return PGGANEncoder(architecture)
