"""How encoders are trained."""

from __future__ import annotations

from dataclasses import dataclass

from ganinvert.errors import UsageError
from ganinvert.settings.common import at_least, positive, require_seed, scheduled_rate


@dataclass(frozen=True)
class EncoderTraining:
    """How to train the inverse of a generator in one pass, on its own samples and on real images.

    Attributes:
        layer: Of the generator whose features the encoder tells besides z.
        base: Channels at r pixels are min(max(base / r, 16), cap).
        cap: See base.
        images: How many samples are shown in all.
        batch: Samples per step; real images come half as many.
        lr: Adam's learning rate, which rises in the first twentieth and then falls to 0 along a cosine.
        code: Weight of 1 - cos(z, ẑ).
        features: Of the mean squared difference of features, each channel divided by its standard deviation.
        pixel: Of the mean squared difference of images in [-1, 1].
        perceptual: Of the mean squared difference of AlexNet's features, brought to unit length at every position.
        noise: Standard deviation of what is added to the images that the encoder sees.
        flip: Show mirrored real images too. Samples are not mirrored: their codes would be others.
        evaluation_images: Samples, and held-out real images, with which the encoder is measured.
        evaluations: How often it is measured on the way.
        seed: Of everything random.
    """

    layer: int = 3
    base: int = 1536
    cap: int = 128
    images: int = 50_000
    batch: int = 8
    lr: float = 1e-3
    code: float = 1.0
    features: float = 1.0
    pixel: float = 5.0
    perceptual: float = 0.5
    noise: float = 0.02
    flip: bool = True
    evaluation_images: int = 64
    evaluations: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be.

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

    def rate(self, shown: int) -> float:
        """Learning rate after `shown` samples."""
        return scheduled_rate(
            shown // self.batch, -(-self.images // self.batch), lr=self.lr, schedule="cosine", warmup=0.05
        )
