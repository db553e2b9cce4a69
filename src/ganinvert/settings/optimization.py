"""Settings of the optimisation loop and of its objective."""

from __future__ import annotations

from dataclasses import dataclass, field

from ganinvert.errors import UsageError
from ganinvert.settings.common import ADDED, Optimizer, Schedule, at_least, positive, scheduled_rate


@dataclass(frozen=True)
class Optimization:
    """Steps and learning rates of the optimisation loop.

    Attributes:
        steps: Number of steps; 0 leaves the initial code as it is.
        lr: Learning rate of the latent codes.
        schedule: Schedule of the learning rate.
        warmup: Share of the steps in which the learning rate rises from 0.
        optimizer: Adam (0.9, 0.999), RMSprop (0.99), plain gradient descent, or L-BFGS with a line search, which
            takes photos one at a time.
        runs: Number of times that the schedule is gone through, each in an equal share of the steps.
        parts: Number of parts of the image along a side, of which every step looks at one, in random order; 1: every
            step looks at the whole image. 0 leaves it to the generator: 1 for small images.
    """

    steps: int = 300
    lr: float = 1.0
    schedule: Schedule = "cosine"
    warmup: float = 0.05
    optimizer: Optimizer = "adam"
    runs: int = 1
    parts: int = field(default=0, kw_only=True, metadata=ADDED)

    def __post_init__(self) -> None:
        at_least("steps", self.steps, 0)
        at_least("runs", self.runs, 1)
        at_least("parts", self.parts, 0)
        if self.parts > 1 and self.optimizer == "lbfgs":
            raise UsageError("L-BFGS cannot look at parts of the image", hint="its steps need the same loss: take 1")
        positive("lr", self.lr)

    @property
    def run_steps(self) -> int:
        """Number of steps of each run; the last one may have fewer."""
        return max(-(-self.steps // self.runs), 1)

    def rate(self, index: int) -> float:
        """Learning rate of step `index`."""
        return scheduled_rate(
            index % self.run_steps, self.run_steps, lr=self.lr, schedule=self.schedule, warmup=self.warmup
        )


@dataclass(frozen=True)
class Objective:
    """Weights of the loss per image between measurement and image, such as eq. 8.

    Eq. 8 is pixel · mean (x − x̂)² + perceptual · mean |V(x) − V(x̂)|. It gives neither weights nor V's layer; mean
    reductions, 0.001 and relu3_3 are those of mGANprior's program.

    Attributes:
        pixel: Weight of the mean squared difference, images in [-1, 1].
        absolute: Weight of the mean absolute difference.
        laplacian: Weight of the mean absolute difference of all levels of the Laplacian pyramid.
        perceptual: Weight of the VGG16 term; 0: none.
        alexnet: Weight of the mean squared difference of AlexNet's fourth convolution (GenVisMani).
        lpips: Weight of LPIPS (AlexNet).
        perceptual_every: Number of steps for which the gradient of the terms with a network is kept, because it is the
            costly half of a step and changes slowly.
        side: Side in pixels to which image and photo are averaged for the loss; 0 leaves them as they are.
    """

    pixel: float = 1.0
    absolute: float = 0.0
    laplacian: float = 0.0
    perceptual: float = 1e-3
    alexnet: float = 0.0
    lpips: float = 0.0
    perceptual_every: int = 4
    side: int = field(default=0, kw_only=True, metadata=ADDED)

    def __post_init__(self) -> None:
        at_least("side", self.side, 0)
        at_least("perceptual_every", self.perceptual_every, 1)
