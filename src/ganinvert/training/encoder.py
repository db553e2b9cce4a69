"""Training the encoder of a generator, which methods then find by the generator's name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ganinvert.devices import resolve_device, resolve_precision, undisturbed
from ganinvert.errors import UsageError
from ganinvert.generators import load_generator
from ganinvert.images.folder import ImageFolder
from ganinvert.settings import EncoderTraining
from ganinvert.settings.common import DEFAULT_GENERATOR, Precision, StoredPrecision
from ganinvert.training.encoder_trainer import EncoderTrainer
from ganinvert.training.evaluation import EncoderEvaluation
from ganinvert.training.job import TrainedNetwork, TrainingJob, begin, run_folder
from ganinvert.training.loop import TrainingLoop, TrainingStep
from ganinvert.training.rendering import Rendering
from ganinvert.weights import registry


class EncoderJob(TrainingJob[EncoderTrainer, EncoderEvaluation]):
    """The training of an encoder."""

    @classmethod
    def open(
        cls,
        generator: str | Path,
        output: str | Path | None = None,
        settings: EncoderTraining | None = None,
        *,
        reals: str | Path | None = None,
        resume: bool = False,
        overwrite: bool = False,
        device: str = "auto",
        dtype: Precision = "auto",
    ) -> EncoderJob:
        """Load the generator and make the encoder, or resume it; arguments and errors are those of `train_encoder`."""
        place = resolve_device(device)
        output = encoder_path(generator) if output is None else Path(output)
        network = load_generator(generator)
        registry.require_name(network.name, encoder=True)
        registered = registry.find(f"{network.name}.encoder") if network.name != DEFAULT_GENERATOR else None
        hint = "" if overwrite else "replace it with --overwrite"
        if settings is not None or not resume:
            settings = (settings or EncoderTraining()).at(network.edit_layer)
        settings, before = begin(output, registered, settings, EncoderTraining, resume=resume, hint=hint)
        if before is not None and network.digest != before.source:
            raise UsageError(
                f"the training began with another generator than {network.name}",
                hint="name the same one with -g, or start anew with --overwrite",
            )
        network.check_layer(settings.layer or 0)
        side = Rendering(network).side
        images = ImageFolder.load(Path(reals), side, seed=settings.seed) if reals is not None else None
        data, photos, held_out = (images.sha256, images.training, images.held_out) if images else ("", None, None)
        if before is not None and data != before.data:
            raise UsageError(
                f"the training began with {'other' if before.data else 'no'} real images",
                hint=f"name the same folder with --reals{'' if before.data else ', that is none'}, or start anew with"
                " --overwrite",
            )
        precision = resolve_precision(dtype, place, allows_bfloat16=network.allows_bfloat16)
        trainer = EncoderTrainer(settings, network, photos, device=place, dtype=precision)
        evaluation = EncoderEvaluation(trainer.generator, held_out, count=settings.evaluation_images, device=place)
        loop = TrainingLoop(trainer, evaluation, run_folder(output), data, network.digest)
        if before is not None:
            loop.resume(before)
        return cls(loop, images, output, network.name, Path(reals).resolve().name if reals is not None else "")

    def finish(self, *, licence: str = "", credit: str = "", stored: StoredPrecision | None = None) -> TrainedNetwork:
        """Write the encoder, and register it unless its generator is the embedded one; see `TrainingJob.finish`."""
        trainer, metrics = self.loop.trainer, dict(self.loop.history.evaluations[-1])
        del metrics["images"]
        origin = f"trained by `ganinvert train-encoder` on {trainer.images_seen} samples of {self.name}"
        if self.images is not None:
            origin += f", and {len(self.images.training)} images of {self.folder}"
        encoder = trainer.encoder
        encoder.about = {"name": self.name, **self.card(origin, metrics, licence, credit)}
        encoder.digest = trainer.generator.digest
        encoder.save(self.output, stored=stored or "float16")
        if self.name == DEFAULT_GENERATOR:
            return self.result("", metrics)
        registry.register(self.name, {".encoder": self.output})
        return self.result(self.name, metrics)


@undisturbed()
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
    callback: Callable[[TrainingStep], None] | None = None,
) -> TrainedNetwork:
    """Train the encoder of a generator, on its samples and on real images.

    Args:
        generator: Name or file of the generator.
        output: File of the encoder, `NAME.encoder.safetensors` in the current folder by default. The folder
            `NAME.encoder.training` beside it receives the checkpoint, pictures, plots and log.
        settings: Settings of the training; None takes the defaults or, with `resume`, those of the beginning.
        reals: Folder of images like those to encode; a tenth of them is held out.
        resume: Go on from the checkpoint.
        overwrite: Replace existing files.
        licence: Licence of the weights for their header.
        credit: Credit of the real images for the header.
        stored: Precision of the file.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        dtype: Precision of the convolutions: "auto", "float32" or "bfloat16".
        callback: Function to call after every step. Its exceptions end the training, after a checkpoint.

    Raises:
        InputError: The folder or its images cannot be used, or there is nothing to resume.
        UsageError: A setting is invalid, or differs from that of the training to resume.
        OutputError: Something exists already and neither `resume` nor `overwrite` is set, or cannot be written.
        WeightsError: The generator is unknown or damaged.
        TrainingError: The training ran into values that are not finite.
    """
    job = EncoderJob.open(
        generator, output, settings, reals=reals, resume=resume, overwrite=overwrite, device=device, dtype=dtype
    )
    job.loop.run(callback)
    return job.finish(licence=licence, credit=credit, stored=stored)


def encoder_path(generator: str | Path) -> Path:
    """Default file of a generator's encoder."""
    return Path(f"{Path(generator).stem}.encoder.safetensors")
