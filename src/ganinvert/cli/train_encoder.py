"""`ganinvert train-encoder`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from ganinvert.cli import _methods as methods
from ganinvert.cli import _options as options
from ganinvert.cli._console import output
from ganinvert.cli._training import follow, number, tell_of_images
from ganinvert.cli._transfers import ready_generator
from ganinvert.settings import EncoderTraining

if TYPE_CHECKING:
    from ganinvert.training import EncoderStep, TrainedEncoder

DEFAULT = EncoderTraining()


def train_encoder(
    generator: methods.Generator = None,
    reals: Annotated[
        Path | None,
        options.opt(
            options.IO,
            "--reals",
            help="Folder of photos to train on as well, framed as the generator knows them.",
            metavar="FOLDER",
            show_default="samples only",
        ),
    ] = None,
    target: Annotated[
        Path | None,
        options.opt(
            options.IO,
            "--output",
            "-o",
            help="File of the encoder.",
            metavar="FILE",
            show_default="NAME.encoder.safetensors",
        ),
    ] = None,
    resume: options.Resume = False,
    overwrite: options.Overwrite = False,
    stored: options.Stored = "float16",
    licence: options.Licence = "",
    credit: options.Credit = "",
    layer: Annotated[
        int | None,
        number(
            "Number of convolutions after which features are predicted.",
            DEFAULT.layer,
            options.METHOD,
            "--layer",
            metavar="L",
        ),
    ] = None,
    base: Annotated[
        int | None,
        number(
            "Base of the number of channels, which at r pixels is min(max(base / r, 16), cap).",
            DEFAULT.base,
            options.METHOD,
            "--base",
        ),
    ] = None,
    cap: Annotated[int | None, number("Maximum of channels; see --base.", DEFAULT.cap, options.METHOD, "--cap")] = None,
    images: Annotated[
        int | None, number("Number of samples to train on.", DEFAULT.images, options.OPTIMISATION, "--images")
    ] = None,
    batch_size: Annotated[
        int | None,
        number(
            "Number of samples per step, to which half as many photos are added.",
            DEFAULT.batch,
            options.OPTIMISATION,
            "--batch-size",
        ),
    ] = None,
    lr: Annotated[
        float | None,
        number("Learning rate of the Adam optimiser.", DEFAULT.lr, options.OPTIMISATION, "--lr", metavar="RATE"),
    ] = None,
    flip: Annotated[
        bool | None,
        options.opt(options.OPTIMISATION, "--flip/--no-flip", help="Show mirrored photos too.", show_default="flip"),
    ] = None,
    seed: Annotated[
        int | None, number("Random seed of the whole training.", DEFAULT.seed, options.OPTIMISATION, "--seed")
    ] = None,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    offline: options.Offline = False,
    config: options.Config = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
) -> None:
    """Train a generator's encoder, which inverts photos in one pass: a fast start for `invert`.

    It learns from samples and, better, from photos too. Ctrl-C saves; the same command with --resume goes on.
    Reconstructions, losses and a log are in NAME.encoder.training beside the output.

    Example: ganinvert train-encoder -g mugs --reals photos/
    """
    given = {
        "layer": layer,
        "base": base,
        "cap": cap,
        "images": images,
        "batch": batch_size,
        "lr": lr,
        "flip": flip,
        "seed": seed,
    }
    name = ready_generator(generator, offline=offline)
    from ganinvert import tasks

    target = tasks.encoder_path(name) if target is None else target
    settings = _settings({key: value for key, value in given.items() if value is not None}, target, resume=resume)
    job = tasks.EncoderJob.open(
        name, target, settings=settings, reals=reals, resume=resume, overwrite=overwrite, device=device, dtype=dtype
    )
    trainer = job.run.trainer
    if job.reals is not None:
        tell_of_images(job.reals)
    photos = f" and {len(job.reals.training)} photos" if job.reals is not None else ""
    output.say(
        f"encoder of {trainer.generator.name}, layer {settings.layer}: samples{photos},"
        f" {settings.images - trainer.shown} of {settings.images} still to show, on {trainer.device}"
    )
    follow(job.run, _state)
    result = job.finish(licence=licence, credit=credit, stored=stored)
    _report(result)
    for path in (result.path, result.folder):
        output.data(str(path))


def _settings(given: Mapping[str, Any], target: Path, *, resume: bool) -> EncoderTraining:
    if not resume:
        return replace(DEFAULT, **given)
    from ganinvert import tasks

    return replace(tasks.saved_encoder_settings(target), **given)


def _state(step: EncoderStep) -> str:
    losses = step.losses
    return f"z {float(losses.code):.2f}  features {float(losses.features):.2f}  pixels {float(losses.pixel):.3f}"


def _report(result: TrainedEncoder) -> None:
    metrics = result.metrics
    output.say(f"shown {result.images} samples in {result.seconds / 60:.1f} minutes")
    output.say(f"z of samples: mean cosine {metrics['cosine']:.2f} to the true one, by chance 0")
    for kind, words in (("samples", "samples"), ("real", "held-out photos")):
        if f"psnr_{kind}_code" in metrics:
            output.say(
                f"{words}: {metrics[f'psnr_{kind}_features']:.1f} dB through features,"
                f" {metrics[f'psnr_{kind}_code']:.1f} dB through z"
            )
    if result.generator:
        output.say(f"found by the name of its generator, {result.generator}")
    else:
        output.say("the embedded generator keeps its embedded encoder; `ganinvert.load_encoder` reads this one")
