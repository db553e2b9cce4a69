"""Training a generator on a folder of images, which `invert` then finds by its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import sqrt
from pathlib import Path

import torch

from ganinvert.devices import resolve_device, resolve_precision, undisturbed
from ganinvert.errors import TrainingError, UsageError, WeightsError
from ganinvert.generators import PGGANDiscriminator, PGGANGenerator, load_discriminator, load_generator
from ganinvert.generators.checks import check_render
from ganinvert.generators.pggan import PGGANArchitecture
from ganinvert.images.folder import ImageFolder
from ganinvert.settings import Training
from ganinvert.settings.common import Precision, StoredPrecision
from ganinvert.training.evaluation import GeneratorEvaluation, memorisation
from ganinvert.training.generator_trainer import GeneratorTrainer
from ganinvert.training.job import TrainedNetwork, TrainingJob, begin, run_folder
from ganinvert.training.loop import TrainingLoop, TrainingStep
from ganinvert.weights import digest, registry

MEMORISATION_SAMPLES = 24
HEAD_START = 5000
"""Images that a new discriminator sees before a generator that is trained already learns too."""


class GeneratorJob(TrainingJob[GeneratorTrainer, GeneratorEvaluation]):
    """The training of a generator."""

    images: ImageFolder

    @classmethod
    def open(
        cls,
        folder: str | Path,
        output: str | Path,
        settings: Training | None = None,
        *,
        init: str | Path | None = None,
        name: str | None = None,
        resume: bool = False,
        overwrite: bool = False,
        device: str = "auto",
        dtype: Precision = "auto",
    ) -> GeneratorJob:
        """Read the images and make the networks, or resume them; arguments and errors are those of `train`."""
        folder, output, place = Path(folder), Path(output), resolve_device(device)
        name = output.stem if name is None else name
        registry.require_name(name)
        hint = "" if overwrite else "choose another -o or --name, or replace it with --overwrite"
        settings, before = begin(output, registry.find(name), settings, Training, resume=resume, hint=hint)
        start: PGGANGenerator | None = None
        if before is not None:
            architecture = PGGANArchitecture(settings.latent_dim, tuple(before.trainer["channels"]))
            if init is not None and str(init) != before.source:
                raise UsageError(
                    f"the training began from {before.source or 'noise'}, not from {init}",
                    hint="leave out --init, or start anew with --overwrite",
                )
        elif init is not None:
            network = load_generator(init)
            if not isinstance(network, PGGANGenerator):
                raise UsageError(f"{init} is not a PGGAN", hint="continue the training of a PGGAN, or start anew")
            start = network
            architecture, latents = start.architecture, start.architecture.latent_dim
            settings = replace(settings, resolution=start.resolution, latent_dim=latents, phase_images=0)
        else:
            architecture = PGGANArchitecture.official(
                settings.resolution, latent_dim=settings.latent_dim, base=settings.base, cap=settings.cap
            )
        images = ImageFolder.load(folder, settings.resolution, gray=settings.gray, seed=settings.seed)
        if before is not None and images.sha256 != before.data:
            raise UsageError(
                f"{folder} does not hold the images that the training began with",
                hint="bring them back, or start anew with --overwrite",
            )
        precision = resolve_precision(dtype, place)
        trainer = GeneratorTrainer(settings, architecture, images.training, device=place, dtype=precision)
        if start is not None:
            trainer.head_start = 0 if _adopt(trainer, start, str(init)) else HEAD_START
        evaluation = GeneratorEvaluation(images, settings, device=place)
        source = before.source if before is not None else str(init or "")
        loop = TrainingLoop(trainer, evaluation, run_folder(output), images.sha256, source)
        if before is not None:
            loop.resume(before)
        return cls(loop, images, output, name, folder.resolve().name)

    def finish(self, *, licence: str = "", credit: str = "", stored: StoredPrecision | None = None) -> TrainedNetwork:
        """Write the averaged generator and the discriminator, and register them; see `TrainingJob.finish`."""
        stored = stored or "float32"
        trainer, history, start = self.loop.trainer, self.loop.history, self.loop.source
        generator = PGGANGenerator(trainer.architecture)
        generator.load_state_dict(trainer.average.export())
        if stored == "float16":
            generator.half().float()  # as it will be read again
        generator.name, generator.digest = self.name, digest(generator.state_dict())
        try:
            check_render(generator)
        except WeightsError as error:
            raise TrainingError(error.message, hint="train on more images, or with a lower --lr") from error
        metrics = {**history.evaluations[-1], "memorisation_ratio": self._repetition(generator)}
        origin = f"trained by `ganinvert train` on {len(self.images.training)} images of {self.folder}"
        generator.about = self.card(f"{origin}, from {start}" if start else origin, metrics, licence, credit)
        discriminator, file = PGGANDiscriminator(trainer.architecture), discriminator_path(self.output)
        discriminator.load_state_dict(trainer.discriminator.export())
        discriminator.about = {**generator.about, "generator": generator.digest}
        discriminator.save(file, stored=stored)
        generator.save(self.output, stored=stored)
        registry.register(self.name, {".discriminator": file, "": self.output})
        del metrics["images"]
        return self.result(self.name, metrics, file)

    def _repetition(self, generator: PGGANGenerator) -> float:
        with torch.no_grad():
            samples = generator(self.loop.evaluation.codes[:MEMORISATION_SAMPLES])
        pairs = memorisation(samples, self.images.training, self.images.held_out)
        pairs.draw(self.loop.folder / "memorisation.png")
        return pairs.ratio


@undisturbed()
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
) -> TrainedNetwork:
    """Grow a PGGAN on a folder of images (Karras et al. 2018).

    Args:
        folder: Folder of images of any size and format, searched with its subfolders.
        output: File of the generator, `NAME.safetensors`. `NAME.discriminator.safetensors` is written beside it, and
            the folder `NAME.training` with the checkpoint, samples, plots and log.
        settings: Settings of the training; None takes the defaults or, with `resume`, those of the beginning.
        init: Name or file of a generator to start from instead of noise; it brings its architecture.
        name: Name by which `invert -g` will find the generator; the output's stem by default.
        resume: Go on from the checkpoint.
        overwrite: Replace existing files.
        licence: Licence of the weights for their header.
        credit: Credit of the images for the header.
        stored: Precision of the files.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        dtype: Precision of the convolutions: "auto", "float32" or "bfloat16".
        callback: Function to call after every step. Its exceptions end the training, after a checkpoint.

    Raises:
        InputError: The folder or its images cannot be used, or there is nothing to resume.
        UsageError: A setting is invalid, or differs from that of the training to resume.
        OutputError: Something exists already and neither `resume` nor `overwrite` is set, or cannot be written.
        WeightsError: `init` is unknown or damaged.
        TrainingError: The training ran into values that are not finite.
    """
    job = GeneratorJob.open(
        folder, output, settings, init=init, name=name, resume=resume, overwrite=overwrite, device=device, dtype=dtype
    )
    job.loop.run(callback)
    return job.finish(licence=licence, credit=credit, stored=stored)


def discriminator_path(output: Path) -> Path:
    """File of a generator's discriminator."""
    return output.with_suffix(".discriminator.safetensors")


def _adopt(trainer: GeneratorTrainer, start: PGGANGenerator, name: str) -> bool:
    """Start from a trained generator; return True if its discriminator, too, is one to start from."""
    for network in (trainer.generator, trainer.average):
        network.adopt(start.state_dict())
    try:
        discriminator = load_discriminator(name)
        if discriminator.pools_first:
            return False
        state = discriminator.state_dict()
        if discriminator.consecutive:  # its deviations are those of three in four
            state["final.weight"][:, -1] *= sqrt(4 / 3)
        trainer.discriminator.adopt(state)
    except (WeightsError, KeyError, RuntimeError):
        return False
    return True
