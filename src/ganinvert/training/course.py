"""What all trainings have in common: steps, evaluations, checkpoints, and pictures that show how it goes."""

from __future__ import annotations

import json
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import torch
from torch import Tensor

from ganinvert import images
from ganinvert.errors import TrainingError
from ganinvert.files import write_atomically
from ganinvert.metrics import to_unit
from ganinvert.training.checkpoint import History

CHECKPOINT = "checkpoint.pt"
RECORD_STEPS = 25
SAVE_SECONDS = 300.0
COLUMNS = 8  # of the pictures

Step = TypeVar("Step")


@dataclass
class Course(ABC, Generic[Step]):
    """A training and the folder in which it is kept; `Step` is what its callback is told.

    Attributes:
        folder: Where the checkpoint, pictures, plot and log are written.
        data: SHA-256 of the training images, empty when there are none.
        history: What happened so far.
    """

    folder: Path
    data: str
    history: History

    def __post_init__(self) -> None:
        """Nothing is pending at the start."""
        self._pending: list[Tensor] = []

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where it computes."""

    @property
    @abstractmethod
    def shown(self) -> int:
        """Images so far."""

    @property
    @abstractmethod
    def planned(self) -> tuple[int, int]:
        """Images in all, and evaluations on the way."""

    @abstractmethod
    def advance(self) -> tuple[Step, Tensor]:
        """Make a step: what the callback is told, and the numbers (k,) to keep of it, on the device."""

    @abstractmethod
    def measure(self) -> dict[str, float]:
        """How good the network is now."""

    @abstractmethod
    def draw(self) -> None:
        """Write pictures of the present state, and of the course so far.

        Raises:
            OutputError: The folder cannot be written.
        """

    @abstractmethod
    def is_finite(self) -> bool:
        """Whether all parameters are finite numbers; waits for the device."""

    @abstractmethod
    def write_checkpoint(self, path: Path) -> None:
        """Write everything that the following steps depend on.

        Raises:
            OutputError: The file cannot be written.
        """

    def go(self, callback: Callable[[Step], None] | None = None) -> None:
        """Train until all images were shown.

        Args:
            callback: Called after every step. An exception that it raises ends the training, after a checkpoint.

        Raises:
            TrainingError: A loss or parameter is not finite. The last checkpoint is kept as it is.
            OutputError: The folder cannot be written.
        """
        with _fast_convolutions(self.device):
            self._go(callback)

    def _go(self, callback: Callable[[Step], None] | None) -> None:
        total, evaluations = self.planned
        if not self.history.evaluations:
            self.evaluate()
        every = max(total // evaluations, 1)
        started = saved = time.monotonic()
        while self.shown < total:
            before = self.shown
            step, numbers = self.advance()
            self._note(numbers)
            now = time.monotonic()
            self.history.seconds += now - started
            started = now
            if self.shown // every > before // every and self.shown < total:
                self.evaluate()
                started = time.monotonic()
            if now - saved > SAVE_SECONDS:
                self.save()
                saved = started = time.monotonic()
            if callback is not None:
                try:
                    callback(step)
                except BaseException:
                    self.save()
                    raise
        if self.history.evaluations[-1]["images"] != self.shown:
            self.evaluate()
        self.save()

    def evaluate(self) -> None:
        """Measure the present state, and show it and the losses so far.

        Raises:
            TrainingError: A loss or parameter is not finite.
            OutputError: The folder cannot be written.
        """
        self._require_finite()
        history = self.history
        history.evaluations.append({"images": self.shown, **self.measure()})
        self.draw()
        lines = [*history.evaluations, {"losses": history.losses, "seconds": history.seconds}]
        write_atomically(self.folder / "log.jsonl", "".join(json.dumps(line) + "\n" for line in lines).encode())

    def save(self) -> None:
        """Write the checkpoint.

        Raises:
            TrainingError: A loss or parameter is not finite: the older checkpoint is kept.
            OutputError: The file cannot be written.
        """
        self._require_finite()
        self.write_checkpoint(self.folder / CHECKPOINT)

    def _note(self, numbers: Tensor) -> None:
        self._pending.append(numbers)
        if len(self._pending) >= RECORD_STEPS:
            self._flush()

    def _flush(self) -> None:
        """Read the numbers of the last steps: the one place where a step waits for the device."""
        if not self._pending:
            return
        means = torch.stack(self._pending).mean(dim=0).tolist()
        self._pending.clear()
        if not math.isfinite(sum(means)):
            raise self._failed()
        self.history.losses.append([float(self.shown), *means])

    def _require_finite(self) -> None:
        self._flush()
        if not self.is_finite():
            raise self._failed()

    def _failed(self) -> TrainingError:
        kept = self.folder / CHECKPOINT
        return TrainingError(
            f"the training ran into values that are not finite, near image {self.shown}",
            hint=(f"{kept} is from before: " if kept.exists() else "")
            + "start again with a lower --lr or, on a GPU, --dtype float32",
        )


def write_grid(pictures: Tensor, path: Path) -> None:
    """Draw pictures (n, 3, r, r), about [-1, 1], eight to a row; those that fill no row are left out.

    Raises:
        OutputError: The file cannot be written.
    """
    columns = min(COLUMNS, len(pictures))
    whole = to_unit(pictures)[: len(pictures) // columns * columns].unflatten(0, (-1, columns))
    grid = whole.permute(2, 0, 3, 1, 4).flatten(3, 4).flatten(1, 2)
    write_atomically(path, images.encode_png(images.to_pil(grid.numpy())))


def _fast_convolutions(device: torch.device) -> AbstractContextManager[object]:
    """On CUDA: try the kernels for these shapes, which stay the same for long, and multiply in TF32."""
    if device.type != "cuda":
        return nullcontext()
    return torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=True)
