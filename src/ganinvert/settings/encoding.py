"""Settings of the training of encoders."""

from __future__ import annotations

from dataclasses import dataclass

from ganinvert.errors import UsageError
from ganinvert.settings.common import at_least, not_negative, positive, require_seed, scheduled_rate
from ganinvert.settings.options import option

_LEARNING = "Optimisation"


@dataclass(frozen=True)
class EncoderTraining:
    """Training of a generator's encoder on its own samples and on real images.

    Attributes:
        layer: Layer of the generator whose features the encoder predicts besides z.
        base: Factor of the number of channels: at r pixels there are min(max(base / r, 16), cap).
        cap: Largest number of channels.
        images: Number of samples shown in all.
        batch: Number of samples per step; real images come half as many.
        lr: Adam's learning rate, which rises in the first twentieth and then falls to 0 along a cosine.
        code: Weight of 1 - cos(z, ẑ).
        features: Weight of the mean squared difference of features, each channel divided by its standard deviation.
        pixel: Weight of the mean squared difference of images in [-1, 1].
        perceptual: Weight of the mean squared difference of AlexNet's features, at unit length at every position.
        noise: Standard deviation of the noise on the images that the encoder sees.
        flip: Show mirrored real images, too; not mirrored samples, whose codes would be others.
        evaluation_images: Number of samples, and of held-out real images, for measuring the encoder.
        evaluations: Number of measurements on the way.
        seed: Random seed.
    """

    layer: int = option(3, "--layer", help="Number of convolutions after which features are predicted.", metavar="L")
    base: int = option(
        1536, "--base", help="Base of the number of channels, min(max(base / r, 16), cap) at r pixels.", metavar="N"
    )
    cap: int = option(128, "--cap", help="Maximum of channels; see --base.", metavar="N")
    images: int = option(50_000, "--images", help="Number of samples to train on.", metavar="N", panel=_LEARNING)
    batch: int = option(
        8,
        "--batch-size",
        help="Number of samples per step, to which half as many photos are added.",
        metavar="N",
        panel=_LEARNING,
    )
    lr: float = option(1e-3, "--lr", help="Learning rate of the Adam optimiser.", metavar="RATE", panel=_LEARNING)
    code: float = 1.0
    features: float = 1.0
    pixel: float = 5.0
    perceptual: float = 0.5
    noise: float = 0.02
    flip: bool = option(
        True, "--flip/--no-flip", help="Show mirrored photos too.", panel=_LEARNING, show_default="flip"
    )
    evaluation_images: int = 64
    evaluations: int = 10
    seed: int = option(0, "--seed", help="Random seed of the whole training.", metavar="N", panel=_LEARNING)

    def __post_init__(self) -> None:
        at_least("layer", self.layer, 0)
        for name in ("base", "cap", "images", "evaluation_images", "evaluations"):
            at_least(name.replace("_", " "), getattr(self, name), 1)
        at_least("batch", self.batch, 4)
        require_seed(self.seed)
        positive("lr", self.lr)
        for name in ("code", "features", "pixel", "perceptual", "noise"):
            not_negative(name, getattr(self, name))
        if not any((self.code, self.features, self.pixel, self.perceptual)):
            raise UsageError("all weights are 0", hint="give one of code, features, pixel and perceptual a weight")

    def rate(self, images_seen: int) -> float:
        """Learning rate after that many samples."""
        return scheduled_rate(
            images_seen // self.batch, -(-self.images // self.batch), lr=self.lr, schedule="cosine", warmup=0.05
        )
