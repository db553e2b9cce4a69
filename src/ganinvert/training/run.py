"""The training of a generator: its steps, evaluations and pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ganinvert.figures import draw_course
from ganinvert.training.checkpoint import Checkpoint
from ganinvert.training.course import COLUMNS, Course, write_grid
from ganinvert.training.evaluation import Evaluation
from ganinvert.training.networks import Stage
from ganinvert.training.trainer import Losses, Trainer

ROWS = 6  # of samples


@dataclass(frozen=True)
class TrainingStep:
    """One step of a training.

    Attributes:
        images: Shown so far.
        total: How many there will be.
        stage: How far the networks have grown.
        losses: Of this step, on the device.
        strength: Probability of augmentation, on the device.
    """

    images: int
    total: int
    stage: Stage
    losses: Losses
    strength: Tensor


@dataclass
class Run(Course[TrainingStep]):
    """The training of a generator and the folder in which it is kept.

    Attributes:
        trainer: The networks.
        evaluation: Measures the samples on the way.
        head_start: Images that the discriminator is shown before the generator learns too.
        init: The generator that it started from, empty for none.
    """

    trainer: Trainer
    evaluation: Evaluation
    head_start: int
    init: str

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.trainer.device

    @property
    def shown(self) -> int:
        """Images so far."""
        return self.trainer.shown

    @property
    def planned(self) -> tuple[int, int]:
        """Images in all, and evaluations on the way."""
        return self.trainer.settings.images, self.trainer.settings.evaluations

    def advance(self) -> tuple[TrainingStep, Tensor]:
        """Make a step; its numbers are the losses of generator and discriminator, and augmentation's probability."""
        trainer = self.trainer
        losses = trainer.step(generator_learns=trainer.shown >= self.head_start)
        strength = trainer.strength.probability
        step = TrainingStep(trainer.shown, trainer.settings.images, trainer.stage, losses, strength)
        return step, torch.stack([losses.generator, losses.discriminator, strength])

    def measure(self) -> dict[str, float]:
        """Fréchet distances of the averaged generator's samples."""
        return self.evaluation(self.trainer.samples)

    def draw(self) -> None:
        """Samples of the averaged generator, and the course so far."""
        write_grid(
            self.trainer.samples(self.evaluation.codes[: ROWS * COLUMNS]),
            self.folder / f"samples-{self.shown:08d}.png",
        )
        draw_course(
            self.history.losses,
            self.history.evaluations,
            self.folder / "losses.png",
            curves=("generator", "discriminator", "augmentation probability"),
            measures={"frechet_training": "to training images", "frechet_held_out": "to held-out images"},
            title="Fréchet distance (AlexNet)",
        )

    def is_finite(self) -> bool:
        """Whether all parameters are finite numbers; waits for the device."""
        return self.trainer.is_finite()

    def write_checkpoint(self, path: Path) -> None:
        """Write everything that the following steps depend on."""
        trainer = self.trainer
        Checkpoint(
            trainer.settings,
            trainer.architecture.channels,
            self.data,
            self.head_start,
            self.init,
            trainer.state(),
            self.history,
        ).save(path)
