"""`ganinvert train`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganinvert.cli import _options as options
from ganinvert.cli._console import output
from ganinvert.cli._options import COMPUTE, IO, METHOD, opt
from ganinvert.cli._training import print_folder_notes, print_paths, run_training, settings_for, with_settings
from ganinvert.errors import GanInvertError, UsageError
from ganinvert.settings import DISCOVERY, Training

if TYPE_CHECKING:
    from ganinvert.subspaces import SelfExpressionStep
    from ganinvert.training import TrainedNetwork

DEFAULT = Training()
NETWORK = {"resolution", "latent_dim", "base", "cap", "phase_images"}
INIT = "Generator to start from, which sets resolution and channels."
COMPILE = "Use torch.compile: minutes of preparation, then faster steps."
REPEATS = 0.6
FEW_IMAGES = 500


@with_settings(Training)
def train(
    *,
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Folder of training images, searched with its subfolders.")
    ],
    target: Annotated[
        Path, opt(IO, "--output", "-o", help="File of the trained generator: NAME.safetensors.", metavar="FILE")
    ],
    name: Annotated[
        str | None, opt(IO, "--name", help="Name of the generator for `invert -g`.", show_default="NAME of -o")
    ] = None,
    resume: options.Resume = False,
    overwrite: options.Overwrite = False,
    stored: options.Stored = "float32",
    licence: options.Licence = "",
    credit: options.Credit = "",
    discover: Annotated[bool, opt(IO, "--discover/--no-discover", help="Discover subspaces at the end.")] = True,
    init: Annotated[str | None, opt(METHOD, "--init", help=INIT, metavar="NAME|FILE")] = None,
    changes: Mapping[str, Any],
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    compiled: Annotated[bool, opt(COMPUTE, "--compile", help=COMPILE)] = False,
) -> None:
    """Grow a generator on your own images, for `invert -g NAME`.

    Hundreds of images of one kind, framed alike, are needed. Ctrl-C saves; the same command with --resume goes on.
    Samples, losses and a log are in NAME.training beside the output.

    Example: ganinvert train photos/ -o mugs.safetensors --resolution 64
    """
    if init is not None and changes.keys() & NETWORK:
        raise UsageError(
            "--init brings its own size and channels, and does not grow",
            hint="leave out --resolution, --latent, --base, --cap and --phase",
        )
    settings = settings_for(DEFAULT, changes, target, resume=resume)
    from ganinvert.training import GeneratorJob

    job = GeneratorJob.open(
        folder, target, settings, init=init, name=name, resume=resume, overwrite=overwrite, device=device, dtype=dtype
    )
    print_folder_notes(job.images)
    if len(job.images.training) < FEW_IMAGES:
        output.say(f"note: {len(job.images.training)} images are few: expect little variety, and repeated images")
    trainer = job.loop.trainer
    if compiled:
        trainer.compile()
    output.say(
        f"{job.name}: {trainer.architecture.resolution} px, {len(job.images.training)} training images,"
        f" {settings.images - trainer.images_seen} of {settings.images} still to show, on {trainer.device}"
    )
    result = run_training(job, licence=licence, credit=credit, stored=stored)
    _report(result, len(job.images.training))
    print_paths(result)
    if discover:
        _discover(result.name, device)


def _report(result: TrainedNetwork, training: int) -> None:
    metrics = result.metrics
    output.say(f"trained on {result.images} images in {result.seconds / 60:.1f} minutes")
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
            discovered = tasks.discover(name, settings=DISCOVERY["default"], device=device, callback=watch)
        except GanInvertError as error:  # the generator is written and registered all the same
            output.say(f"warning: no subspaces were discovered: {error.message}; {error.hint}", style="yellow")
            return
    partition = discovered.partition
    output.say(f"discovered {partition.subspaces} subspaces of {', '.join(map(str, partition.sizes))} channels")
