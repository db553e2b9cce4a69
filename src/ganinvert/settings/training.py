"""Settings of the training of generators."""

from __future__ import annotations

from dataclasses import dataclass

from ganinvert.errors import UsageError
from ganinvert.settings.common import Augmentation, GanLoss, GrayImages, at_least, not_negative, positive, require_seed
from ganinvert.settings.options import option

_LEARNING = "Optimisation"


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

    resolution: int = option(64, "--resolution", help="Resolution in pixels: 16, 32, … 1024.", metavar="N")
    latent_dim: int = option(128, "--latent", help="Length of the latent code z.", metavar="N")
    base: int = option(
        2048, "--base", help="Base of the number of channels, min(base / r, cap) at r pixels.", metavar="N"
    )
    cap: int = option(
        128, "--cap", help="Maximum of channels; the official networks have base 16384 and cap 512.", metavar="N"
    )
    images: int = option(
        400_000, "--images", help="Number of images to train on, counting repetitions.", metavar="N", panel=_LEARNING
    )
    phase_images: int = option(
        20_000,
        "--phase",
        help="Number of images to fade in each resolution, and to settle it; 0 trains without growing.",
        metavar="N",
        panel=_LEARNING,
    )
    batch: int = option(16, "--batch-size", help="Number of images per step.", metavar="N", panel=_LEARNING)
    lr: float = option(2e-3, "--lr", help="Learning rate of the Adam optimiser.", metavar="RATE", panel=_LEARNING)
    loss: GanLoss = option("non-saturating", "--loss", help="Adversarial loss.", panel=_LEARNING)
    r1: float = 1.0
    augmentation: Augmentation = option(
        "adaptive",
        "--augment",
        help="Augmentation of the discriminator's images: as it overfits, always, or never.",
        panel=_LEARNING,
    )
    features: float = option(
        1.0,
        "--features",
        help="Weight of discriminators on AlexNet's features; 0 for none.",
        metavar="WEIGHT",
        panel=_LEARNING,
    )
    ema_images: int = 10_000
    flip: bool = option(
        True, "--flip/--no-flip", help="Show mirrored images too.", panel=_LEARNING, show_default="flip"
    )
    gray: GrayImages = option("keep", "--gray", help="Keep or skip gray images.", panel="Input/Output")
    evaluation_images: int = 2000
    evaluations: int = 10
    seed: int = option(0, "--seed", help="Random seed of the whole training.", metavar="N", panel=_LEARNING)

    def __post_init__(self) -> None:
        if self.resolution not in RESOLUTIONS:
            near = min(RESOLUTIONS, key=lambda side: abs(side - self.resolution))
            raise UsageError(
                f"resolution cannot be {self.resolution}",
                hint=f"a PGGAN doubles its size from 4 pixels on: choose {near}, or another power of two"
                f" from {RESOLUTIONS[0]} to {RESOLUTIONS[-1]}",
            )
        for name in ("latent_dim", "cap", "images", "ema_images", "evaluations"):
            at_least(name.replace("_", " "), getattr(self, name), 1)
        at_least("base", self.base, self.resolution)
        at_least("phase images", self.phase_images, 0)
        at_least("batch", self.batch, 2)
        at_least("evaluation images", self.evaluation_images, 2)
        require_seed(self.seed)
        positive("lr", self.lr)
        positive("r1", self.r1)
        not_negative("features", self.features)
        if (self.loss, self.augmentation) == ("wgan-gp", "adaptive"):
            raise UsageError(
                "adaptive augmentation cannot follow wgan-gp, whose scores have no sign that means overfitting",
                hint="choose fixed or no augmentation, or the non-saturating loss",
            )


RESOLUTIONS = (16, 32, 64, 128, 256, 512, 1024)
"""Sides in pixels of the images that a generator can be trained for."""
