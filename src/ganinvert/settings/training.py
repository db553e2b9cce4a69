"""Settings of the training of generators and encoders."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from ganinvert.errors import UsageError
from ganinvert.settings import common
from ganinvert.settings.options import option

_PANEL = "Optimisation"
_count = partial(option, metavar="N")
_learning = partial(option, metavar="N", panel=_PANEL)

RESOLUTIONS = (16, 32, 64, 128, 256, 512, 1024)
"""Sides in pixels of the images that a generator can be trained for."""


@dataclass(frozen=True)
class Training:
    """Training of a growing PGGAN on a folder of images (Karras et al. 2018, arXiv:1710.10196).

    Attributes:
        resolution: Side of the images in pixels, a power of two.
        latent_dim: Number of entries of z.
        base: Factor of the number of channels, which is min(base / r, cap) at r pixels; officially 16384.
        cap: Largest number of channels; officially 512.
        images: Number of images shown in all, counting repetitions.
        phase_images: Number of images in which each resolution below the last one fades in, and again settles; 0
            starts at the last resolution.
        batch: Number of images per step.
        lr: Adam's learning rate of both networks, under equalised lr.
        loss: Adversarial loss.
        r1: Weight γ of the R1 penalty (Mescheder et al. 2018) of the non-saturating loss.
        augmentation: Augmentation of the discriminator's images: never, always, or as often as it overfits.
        features: Weight of the discriminator heads on pretrained features (projected GAN); 0: none.
        ema_images: Number of images after which a past state has half its weight in the averaged generator.
        flip: Show mirrored images, too.
        gray: Treatment of gray images among the training images.
        evaluation_images: Number of samples for the Fréchet distance.
        evaluations: Number of measurements on the way.
        seed: Random seed.
    """

    resolution: int = _count(64, "--resolution", help="Resolution in pixels: 16, 32, … 1024.")
    latent_dim: int = _count(128, "--latent", help="Length of the latent code z.")
    base: int = _count(2048, "--base", help="Base of the number of channels, min(base / r, cap) at r pixels.")
    cap: int = _count(128, "--cap", help="Maximum of channels; the official networks have base 16384 and cap 512.")
    images: int = _learning(400_000, "--images", help="Number of images to train on, counting repetitions.")
    phase_images: int = _learning(
        20_000,
        "--phase",
        help="Number of images to fade in each resolution, and to settle it; 0 trains without growing.",
    )
    batch: int = _learning(16, "--batch-size", help="Number of images per step.")
    lr: float = _learning(2e-3, "--lr", help="Learning rate of the Adam optimiser.", metavar="RATE")
    loss: common.GanLoss = option("non-saturating", "--loss", help="Adversarial loss.", panel=_PANEL)
    r1: float = 1.0
    augmentation: common.Augmentation = option(
        "adaptive",
        "--augment",
        help="Augmentation of the discriminator's images: as it overfits, always, or never.",
        panel=_PANEL,
    )
    features: float = _learning(
        1.0, "--features", help="Weight of discriminators on AlexNet's features; 0 for none.", metavar="WEIGHT"
    )
    ema_images: int = 10_000
    flip: bool = option(True, "--flip/--no-flip", help="Show mirrored images too.", panel=_PANEL, show_default="flip")
    gray: common.GrayImages = option("keep", "--gray", help="Keep or skip gray images.", panel="Input/Output")
    evaluation_images: int = 2000
    evaluations: int = 10
    seed: int = _learning(0, "--seed", help="Random seed of the whole training.")

    def __post_init__(self) -> None:
        if self.resolution not in RESOLUTIONS:
            near = min(RESOLUTIONS, key=lambda side: abs(side - self.resolution))
            raise UsageError(
                f"resolution cannot be {self.resolution}",
                hint=f"a PGGAN doubles its size from 4 pixels on: choose {near}, or another power of two"
                f" from {RESOLUTIONS[0]} to {RESOLUTIONS[-1]}",
            )
        for name in ("latent_dim", "cap", "images", "ema_images", "evaluations"):
            common.at_least(name.replace("_", " "), getattr(self, name), 1)
        common.at_least("base", self.base, self.resolution)
        common.at_least("phase images", self.phase_images, 0)
        common.at_least("batch", self.batch, 2)
        common.at_least("evaluation images", self.evaluation_images, 2)
        common.require_seed(self.seed)
        common.positive("lr", self.lr)
        common.positive("r1", self.r1)
        common.not_negative("features", self.features)
        if (self.loss, self.augmentation) == ("wgan-gp", "adaptive"):
            raise UsageError(
                "adaptive augmentation cannot follow wgan-gp, whose scores have no sign that means overfitting",
                hint="choose fixed or no augmentation, or the non-saturating loss",
            )


@dataclass(frozen=True)
class EncoderTraining:
    """Training of a generator's encoder on its own samples and on real images.

    Attributes:
        layer: Layer of the generator whose features the encoder predicts besides the code; None: the one at which its
            results are edited.
        base: Factor of the number of channels: at r pixels there are min(max(base / r, 16), cap).
        cap: Largest number of channels.
        images: Number of samples shown in all.
        batch: Number of samples per step; real images come half as many.
        lr: Adam's learning rate, which rises in the first twentieth and then falls to 0 along a cosine.
        code: Weight of 1 - cos(z, ẑ), or in W+ of the mean of ((w - ŵ) / σ)².
        features: Weight of the mean squared difference of features, each channel divided by its standard deviation.
        pixel: Weight of the mean squared difference of images in [-1, 1].
        perceptual: Weight of the mean squared difference of AlexNet's features, at unit length at every position.
        noise: Standard deviation of the noise on the images that the encoder sees.
        flip: Show mirrored real images, too; not mirrored samples, whose codes would be others.
        evaluation_images: Number of samples, and of held-out real images, for measuring the encoder.
        evaluations: Number of measurements on the way.
        seed: Random seed.
    """

    layer: int | None = option(
        None,
        "--layer",
        help="Number of convolutions after which features are predicted.",
        metavar="L",
        show_default="3; 5 for style-based generators",
    )
    base: int = _count(1536, "--base", help="Base of the number of channels, min(max(base / r, 16), cap) at r pixels.")
    cap: int = _count(128, "--cap", help="Maximum of channels; see --base.")
    images: int = _learning(50_000, "--images", help="Number of samples to train on.")
    batch: int = _learning(
        8, "--batch-size", help="Number of samples per step, to which half as many photos are added."
    )
    lr: float = _learning(1e-3, "--lr", help="Learning rate of the Adam optimiser.", metavar="RATE")
    code: float = 1.0
    features: float = 1.0
    pixel: float = 5.0
    perceptual: float = 0.5
    noise: float = 0.02
    flip: bool = option(True, "--flip/--no-flip", help="Show mirrored photos too.", panel=_PANEL, show_default="flip")
    evaluation_images: int = 64
    evaluations: int = 10
    seed: int = _learning(0, "--seed", help="Random seed of the whole training.")

    def __post_init__(self) -> None:
        common.at_least("layer", self.layer or 0, 0)
        for name in ("base", "cap", "images", "evaluation_images", "evaluations"):
            common.at_least(name.replace("_", " "), getattr(self, name), 1)
        common.at_least("batch", self.batch, 4)
        common.require_seed(self.seed)
        common.positive("lr", self.lr)
        for name in ("code", "features", "pixel", "perceptual", "noise"):
            common.not_negative(name, getattr(self, name))
        if not any((self.code, self.features, self.pixel, self.perceptual)):
            raise UsageError("all weights are 0", hint="give one of code, features, pixel and perceptual a weight")

    def at(self, layer: int) -> EncoderTraining:
        """The same training, at a layer if none was chosen."""
        return replace(self, layer=layer) if self.layer is None else self

    def rate(self, images_seen: int) -> float:
        """Learning rate after that many samples."""
        return common.scheduled_rate(
            images_seen // self.batch, -(-self.images // self.batch), lr=self.lr, schedule="cosine", warmup=0.05
        )
