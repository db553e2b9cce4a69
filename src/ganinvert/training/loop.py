"""The loop of every training: steps, evaluations, checkpoints, and pictures of the progress."""

from __future__ import annotations

import json
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from ganinvert import images
from ganinvert.errors import TrainingError
from ganinvert.figures import save_figure
from ganinvert.files import write_atomically
from ganinvert.metrics import to_unit
from ganinvert.settings import EncoderTraining, Training
from ganinvert.training.checkpoint import FILE_NAME, Checkpoint, History

RECORD_STEPS = 25
"""Steps whose mean losses make a row of the history."""

SAVE_SECONDS = 300.0
COLUMNS = 8
"""Pictures in a row of a grid."""


class Trainer(ABC):
    """Networks, their optimisers and everything random, at the state after some images.

    `step` returns losses by the names in `curves`; an evaluation measures the `network`; a checkpoint has the state of
    the `parts`, everything on which the following steps depend. Parameters are float32, convolutions `dtype`.
    """

    curves: ClassVar[tuple[str, ...]]
    settings: Training | EncoderTraining
    device: torch.device
    dtype: torch.dtype
    rng: torch.Generator
    network: Callable[[Tensor], Any]
    parts: Mapping[str, Any]
    images_seen = 0
    steps = 0

    @abstractmethod
    def step(self) -> dict[str, Tensor]:
        """Learn from one batch; returns scalars on the device, whose reading waits for it."""

    @property
    def stage(self) -> str:
        """Description of the networks' growth, empty for networks that do not grow."""
        return ""

    def is_finite(self) -> bool:
        """Tell if all parameters are finite numbers; waits for the device."""
        networks = [part for part in self.parts.values() if isinstance(part, nn.Module)]
        sums = [parameter.detach().sum() for network in networks for parameter in network.parameters()]
        return bool(torch.stack(sums).isfinite().all())

    def state(self) -> dict[str, Any]:
        """Everything that the following steps depend on, as plain tensors, strings and numbers."""
        return {
            "images_seen": self.images_seen,
            "steps": self.steps,
            "rng": self.rng.get_state(),
            **{name: part.state_dict() for name, part in self.parts.items()},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take a result of `state`; the same steps follow, bit for bit on the CPU with as many threads."""
        for name, part in self.parts.items():
            part.load_state_dict(state[name])
        self.rng.set_state(state["rng"])
        self.images_seen, self.steps = state["images_seen"], state["steps"]


class Evaluation(ABC):
    """Metrics of a network, the title and labels of those to plot, and pictures of what the network can do."""

    title: ClassVar[str]
    labels: Mapping[str, str]

    @abstractmethod
    def __call__(self, network: Any) -> dict[str, float]:
        """Measure a network."""

    @abstractmethod
    def pictures(self, network: Any) -> dict[str, Tensor]:
        """Images (n, 3, r, r), about [-1, 1], of which eight make a row, by the name of their grid."""


T = TypeVar("T", bound=Trainer)
E = TypeVar("E", bound=Evaluation)


@dataclass(frozen=True)
class TrainingStep:
    """One step of a training.

    Attributes:
        images: Images seen so far.
        total: Images planned in all.
        stage: Description of the networks' growth, empty for an encoder.
        losses: Losses of this step, scalars on the device.
    """

    images: int
    total: int
    stage: str
    losses: Mapping[str, Tensor]


@dataclass
class TrainingLoop(Generic[T, E]):
    """A training and the folder of its checkpoint, pictures, plot and log; `data` and `source` as in `Checkpoint`."""

    trainer: T
    evaluation: E
    folder: Path
    data: str
    source: str
    history: History = field(default_factory=History)
    _pending: list[Tensor] = field(default_factory=list, init=False, repr=False)

    def resume(self, checkpoint: Checkpoint[Any]) -> None:
        """Go on from a checkpoint."""
        self.trainer.restore(checkpoint.trainer)
        self.history = checkpoint.history

    # On CUDA: try the kernels for these shapes, which stay the same for long, and multiply in TF32.
    @torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=True)
    def run(self, callback: Callable[[TrainingStep], None] | None = None) -> None:
        """Train until all images have been seen; an exception of the callback ends it, after a checkpoint.

        Raises:
            TrainingError: A loss or parameter is not finite. The last checkpoint is kept as it is.
        """
        trainer, settings = self.trainer, self.trainer.settings
        total = settings.images
        if not self.history.evaluations:
            self.evaluate()
        every = max(total // settings.evaluations, 1)
        started = saved = time.monotonic()
        while trainer.images_seen < total:
            before, stage = trainer.images_seen, trainer.stage
            losses = trainer.step()
            self._pending.append(torch.stack([losses[name] for name in trainer.curves]))
            if len(self._pending) >= RECORD_STEPS:
                self._flush()
            now = time.monotonic()
            self.history.seconds += now - started
            started = now
            if trainer.images_seen // every > before // every and trainer.images_seen < total:
                self.evaluate()
                started = time.monotonic()
            if now - saved > SAVE_SECONDS:
                self.save()
                saved = started = time.monotonic()
            if callback is not None:
                try:
                    callback(TrainingStep(trainer.images_seen, total, stage, losses))
                except BaseException:
                    self.save()
                    raise
        if self.history.evaluations[-1]["images"] != trainer.images_seen:
            self.evaluate()
        self.save()

    def evaluate(self) -> None:
        """Measure the present network, draw its pictures and the progress, and write the log."""
        self._require_finite()
        history = self.history
        history.evaluations.append({"images": self.trainer.images_seen, **self.evaluation(self.trainer.network)})
        for name, pictures in self.evaluation.pictures(self.trainer.network).items():
            write_grid(pictures, self.folder / f"{name}-{self.trainer.images_seen:08d}.png")
        self.draw()
        lines = [*history.evaluations, {"losses": history.losses, "seconds": history.seconds}]
        write_atomically(self.folder / "log.jsonl", "".join(json.dumps(line) + "\n" for line in lines).encode())

    def save(self) -> None:
        """Write the checkpoint, unless a loss or parameter is not finite."""
        self._require_finite()
        trainer = self.trainer
        checkpoint = Checkpoint(trainer.settings, self.data, self.source, trainer.state(), self.history)
        checkpoint.save(self.folder / FILE_NAME)

    def draw(self) -> None:
        """Draw the course over the number of images: losses above, labelled measures below, in log scale."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(9, 6), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True)
        curves, evaluations = self.trainer.curves, self.history.evaluations
        table = np.array(self.history.losses).reshape(-1, 1 + len(curves))
        for column, name in enumerate(curves, start=1):
            above.plot(table[:, 0], table[:, column], label=name, linewidth=0.9)
        above.set(title="losses")
        seen = [row["images"] for row in evaluations]
        for key, name in self.evaluation.labels.items():
            below.plot(seen, [row[key] for row in evaluations], "o-", label=name, markersize=3)
        below.set(title=self.evaluation.title, xlabel="number of images", yscale="log")
        for axes in (above, below):
            axes.grid(alpha=0.3)
            axes.legend()
        save_figure(figure, self.folder / "losses.png")

    def _flush(self) -> None:
        """Read the losses of the last steps: the one place where a step waits for the device."""
        if not self._pending:
            return
        means = torch.stack(self._pending).mean(dim=0).tolist()
        self._pending.clear()
        if not math.isfinite(sum(means)):
            raise self._failed()
        self.history.losses.append([float(self.trainer.images_seen), *means])

    def _require_finite(self) -> None:
        self._flush()
        if not self.trainer.is_finite():
            raise self._failed()

    def _failed(self) -> TrainingError:
        checkpoint = self.folder / FILE_NAME
        return TrainingError(
            f"the training ran into values that are not finite, near image {self.trainer.images_seen}",
            hint=(f"{checkpoint} is from before: " if checkpoint.exists() else "")
            + "start again with a lower --lr or, on a GPU, --dtype float32",
        )


def write_grid(pictures: Tensor, path: Path) -> None:
    """Draw pictures (n, 3, r, r), about [-1, 1], eight in a row; an incomplete last row is left out."""
    columns = min(COLUMNS, len(pictures))
    whole = to_unit(pictures)[: len(pictures) // columns * columns].unflatten(0, (-1, columns))
    grid = whole.permute(2, 0, 3, 1, 4).flatten(3, 4).flatten(1, 2)
    write_atomically(path, images.encode_png(images.to_pil(grid.numpy())))
