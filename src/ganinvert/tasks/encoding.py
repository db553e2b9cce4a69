"""Training the encoder of a generator: from a generator to an encoder that methods take by its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ganinvert.devices import resolve_device, resolve_precision
from ganinvert.errors import UsageError
from ganinvert.generators import load_generator
from ganinvert.settings import DEFAULT_GENERATOR, EncoderTraining, Precision, StoredPrecision
from ganinvert.tasks.resuming import require_free, require_weights_name, resumed_settings
from ganinvert.training import (
    CHECKPOINT,
    EncoderCheckpoint,
    EncoderEvaluation,
    EncoderRun,
    EncoderStep,
    EncoderTrainer,
    History,
    ImageFolder,
    TrainedEncoder,
    deliver_encoder,
    run_folder,
)
from ganinvert.weights import registry


@dataclass(frozen=True)
class EncoderJob:
    """A training that is ready to start or to go on.

    Attributes:
        run: The encoder and its history.
        reals: Real images that it learns from too.
        output: Where the encoder will be written.
        source: Name of the folder of real images, empty without.
    """

    run: EncoderRun
    reals: ImageFolder | None
    output: Path
    source: str

    @classmethod
    def open(
        cls,
        generator: str | Path,
        output: Path | None = None,
        *,
        settings: EncoderTraining | None = None,
        reals: Path | None = None,
        resume: bool = False,
        overwrite: bool = False,
        device: str = "auto",
        dtype: Precision = "auto",
    ) -> EncoderJob:
        """Load the generator, read the images and make the encoder, or take it up where it was left.

        Raises:
            InputError: The folder or its images cannot be used, or there is nothing to resume.
            UsageError: A setting cannot be, or is not that of the training to resume.
            OutputError: Something exists already and neither `resume` nor `overwrite` is set.
            WeightsError: The generator is unknown or damaged.
        """
        place = resolve_device(device)
        precision = resolve_precision(dtype, place)
        output = encoder_path(generator) if output is None else output
        require_weights_name(output)
        network = load_generator(generator)
        registry.require_encodable(network.name)
        if not (resume or overwrite):
            registered = registry.find(f"{network.name}.encoder") if network.name != DEFAULT_GENERATOR else None
            require_free(output, [registered], hint="replace it with --overwrite")
        saved = EncoderCheckpoint.load(run_folder(output) / CHECKPOINT) if resume else None
        if saved is not None:
            settings = resumed_settings(settings, saved.settings)
            if network.digest != saved.generator:
                raise UsageError(
                    f"the training began with another generator than {network.name}",
                    hint="name the same one with -g, or start anew with --overwrite",
                )
        settings = settings or EncoderTraining()
        network.check_layer(settings.layer)
        folder = ImageFolder.load(reals, network.resolution, seed=settings.seed) if reals is not None else None
        data = folder.sha256 if folder is not None else ""
        if saved is not None and data != saved.data:
            raise UsageError(
                f"the training began with {'other' if saved.data else 'no'} real images",
                hint=f"name the same folder with --reals{'' if saved.data else ', that is none'}, or start anew with"
                " --overwrite",
            )
        training, held_out = (folder.training, folder.held_out) if folder is not None else (None, None)
        trainer = EncoderTrainer(settings, network, training, device=place, dtype=precision)
        history = History()
        if saved is not None:
            trainer.restore(saved.trainer)
            history = saved.history
        evaluation = EncoderEvaluation(trainer.generator, held_out, count=settings.evaluation_images, device=place)
        run = EncoderRun(run_folder(output), data, history, trainer, evaluation)
        return cls(run, folder, output, reals.resolve().name if reals is not None else "")

    def finish(self, *, licence: str = "", credit: str = "", stored: StoredPrecision = "float16") -> TrainedEncoder:
        """Write and register the encoder; see `train_encoder`."""
        return deliver_encoder(
            self.run, self.reals, self.output, self.source, licence=licence, credit=credit, stored=stored
        )


def train_encoder(
    generator: str | Path = DEFAULT_GENERATOR,
    output: str | Path | None = None,
    *,
    settings: EncoderTraining | None = None,
    reals: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    licence: str = "",
    credit: str = "",
    stored: StoredPrecision = "float16",
    device: str = "auto",
    dtype: Precision = "auto",
    callback: Callable[[EncoderStep], None] | None = None,
) -> TrainedEncoder:
    """Train the encoder of a generator, on its samples and on real images.

    Args:
        generator: Name or file of the generator.
        output: The encoder's file, `NAME.encoder.safetensors` in the current folder by default. Beside it comes the
            folder `NAME.encoder.training` with the checkpoint, pictures, plots and log.
        settings: Of the training; with `resume`, None takes those it began with.
        reals: A folder of images such as those the encoder shall be used for; a tenth of them is held out.
        resume: Go on from the checkpoint.
        overwrite: Replace what exists.
        licence: Of the weights, as their header shall state it.
        credit: To whom the real images are owed.
        stored: Precision of the file.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        dtype: What convolutions compute in: "auto", "float32" or "bfloat16".
        callback: Called after every step; an exception it raises ends the training, after a checkpoint.

    Raises:
        InputError: The folder or its images cannot be used, or there is nothing to resume.
        UsageError: A setting cannot be, or is not that of the training to resume.
        OutputError: Something exists already and neither `resume` nor `overwrite` is set, or cannot be written.
        WeightsError: The generator is unknown or damaged.
        TrainingError: The training ran into values that are not finite.
    """
    job = EncoderJob.open(
        generator,
        Path(output) if output is not None else None,
        settings=settings,
        reals=Path(reals) if reals is not None else None,
        resume=resume,
        overwrite=overwrite,
        device=device,
        dtype=dtype,
    )
    job.run.go(callback)
    return job.finish(licence=licence, credit=credit, stored=stored)


def encoder_path(generator: str | Path) -> Path:
    """Where the encoder of a generator is written when nothing else is said."""
    return Path(f"{Path(generator).stem}.encoder.safetensors")


def saved_encoder_settings(output: Path) -> EncoderTraining:
    """The settings of the training that was begun for an output.

    Raises:
        InputError: There is none, or its checkpoint is damaged.
    """
    return EncoderCheckpoint.load(run_folder(output) / CHECKPOINT).settings
