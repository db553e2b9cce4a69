"""Parts that both trainings share: the job, what it may replace, how it goes on, and its model card."""

from __future__ import annotations

import json
import platform
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Generic

import torch

from ganinvert import __version__
from ganinvert.errors import OutputError, UsageError
from ganinvert.images.folder import ImageFolder
from ganinvert.settings.common import StoredPrecision
from ganinvert.training.checkpoint import FILE_NAME, Checkpoint, Settings
from ganinvert.training.loop import E, T, TrainingLoop


@dataclass(frozen=True)
class TrainedNetwork:
    """Result of `train` and `train_encoder`.

    Attributes:
        name: Name of the generator, by which `invert -g` finds it and its encoder; empty for an encoder of the embedded
            generator, whose own encoder is embedded too.
        path: File of the generator or encoder.
        discriminator: File of the generator's discriminator, None for an encoder.
        folder: Folder of the checkpoint, pictures, plots and log.
        metrics: Metrics of `GeneratorEvaluation` and "memorisation_ratio", see `Memorisation.ratio`; or those of
            `EncoderEvaluation`.
        images: Number of images or samples seen.
        seconds: Training time of all sessions.
    """

    name: str
    path: Path
    discriminator: Path | None
    folder: Path
    metrics: Mapping[str, float]
    images: int
    seconds: float


@dataclass(frozen=True)
class TrainingJob(ABC, Generic[T, E]):
    """A training that is ready to start or to go on: its loop, its images and the name of their folder, and its output.

    Without images, from samples alone, the folder is empty; `name` is that of the generator.
    """

    loop: TrainingLoop[T, E]
    images: ImageFolder | None
    output: Path
    name: str
    folder: str

    @abstractmethod
    def finish(self, *, licence: str = "", credit: str = "", stored: StoredPrecision | None = None) -> TrainedNetwork:
        """Write and register the trained networks, by default in float32 for generators and float16 for encoders.

        Raises:
            TrainingError: The generator gives no usable images.
            OutputError: A file cannot be written.
        """

    def card(self, origin: str, metrics: Mapping[str, float], licence: str, credit: str) -> dict[str, str]:
        """Header of the trained weights."""
        loop, trainer, images = self.loop, self.loop.trainer, self.images
        data: dict[str, object] = {}
        if images is not None:
            counts = {name: len(getattr(images, name)) for name in ("training", "held_out", "skipped")}
            data = {"folder": self.folder, **counts, "sha256": loop.data}
        environment = {
            "device": torch.cuda.get_device_name(trainer.device) if trainer.device.type == "cuda" else "CPU",
            "dtype": str(trainer.dtype).removeprefix("torch."),
            "seconds": round(loop.history.seconds),
            "python": platform.python_version(),
            "ganinvert": __version__,
            "torch": version("torch"),
        }
        return {
            "origin": origin,
            "data": json.dumps(data),
            "training": json.dumps(asdict(trainer.settings)),
            "metrics": json.dumps(dict(metrics)),
            "made": json.dumps(environment),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "licence": licence or "not stated by who trained it",
            "credit": credit,
        }

    def result(self, name: str, metrics: Mapping[str, float], discriminator: Path | None = None) -> TrainedNetwork:
        """Summary of the finished training."""
        loop = self.loop
        images, seconds = loop.trainer.images_seen, loop.history.seconds
        return TrainedNetwork(name, self.output, discriminator, loop.folder, metrics, images, seconds)


def run_folder(output: Path) -> Path:
    """Folder beside the output for the checkpoint, pictures, plots and log."""
    return output.with_suffix(".training")


def saved(output: Path, settings: type[Settings]) -> Checkpoint[Settings]:
    """Read the checkpoint of the training that was begun for an output.

    Raises:
        InputError: There is none, or it is damaged.
    """
    return Checkpoint.load(run_folder(output) / FILE_NAME, settings)


def begin(
    output: Path, registered: Path | None, settings: Settings | None, kind: type[Settings], *, resume: bool, hint: str
) -> tuple[Settings, Checkpoint[Settings] | None]:
    """Choose the settings of a training, and read the checkpoint to resume.

    An empty hint lets files be replaced, also the one that is registered under the same name.

    Raises:
        InputError: There is nothing to resume.
        OutputError: A file, or the checkpoint of a training that was begun, would be replaced.
        UsageError: The output is no .safetensors file, or a setting differs from those of the beginning.
    """
    if output.suffix != ".safetensors":
        raise UsageError(f"{output} is not the name of a .safetensors file", hint=f"try -o {output.stem}.safetensors")
    if not resume:
        if hint and (beginning := run_folder(output) / FILE_NAME).exists():
            raise OutputError(
                f"{beginning}: a training for {output} was begun already",
                hint="continue it with --resume, or start anew with --overwrite",
            )
        for path in (output, registered):
            if hint and path is not None and path.exists():
                raise OutputError(f"{path} exists already", hint=hint)
        return settings or kind(), None
    checkpoint = saved(output, kind)
    if settings is None:
        return checkpoint.settings, checkpoint
    now, then = asdict(settings), asdict(checkpoint.settings)
    # More images may be seen than was planned; anything else would be another training.
    changed = [f"{key} was {then[key]}, now {now[key]}" for key in then if key != "images" and now[key] != then[key]]
    if changed:
        raise UsageError(
            f"the training began with other settings: {'; '.join(changed)}",
            hint="leave them out to go on as it began, or start anew with --overwrite",
        )
    return settings, checkpoint
