"""Settings for training an encoder."""

from __future__ import annotations

from dataclasses import dataclass

from ganinvert.errors import UsageError
from ganinvert.settings.common import at_least, positive, require_seed, scheduled_rate
from ganinvert.settings.options import option

_LEARNING = "Optimisation"


@dataclass(frozen=True)
class EncoderTraining:
    """Settings for training an encoder on samples of its generator and on real images.

    Attributes:
        layer: Layer of the generator whose features the encoder predicts besides z.
        base: Channels at r pixels are min(max(base / r, 16), cap).
        cap: See base.
        images: Number of samples to show in all.
        batch: Samples per step; real images come half as many.
        lr: Adam's learning rate, which rises in the first twentieth and then falls to 0 along a cosine.
        code: Weight of 1 - cos(z, ẑ).
        features: Weight of the mean squared difference of features, each channel divided by its standard deviation.
        pixel: Weight of the mean squared difference of images in [-1, 1].
        perceptual: Weight of the mean squared difference of AlexNet's features, of unit length at every position.
        noise: Standard deviation of the noise on the images that the encoder sees.
        flip: Show mirrored real images too. Samples are not mirrored: their codes would be others.
        evaluation_images: Number of samples, and of held-out real images, for an evaluation.
        evaluations: Number of evaluations on the way.
        seed: Random seed of the training.
    """

    layer: int = option(3, "--layer", help="Convolutions of the generator before the predicted features.", metavar="L")
    base: int = option(
        1536, "--base", help="Base of the channels: min(max(base / r, 16), cap) at r pixels.", metavar="N"
    )
    cap: int = option(128, "--cap", help="Most channels; see --base.", metavar="N")
    images: int = option(50_000, "--images", help="Samples to show in all.", metavar="N", panel=_LEARNING)
    batch: int = option(
        8, "--batch-size", help="Samples per step, and half as many photos.", metavar="N", panel=_LEARNING
    )
    lr: float = option(1e-3, "--lr", help="Learning rate of Adam.", metavar="RATE", panel=_LEARNING)
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
    seed: int = option(0, "--seed", help="Random seed of the training.", metavar="N", panel=_LEARNING)

    def __post_init__(self) -> None:
        """Refuse invalid values.

        Raises:
            UsageError: A number below its least, a rate that is not positive, or weights that are negative or all 0.
        """
        at_least("layer", self.layer, 0)
        at_least("base", self.base, 1)
        at_least("cap", self.cap, 1)
        at_least("images", self.images, 1)
        at_least("batch", self.batch, 4)
        at_least("evaluation images", self.evaluation_images, 1)
        at_least("evaluations", self.evaluations, 1)
        require_seed(self.seed)
        positive("lr", self.lr)
        weights = {name: getattr(self, name) for name in ("code", "features", "pixel", "perceptual", "noise")}
        for name, weight in weights.items():
            if not 0 <= weight <= 1e6:
                raise UsageError(f"{name} cannot be {weight:g}", hint="choose 0 or a positive number")
        if not any((self.code, self.features, self.pixel, self.perceptual)):
            raise UsageError("all weights are 0", hint="give one of code, features, pixel and perceptual a weight")

    def rate(self, images_seen: int) -> float:
        """Learning rate after some samples."""
        return scheduled_rate(
            images_seen // self.batch, -(-self.images // self.batch), lr=self.lr, schedule="cosine", warmup=0.05
        )
