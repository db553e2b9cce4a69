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
from ganinvert.generators.checks import check_render
from ganinvert.generators.pggan import DiscriminatorWeights, EncoderWeights, GeneratorWeights, rounded
from ganinvert.settings import DEFAULT_GENERATOR, StoredPrecision
from ganinvert.training.data import ImageFolder
from ganinvert.training.encoder_run import EncoderRun
from ganinvert.training.evaluation import memorisation
from ganinvert.training.run import Run
from ganinvert.weights import digest, registry

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


@dataclass(frozen=True)
class TrainedEncoder:
    """What `train_encoder` made.

    Attributes:
        generator: Name of the generator under which the encoder is found; empty for the embedded generator, whose
            encoder is embedded too: then it is found by its file.
        path: The encoder's file.
        folder: Checkpoint, pictures, plots and log of the training.
        metrics: See `EncoderEvaluation`.
        images: Samples shown in all.
        seconds: Spent in all sessions.
    """

    generator: str
    path: Path
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
    DiscriminatorWeights(
        rounded(trainer.discriminator.export(), stored), trainer.architecture, {**about, "generator": weights.digest}
    ).save(discriminator, stored=stored)
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


def deliver_encoder(
    run: EncoderRun,
    reals: ImageFolder | None,
    output: Path,
    source: str,
    *,
    licence: str = "",
    credit: str = "",
    stored: StoredPrecision = "float16",
) -> TrainedEncoder:
    """Write the encoder, and register it under the name of its generator unless that is the embedded one.

    Args:
        run: A training that has ended.
        reals: Real images it learned from too.
        output: The encoder's file.
        source: Name of the folder of real images.
        licence: Of the weights, as their header shall state it.
        credit: To whom the real images are owed.
        stored: Precision of the file.

    Raises:
        OutputError: A file cannot be written.
    """
    trainer, metrics = run.trainer, dict(run.history.evaluations[-1])
    shown = int(metrics.pop("images"))
    generator = trainer.generator
    data = {} if reals is None else _data_card(reals, source, run.data)
    photos = "" if reals is None else f", and {len(reals.training)} images of {source}"
    about = {
        "name": generator.name,
        "origin": f"trained by `ganinvert train-encoder` on {shown} samples of {generator.name}{photos}",
        "data": json.dumps(data),
        "training": json.dumps(asdict(trainer.settings)),
        **_course_card(run, trainer.dtype, metrics),
        "licence": licence or "not stated by who trained it",
        "credit": credit,
    }
    encoder = trainer.encoder
    state = {key: tensor.cpu() for key, tensor in encoder.state_dict().items()}
    EncoderWeights(state, encoder.architecture, generator.digest, about).save(output, stored=stored)
    name = "" if generator.name == DEFAULT_GENERATOR else generator.name
    if name:
        registry.register_encoder(name, output)
    return TrainedEncoder(name, output, run.folder, metrics, shown, run.history.seconds)


def _model_card(run: Run, images: ImageFolder, source: str, metrics: Mapping[str, float]) -> dict[str, str]:
    start = f", from {run.init}" if run.init else ""
    return {
        "origin": f"trained by `ganinvert train` on {len(images.training)} images of {source}{start}",
        "data": json.dumps(_data_card(images, source, run.data)),
        "training": json.dumps(asdict(run.trainer.settings)),
        **_course_card(run, run.trainer.dtype, metrics),
    }


def _data_card(images: ImageFolder, source: str, sha256: str) -> dict[str, str | int]:
    return {
        "folder": source,
        "training": len(images.training),
        "held_out": len(images.held_out),
        "skipped": len(images.skipped),
        "sha256": sha256,
    }


def _course_card(run: Run | EncoderRun, dtype: torch.dtype, metrics: Mapping[str, float]) -> dict[str, str]:
    made = {
        "device": torch.cuda.get_device_name(run.device) if run.device.type == "cuda" else "CPU",
        "dtype": str(dtype).removeprefix("torch."),
        "seconds": round(run.history.seconds),
        "python": platform.python_version(),
        **{package: version(package) for package in ("ganinvert", "torch")},
    }
    return {
        "metrics": json.dumps(dict(metrics)),
        "made": json.dumps(made),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
