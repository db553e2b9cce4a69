"""Training a generator on a folder of images: from the files to a generator that `invert` takes by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ganinvert.devices import resolve_device, resolve_precision
from ganinvert.errors import UsageError, WeightsError
from ganinvert.generators import PGGANGenerator, load_discriminator, load_generator
from ganinvert.settings import Precision, StoredPrecision, Training
from ganinvert.tasks.resuming import require_free, require_weights_name, resumed_settings
from ganinvert.training import (
    CHECKPOINT,
    Checkpoint,
    Evaluation,
    History,
    ImageFolder,
    Run,
    TrainedGenerator,
    Trainer,
    TrainingStep,
    deliver,
    run_folder,
)
from ganinvert.weights import PGGANArchitecture, registry

HEAD_START = 5000
"""Images shown to a new discriminator before a generator that was trained elsewhere may follow it."""


@dataclass(frozen=True)
class TrainingJob:
    """A training that is ready to start or to go on.

    Attributes:
        run: The networks and their history.
        images: What they learn from.
        output: Where the generator will be written.
        name: Under which it will be found.
        source: Name of the folder of images.
    """

    run: Run
    images: ImageFolder
    output: Path
    name: str
    source: str

    @classmethod
    def open(
        cls,
        folder: Path,
        output: Path,
        settings: Training | None = None,
        *,
        init: str | Path | None = None,
        name: str | None = None,
        resume: bool = False,
        overwrite: bool = False,
        device: str = "auto",
        dtype: Precision = "auto",
    ) -> TrainingJob:
        """Read the images and make the networks, or take both up where they were left.

        Raises:
            InputError: The folder or its images cannot be used, or there is nothing to resume.
            UsageError: A setting cannot be, or is not that of the training to resume.
            OutputError: Something exists already and neither `resume` nor `overwrite` is set.
            WeightsError: `init` is unknown or damaged.
        """
        place = resolve_device(device)
        precision = resolve_precision(dtype, place)
        name = output.stem if name is None else name
        require_weights_name(output)
        registry.require_name(name)
        if not (resume or overwrite):
            hint = "choose another -o or --name, or replace it with --overwrite"
            require_free(output, [registry.find(name)], hint=hint)
        saved = Checkpoint.load(run_folder(output) / CHECKPOINT) if resume else None
        start = load_generator(init) if init is not None and saved is None else None
        if start is not None and not isinstance(start, PGGANGenerator):
            raise UsageError(f"{init} is not a PGGAN", hint="continue the training of a PGGAN, or start anew")
        if saved is not None:
            settings = _resumed(settings, saved, init)
        elif start is not None:
            settings = replace(
                settings or Training(),
                resolution=start.resolution,
                latent_dim=start.architecture.latent_dim,
                phase_images=0,
            )
        settings = settings or Training()
        images = ImageFolder.load(folder, settings.resolution, gray=settings.gray, seed=settings.seed)
        if saved is not None and images.sha256 != saved.data:
            raise UsageError(
                f"{folder} does not hold the images that the training began with",
                hint="bring them back, or start anew with --overwrite",
            )
        if saved is not None:
            architecture = PGGANArchitecture(settings.latent_dim, saved.channels)
        else:
            architecture = start.architecture if start is not None else _architecture(settings)
        trainer = Trainer(settings, architecture, images.training, device=place, dtype=precision)
        history, head_start = History(), 0
        if saved is not None:
            trainer.restore(saved.trainer)
            history, head_start, init = saved.history, saved.head_start, saved.init
        elif start is not None:
            head_start = 0 if _adopt(trainer, start, str(init)) else HEAD_START
        evaluation = Evaluation(
            images.training,
            images.held_out,
            latent_dim=architecture.latent_dim,
            samples=settings.evaluation_images,
            device=place,
        )
        run = Run(run_folder(output), images.sha256, history, trainer, evaluation, head_start, str(init or ""))
        return cls(run, images, output, name, folder.resolve().name)

    def finish(self, *, licence: str = "", credit: str = "", stored: StoredPrecision = "float32") -> TrainedGenerator:
        """Write the networks with their model card, and register them under their name.

        Args:
            licence: Of the weights, as their header shall state it.
            credit: To whom the images are owed.
            stored: Precision of the files.

        Raises:
            TrainingError: The generator gives no usable images.
            OutputError: A file cannot be written.
        """
        return deliver(
            self.run, self.images, self.output, self.name, self.source, licence=licence, credit=credit, stored=stored
        )


def train(
    folder: str | Path,
    output: str | Path,
    *,
    settings: Training | None = None,
    init: str | Path | None = None,
    name: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    licence: str = "",
    credit: str = "",
    stored: StoredPrecision = "float32",
    device: str = "auto",
    dtype: Precision = "auto",
    callback: Callable[[TrainingStep], None] | None = None,
) -> TrainedGenerator:
    """Grow a PGGAN on a folder of images (Karras et al. 2018).

    Args:
        folder: Images of any size and format, in subfolders too.
        output: The generator's file, `NAME.safetensors`. Beside it come `NAME.discriminator.safetensors` and the folder
            `NAME.training` with the checkpoint, samples, plots and log.
        settings: Of the training; with `resume`, None takes those it began with.
        init: A generator to start from instead of noise, by name or file; it brings its architecture.
        name: Under which `invert -g` will find it; the output's stem by default.
        resume: Go on from the checkpoint.
        overwrite: Replace what exists.
        licence: Of the weights, as their header shall state it.
        credit: To whom the images are owed.
        stored: Precision of the files.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        dtype: What convolutions compute in: "auto", "float32" or "bfloat16".
        callback: Called after every step; an exception it raises ends the training, after a checkpoint.

    Raises:
        InputError: The folder or its images cannot be used, or there is nothing to resume.
        UsageError: A setting cannot be, or is not that of the training to resume.
        OutputError: Something exists already and neither `resume` nor `overwrite` is set, or cannot be written.
        WeightsError: `init` is unknown or damaged.
        TrainingError: The training ran into values that are not finite.
    """
    job = TrainingJob.open(
        Path(folder),
        Path(output),
        settings,
        init=init,
        name=name,
        resume=resume,
        overwrite=overwrite,
        device=device,
        dtype=dtype,
    )
    job.run.go(callback)
    return job.finish(licence=licence, credit=credit, stored=stored)


def saved_settings(output: Path) -> Training:
    """The settings of the training that was begun for an output.

    Raises:
        InputError: There is none, or its checkpoint is damaged.
    """
    return Checkpoint.load(run_folder(output) / CHECKPOINT).settings


def _resumed(settings: Training | None, saved: Checkpoint, init: str | Path | None) -> Training:
    if init is not None and str(init) != saved.init:
        raise UsageError(
            f"the training began from {saved.init or 'noise'}, not from {init}",
            hint="leave out --init, or start anew with --overwrite",
        )
    return resumed_settings(settings, saved.settings)


def _architecture(settings: Training) -> PGGANArchitecture:
    return PGGANArchitecture.official(
        settings.resolution, latent_dim=settings.latent_dim, base=settings.base, cap=settings.cap
    )


def _adopt(trainer: Trainer, start: PGGANGenerator, name: str) -> bool:
    """Start from a trained generator, and its discriminator where it has one like ours; returns whether it has."""
    for network in (trainer.generator, trainer.average):
        network.adopt(start.state_dict())
    try:
        discriminator = load_discriminator(name)
        if discriminator.pools_first:
            return False
        trainer.discriminator.adopt(discriminator.state_dict())
    except (WeightsError, KeyError, RuntimeError):
        return False
    return True
