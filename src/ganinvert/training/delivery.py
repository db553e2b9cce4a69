"""From a finished training to files that others can use, with a model card in their headers."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch

from ganinvert.errors import TrainingError, WeightsError
from ganinvert.figures import draw_memorisation
from ganinvert.generators import PGGANGenerator
from ganinvert.generators.selfcheck import check_render
from ganinvert.settings import StoredPrecision
from ganinvert.training.data import ImageFolder
from ganinvert.training.evaluation import memorisation
from ganinvert.training.run import Run
from ganinvert.weights import DiscriminatorWeights, GeneratorWeights, digest, registry, rounded

MEMORISATION_SAMPLES = 24


@dataclass(frozen=True)
class TrainedGenerator:
    """What `train` made.

    Attributes:
        name: Under which `invert -g` finds it.
        path: The generator's file.
        discriminator: The discriminator's file.
        folder: Checkpoint, samples, plots and log of the training.
        metrics: "frechet_training", "frechet_held_out" and "memorisation_ratio", see `Memorisation.ratio`.
        images: Shown in all.
        seconds: Spent in all sessions.
    """

    name: str
    path: Path
    discriminator: Path
    folder: Path
    metrics: Mapping[str, float]
    images: int
    seconds: float


def run_folder(output: Path) -> Path:
    """Where everything about a training is kept but its results."""
    return output.with_suffix(".training")


def discriminator_path(output: Path) -> Path:
    """Where the discriminator of a generator file is written."""
    return output.with_suffix(".discriminator.safetensors")


def deliver(
    run: Run,
    images: ImageFolder,
    output: Path,
    name: str,
    source: str,
    *,
    licence: str = "",
    credit: str = "",
    stored: StoredPrecision = "float32",
) -> TrainedGenerator:
    """Write the averaged generator and the discriminator, and register them under a name.

    Args:
        run: A training that has ended.
        images: What it learned from.
        output: The generator's file.
        name: Under which it will be found.
        source: Name of the folder of images.
        licence: Of the weights, as their header shall state it.
        credit: To whom the images are owed.
        stored: Precision of the files.

    Raises:
        TrainingError: The generator gives no usable images.
        OutputError: A file cannot be written.
    """
    trainer = run.trainer
    state = rounded(trainer.average.export(), stored)
    weights = GeneratorWeights(state, trainer.architecture, name, digest(state), {})
    generator = PGGANGenerator(weights)
    try:
        check_render(generator)
    except WeightsError as error:
        raise TrainingError(error.message, hint="train on more images, or with a lower --lr") from error
    metrics = {**run.history.evaluations[-1], "memorisation_ratio": _repetition(run, images, generator)}
    about = _model_card(run, images, source, metrics) | {
        "licence": licence or "not stated by who trained it",
        "credit": credit,
    }
    discriminator = discriminator_path(output)
    DiscriminatorWeights(rounded(trainer.discriminator.export(), stored), trainer.architecture, about).save(
        discriminator, stored=stored
    )
    replace(weights, about=about).save(output, stored=stored)
    registry.register(name, output, discriminator)
    shown = int(metrics.pop("images"))
    return TrainedGenerator(name, output, discriminator, run.folder, metrics, shown, run.history.seconds)


def _repetition(run: Run, images: ImageFolder, generator: PGGANGenerator) -> float:
    """`Memorisation.ratio`, with its figure in the run's folder."""
    with torch.no_grad():
        samples = generator(run.evaluation.codes[:MEMORISATION_SAMPLES])
    found = memorisation(samples, images.training, images.held_out)
    draw_memorisation(
        found.samples.numpy(),
        found.nearest.numpy(),
        found.distances.tolist(),
        float(found.held_out.median()),
        run.folder / "memorisation.png",
    )
    return found.ratio


def _model_card(run: Run, images: ImageFolder, source: str, metrics: Mapping[str, float]) -> dict[str, str]:
    trainer = run.trainer
    data = {
        "folder": source,
        "training": len(images.training),
        "held_out": len(images.held_out),
        "skipped": len(images.skipped),
        "sha256": run.data,
    }
    made = {
        "device": torch.cuda.get_device_name(trainer.device) if trainer.device.type == "cuda" else "CPU",
        "dtype": str(trainer.dtype).removeprefix("torch."),
        "seconds": round(run.history.seconds),
        "python": platform.python_version(),
        **{package: version(package) for package in ("ganinvert", "torch")},
    }
    start = f", from {run.init}" if run.init else ""
    return {
        "origin": f"trained by `ganinvert train` on {len(images.training)} images of {source}{start}",
        "data": json.dumps(data),
        "training": json.dumps(asdict(trainer.settings)),
        "metrics": json.dumps(dict(metrics)),
        "made": json.dumps(made),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
