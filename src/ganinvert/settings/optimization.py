"""How the loop moves a code, and what for."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ganinvert.settings.common import Optimizer, Schedule, at_least, positive, scheduled_rate


@dataclass(frozen=True)
class Optimization:
    """How the loop moves the code.

    Attributes:
        steps: Number of steps; 0 leaves the start as it is.
        lr: Learning rate of the latent codes.
        schedule: What becomes of it.
        warmup: Share of the steps in which it rises from 0.
        optimizer: Adam (0.9, 0.999), RMSprop (0.99), plain gradient descent, or L-BFGS with a line search, which
            takes photos one at a time.
        runs: How many times the schedule is gone through, each in an equal share of the steps.
    """

    steps: int = 300
    lr: float = 1.0
    schedule: Schedule = "cosine"
    warmup: float = 0.05
    optimizer: Optimizer = "adam"
    runs: int = 1

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            UsageError: Fewer than no steps, or a learning rate that is not positive.
        """
        at_least("steps", self.steps, 0)
        at_least("runs", self.runs, 1)
        positive("lr", self.lr)

    @property
    def shortest(self) -> Optimization:
        """The same with one step, or with none."""
        return replace(self, steps=min(self.steps, 1))

    @property
    def run_steps(self) -> int:
        """Steps of each run, but for the last one when they do not divide."""
        return max(-(-self.steps // self.runs), 1)

    def rate(self, index: int) -> float:
        """Learning rate of step `index`."""
        return scheduled_rate(
            index % self.run_steps, self.run_steps, lr=self.lr, schedule=self.schedule, warmup=self.warmup
        )


@dataclass(frozen=True)
class Objective:
    """What the loop minimises per image: weighted differences between measurement and image, such as eq. 8.

    Eq. 8 is pixel · mean (x − x̂)² + perceptual · mean |V(x) − V(x̂)|. It gives neither weights nor V's layer; mean
    reductions, 0.001 and relu3_3 are those of mGANprior's program.

    Attributes:
        pixel: Weight of the mean squared difference, images in [-1, 1].
        absolute: Of the mean absolute difference.
        laplacian: Of the mean absolute difference of all levels of the Laplacian pyramid.
        perceptual: Of the VGG16 term; 0 switches it off.
        alexnet: Of the mean squared difference of AlexNet's fourth convolution (GenVisMani).
        lpips: Of LPIPS (AlexNet).
        perceptual_every: The gradient of the terms with a network is computed anew every so many steps and kept in
            between, because it is the costly half of a step and changes slowly.
    """

    pixel: float = 1.0
    absolute: float = 0.0
    laplacian: float = 0.0
    perceptual: float = 1e-3
    alexnet: float = 0.0
    lpips: float = 0.0
    perceptual_every: int = 4

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            UsageError: `perceptual_every` is below 1.
        """
        at_least("perceptual_every", self.perceptual_every, 1)
