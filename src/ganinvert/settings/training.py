"""Settings for training a generator."""

from __future__ import annotations

from dataclasses import dataclass

from ganinvert.errors import UsageError
from ganinvert.settings.common import Augmentation, GanLoss, GrayImages, at_least, positive, require_seed
from ganinvert.settings.options import option

_LEARNING = "Optimisation"


@dataclass(frozen=True)
class Training:
    """Settings for growing a PGGAN on a folder of images (Karras et al. 2018, arXiv:1710.10196).

    Attributes:
        resolution: Side of the images in pixels, a power of two.
        latent_dim: Length of z.
        base: Channels at resolution r are min(base / r, cap); the official networks have 16384 and 512.
        cap: See base.
        images: Number of images to show in all, counting repetitions.
        phase_images: Number of images for each resolution below the last one to fade in, and again to settle; 0 starts
            at the last resolution.
        batch: Images per step.
        lr: Adam's learning rate of both networks, under equalised lr.
        loss: Adversarial loss.
        r1: γ, the weight of the R1 penalty (Mescheder et al. 2018) of the non-saturating loss.
        augmentation: Augmentation of the discriminator's images: never, always, or as often as it overfits.
        features: Weight of the discriminator heads on pretrained features (projected GAN); 0 switches them off.
        ema_images: Half-life in images of a past state in the averaged generator.
        flip: Show mirrored images too.
        gray: Treatment of gray images among the training images.
        evaluation_images: Number of samples for the Fréchet distance.
        evaluations: Number of evaluations on the way.
        seed: Random seed of the training.
    """

    resolution: int = option(64, "--resolution", help="Side of the images in pixels: 16, 32, … 1024.", metavar="N")
    latent_dim: int = option(128, "--latent", help="Length of z.", metavar="N")
    base: int = option(2048, "--base", help="Base of the channels: min(base / r, cap) at r pixels.", metavar="N")
    cap: int = option(128, "--cap", help="Most channels; the official networks have 512, and base 16384.", metavar="N")
    images: int = option(
        400_000, "--images", help="Images to show in all, counting repetitions.", metavar="N", panel=_LEARNING
    )
    phase_images: int = option(
        20_000,
        "--phase",
        help="Images for each resolution to fade in, and as many to settle; 0 to start full-grown.",
        metavar="N",
        panel=_LEARNING,
    )
    batch: int = option(16, "--batch-size", help="Images per step.", metavar="N", panel=_LEARNING)
    lr: float = option(2e-3, "--lr", help="Learning rate of Adam.", metavar="RATE", panel=_LEARNING)
    loss: GanLoss = option("non-saturating", "--loss", help="Adversarial loss.", panel=_LEARNING)
    r1: float = 1.0
    augmentation: Augmentation = option(
        "adaptive",
        "--augment",
        help="Augmentation of the discriminator's images: as often as it overfits, always, or never.",
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
    gray: GrayImages = option("keep", "--gray", help="Treatment of gray images.", panel="Input/Output")
    evaluation_images: int = 2000
    evaluations: int = 10
    seed: int = option(0, "--seed", help="Random seed of the training.", metavar="N", panel=_LEARNING)

    def __post_init__(self) -> None:
        """Refuse invalid values.

        Raises:
            UsageError: A resolution that is no power of two from 16 to 1024, a size below 1, or a rate that is not
                positive.
        """
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
        if not 0 <= self.features <= 1e6:
            raise UsageError(f"features cannot be {self.features:g}", hint="choose 0 or a positive weight")
        if (self.loss, self.augmentation) == ("wgan-gp", "adaptive"):
            raise UsageError(
                "adaptive augmentation cannot follow wgan-gp, whose scores have no sign that means overfitting",
                hint="choose fixed or no augmentation, or the non-saturating loss",
            )


RESOLUTIONS = (16, 32, 64, 128, 256, 512, 1024)
"""Sides in pixels of the images that a generator can be trained for."""
