"""`ganinvert train`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganinvert.cli import _options as options
from ganinvert.cli._console import output
from ganinvert.cli._training import follow, number, tell_of_images
from ganinvert.errors import GanInvertError, UsageError
from ganinvert.settings import DISCOVERY, Augmentation, GanLoss, GrayImages, Training

if TYPE_CHECKING:
    from ganinvert.subspaces import SelfExpressionStep
    from ganinvert.training import TrainedGenerator, TrainingStep

DEFAULT = Training()
REPEATS = 0.6
FEW_IMAGES = 500


def train(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Folder of training images, searched with its subfolders.")
    ],
    target: Annotated[
        Path,
        options.opt(
            options.IO, "--output", "-o", help="File of the trained generator: NAME.safetensors.", metavar="FILE"
        ),
    ],
    name: Annotated[
        str | None,
        options.opt(options.IO, "--name", help="Name of the generator for `invert -g`.", show_default="NAME of -o"),
    ] = None,
    resume: options.Resume = False,
    overwrite: options.Overwrite = False,
    stored: options.Stored = "float32",
    licence: options.Licence = "",
    credit: options.Credit = "",
    discover: Annotated[
        bool, options.opt(options.IO, "--discover/--no-discover", help="Discover subspaces at the end.")
    ] = True,
    gray: Annotated[
        GrayImages | None,
        options.opt(options.IO, "--gray", help="Keep or skip gray images.", show_default=DEFAULT.gray),
    ] = None,
    init: Annotated[
        str | None,
        options.opt(
            options.METHOD,
            "--init",
            help="Generator to start from, which sets resolution and channels.",
            metavar="NAME|FILE",
        ),
    ] = None,
    resolution: Annotated[
        int | None, number("Resolution in pixels: 16, 32, … 1024.", DEFAULT.resolution, options.METHOD, "--resolution")
    ] = None,
    latent: Annotated[
        int | None, number("Length of the latent code z.", DEFAULT.latent_dim, options.METHOD, "--latent")
    ] = None,
    base: Annotated[
        int | None,
        number(
            "Base of the number of channels, which at r pixels is min(base / r, cap).",
            DEFAULT.base,
            options.METHOD,
            "--base",
        ),
    ] = None,
    cap: Annotated[
        int | None,
        number(
            "Maximum of channels; the official networks have base 16384 and cap 512.",
            DEFAULT.cap,
            options.METHOD,
            "--cap",
        ),
    ] = None,
    images: Annotated[
        int | None,
        number("Number of images to train on, counting repetitions.", DEFAULT.images, options.OPTIMISATION, "--images"),
    ] = None,
    phase: Annotated[
        int | None,
        number(
            "Number of images to fade in each resolution, and to settle it; 0 trains without growing.",
            DEFAULT.phase_images,
            options.OPTIMISATION,
            "--phase",
        ),
    ] = None,
    batch_size: Annotated[
        int | None, number("Number of images per step.", DEFAULT.batch, options.OPTIMISATION, "--batch-size")
    ] = None,
    lr: Annotated[
        float | None,
        number("Learning rate of the Adam optimiser.", DEFAULT.lr, options.OPTIMISATION, "--lr", metavar="RATE"),
    ] = None,
    loss: Annotated[
        GanLoss | None, options.opt(options.OPTIMISATION, "--loss", help="Adversarial loss.", show_default=DEFAULT.loss)
    ] = None,
    augmentation: Annotated[
        Augmentation | None,
        options.opt(
            options.OPTIMISATION,
            "--augment",
            help="Augmentation of the discriminator's images: as it overfits, always, or never.",
            show_default=DEFAULT.augmentation,
        ),
    ] = None,
    features: Annotated[
        float | None,
        number(
            "Weight of discriminators on AlexNet's features; 0 for none.",
            DEFAULT.features,
            options.OPTIMISATION,
            "--features",
            metavar="WEIGHT",
        ),
    ] = None,
    flip: Annotated[
        bool | None,
        options.opt(options.OPTIMISATION, "--flip/--no-flip", help="Show mirrored images too.", show_default="flip"),
    ] = None,
    seed: Annotated[
        int | None, number("Random seed of the whole training.", DEFAULT.seed, options.OPTIMISATION, "--seed")
    ] = None,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    compiled: Annotated[
        bool,
        options.opt(options.COMPUTE, "--compile", help="Use torch.compile: minutes of preparation, then faster steps."),
    ] = False,
    config: options.Config = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
) -> None:
    """Grow a generator on your own images, for `invert -g NAME`.

    Hundreds of images of one kind, framed alike, are needed. Ctrl-C saves; the same command with --resume goes on.
    Samples, losses and a log are in NAME.training beside the output.

    Example: ganinvert train photos/ -o mugs.safetensors --resolution 64
    """
    network = {"resolution": resolution, "latent_dim": latent, "base": base, "cap": cap, "phase_images": phase}
    course = {
        "images": images,
        "batch": batch_size,
        "lr": lr,
        "loss": loss,
        "augmentation": augmentation,
        "features": features,
        "flip": flip,
        "gray": gray,
        "seed": seed,
    }
    if init is not None and any(value is not None for value in network.values()):
        raise UsageError(
            "--init brings its own size and channels, and does not grow",
            hint="leave out --resolution, --latent, --base, --cap and --phase",
        )
    given = {key: value for key, value in (network | course).items() if value is not None}
    settings = _settings(given, target, resume=resume)
    from ganinvert import tasks

    job = tasks.TrainingJob.open(
        folder, target, settings, init=init, name=name, resume=resume, overwrite=overwrite, device=device, dtype=dtype
    )
    tell_of_images(job.images)
    if len(job.images.training) < FEW_IMAGES:
        output.say(f"note: {len(job.images.training)} images are few: expect little variety, and repeated images")
    trainer = job.run.trainer
    if compiled:
        trainer.compile()
    output.say(
        f"{job.name}: {trainer.architecture.resolution} px, {len(job.images.training)} training images,"
        f" {settings.images - trainer.shown} of {settings.images} still to show, on {trainer.device}"
    )
    follow(job.run, _state)
    result = job.finish(licence=licence, credit=credit, stored=stored)
    _report(result, len(job.images.training))
    for path in (result.path, result.discriminator, result.folder):
        output.data(str(path))
    if discover:
        _discover(result.name, device)


def _settings(given: Mapping[str, Any], target: Path, *, resume: bool) -> Training:
    if not resume:
        return replace(DEFAULT, **given)
    from ganinvert import tasks

    return replace(tasks.saved_settings(target), **given)


def _state(step: TrainingStep) -> str:
    losses = f"G {float(step.losses.generator):.2f}  D {float(step.losses.discriminator):.2f}"
    return f"{step.stage}  {losses}  augmentation {float(step.strength):.2f}"


def _report(result: TrainedGenerator, training: int) -> None:
    metrics = result.metrics
    output.say(f"shown {result.images} images in {result.seconds / 60:.1f} minutes")
    output.say(
        f"Fréchet distance (AlexNet): {metrics['frechet_training']:.1f} to the training images,"
        f" {metrics['frechet_held_out']:.1f} to the held-out ones"
    )
    ratio = metrics["memorisation_ratio"]
    output.say(f"memorisation: samples are {ratio:.2f} times as far from training images as held-out images are")
    if ratio < REPEATS:
        output.say(
            f"warning: that is near: the generator may repeat its {training} images; look at"
            f" {result.folder / 'memorisation.png'}",
            style="yellow",
        )
    output.say(f"use it with: ganinvert invert -g {result.name} PHOTO")


def _discover(name: str, device: str) -> None:
    from ganinvert import tasks

    with output.progress("discovering subspaces") as show:

        def watch(step: SelfExpressionStep) -> None:
            show(step.index + 1, step.steps, lambda: f"images {float(step.image_loss):.0f}")

        try:
            found = tasks.discover(name, settings=DISCOVERY["default"], device=device, callback=watch)
        except GanInvertError as error:  # the generator is written and registered all the same
            output.say(f"warning: no subspaces were discovered: {error.message}; {error.hint}", style="yellow")
            return
    output.say(
        f"discovered {found.partition.subspaces} subspaces of {', '.join(map(str, found.partition.sizes))} channels"
    )
