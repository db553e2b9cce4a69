"""How generators are trained."""

from __future__ import annotations

from dataclasses import dataclass

from ganinvert.errors import UsageError
from ganinvert.settings.common import Augmentation, GanLoss, GrayImages, at_least, positive, require_seed


@dataclass(frozen=True)
class Training:
    """How to grow a PGGAN on a folder of images (Karras et al. 2018, arXiv:1710.10196).

    Attributes:
        resolution: Side of the images in pixels, a power of two.
        latent_dim: Length of z.
        base: Channels at resolution r are min(base / r, cap); the official networks have 16384 and 512.
        cap: See base.
        images: How many images the networks are shown in all, counting repetitions.
        phase_images: How many of them each resolution below the last one gets to fade in, and again to settle; 0
            starts at the last resolution.
        batch: Images per step.
        lr: Adam's learning rate of both networks, under equalised lr.
        loss: Of the adversaries.
        r1: γ, the weight of the R1 penalty (Mescheder et al. 2018) of the non-saturating loss.
        augmentation: What the discriminator sees is never augmented, always, or as often as it overfits.
        features: Weight of the discriminator heads on pretrained features (projected GAN); 0 switches them off.
        ema_images: After so many images a past state has half its weight in the averaged generator.
        flip: Show mirrored images too.
        gray: What becomes of gray images among the training images.
        evaluation_images: How many samples the Fréchet distance is measured with.
        evaluations: How often it is measured on the way.
        seed: Of everything random.
    """

    resolution: int = 64
    latent_dim: int = 128
    base: int = 2048
    cap: int = 128
    images: int = 400_000
    phase_images: int = 20_000
    batch: int = 16
    lr: float = 2e-3
    loss: GanLoss = "non-saturating"
    r1: float = 1.0
    augmentation: Augmentation = "adaptive"
    features: float = 1.0
    ema_images: int = 10_000
    flip: bool = True
    gray: GrayImages = "keep"
    evaluation_images: int = 2000
    evaluations: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be.

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
