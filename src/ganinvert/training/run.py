"""The training loop: steps, evaluations, checkpoints, and the pictures that show how it goes."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ganinvert import images
from ganinvert.errors import TrainingError
from ganinvert.figures import draw_training
from ganinvert.files import write_atomically
from ganinvert.metrics import to_unit
from ganinvert.training.checkpoint import Checkpoint, History
from ganinvert.training.evaluation import Evaluation
from ganinvert.training.networks import Stage
from ganinvert.training.trainer import Losses, Trainer

CHECKPOINT = "checkpoint.pt"
RECORD_STEPS = 25
SAVE_SECONDS = 300.0
GRID = (6, 8)  # rows and columns of samples


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
class Run:
    """A training and the folder in which it is kept.

    Attributes:
        trainer: The networks.
        evaluation: Measures the samples on the way.
        folder: Where the checkpoint, samples, plot and log are written.
        data: SHA-256 of the training images.
        head_start: Images that the discriminator is shown before the generator learns too.
        init: The generator that it started from, empty for none.
        history: What happened so far.
    """

    trainer: Trainer
    evaluation: Evaluation
    folder: Path
    data: str
    head_start: int
    init: str
    history: History

    def __post_init__(self) -> None:
        """Nothing is pending at the start."""
        self._pending: list[Tensor] = []

    def go(self, callback: Callable[[TrainingStep], None] | None = None) -> None:
        """Train until all images were shown.

        Args:
            callback: Called after every step. An exception that it raises ends the training, after a checkpoint.

        Raises:
            TrainingError: A loss or parameter is not finite. The last checkpoint is kept as it is.
            OutputError: The folder cannot be written.
        """
        with _fast_convolutions(self.trainer.device):
            self._go(callback)

    def _go(self, callback: Callable[[TrainingStep], None] | None) -> None:
        trainer, total = self.trainer, self.trainer.settings.images
        if not self.history.evaluations:
            self.evaluate()
        every = max(total // trainer.settings.evaluations, 1)
        started = saved = time.monotonic()
        while trainer.shown < total:
            before = trainer.shown
            losses = trainer.step(generator_learns=before >= self.head_start)
            self._note(losses)
            now = time.monotonic()
            self.history.seconds += now - started
            started = now
            if trainer.shown // every > before // every and trainer.shown < total:
                self.evaluate()
                started = time.monotonic()
            if now - saved > SAVE_SECONDS:
                self.save()
                saved = started = time.monotonic()
            if callback is not None:
                step = TrainingStep(trainer.shown, total, trainer.stage, losses, trainer.strength.probability)
                try:
                    callback(step)
                except BaseException:
                    self.save()
                    raise
        if self.history.evaluations[-1]["images"] != trainer.shown:
            self.evaluate()
        self.save()

    def evaluate(self) -> None:
        """Measure the averaged generator, and show its samples and the losses so far.

        Raises:
            TrainingError: A loss or parameter is not finite.
            OutputError: The folder cannot be written.
        """
        self._require_finite()
        trainer, history = self.trainer, self.history
        history.evaluations.append({"images": trainer.shown, **self.evaluation(trainer.samples)})
        grid = _grid(to_unit(trainer.samples(self.evaluation.codes[: GRID[0] * GRID[1]])))
        write_atomically(
            self.folder / f"samples-{trainer.shown:08d}.png", images.encode_png(images.to_pil(grid.numpy()))
        )
        draw_training(history.losses, history.evaluations, self.folder / "losses.png")
        lines = [*history.evaluations, {"losses": history.losses, "seconds": history.seconds}]
        write_atomically(self.folder / "log.jsonl", "".join(json.dumps(line) + "\n" for line in lines).encode())

    def save(self) -> None:
        """Write the checkpoint.

        Raises:
            TrainingError: A loss or parameter is not finite: the older checkpoint is kept.
            OutputError: The file cannot be written.
        """
        self._require_finite()
        trainer = self.trainer
        Checkpoint(
            trainer.settings,
            trainer.architecture.channels,
            self.data,
            self.head_start,
            self.init,
            trainer.state(),
            self.history,
        ).save(self.folder / CHECKPOINT)

    def _note(self, losses: Losses) -> None:
        self._pending.append(torch.stack([losses.generator, losses.discriminator]))
        if len(self._pending) >= RECORD_STEPS:
            self._flush()

    def _flush(self) -> None:
        """Read the losses of the last steps: the one place where a step waits for the device."""
        if not self._pending:
            return
        made, judged = torch.stack(self._pending).mean(dim=0).tolist()
        self._pending.clear()
        if not math.isfinite(made + judged):
            raise self._failed()
        probability = float(self.trainer.strength.probability)
        self.history.losses.append([float(self.trainer.shown), made, judged, probability])

    def _require_finite(self) -> None:
        self._flush()
        if not self.trainer.is_finite():
            raise self._failed()

    def _failed(self) -> TrainingError:
        kept = self.folder / CHECKPOINT
        return TrainingError(
            f"the training ran into values that are not finite, near image {self.trainer.shown}",
            hint=(f"{kept} is from before: " if kept.exists() else "")
            + "start again with a lower --lr or, on a GPU, --dtype float32",
        )


def _fast_convolutions(device: torch.device) -> AbstractContextManager[object]:
    """On CUDA: try the kernels for these shapes, which stay the same for long, and multiply in TF32."""
    if device.type != "cuda":
        return nullcontext()
    return torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=True)


def _grid(pictures: Tensor) -> Tensor:
    """Pictures (n, 3, r, r) side by side, (3, rows · r, columns · r); those that fill no row are left out."""
    columns = min(GRID[1], len(pictures))
    whole = pictures[: len(pictures) // columns * columns].unflatten(0, (-1, columns))
    grid: Tensor = whole.permute(2, 0, 3, 1, 4).flatten(3, 4).flatten(1, 2)
    return grid
