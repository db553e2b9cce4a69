"""`ganinvert train-encoder`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from ganinvert.cli import _options as options
from ganinvert.cli._console import output
from ganinvert.cli._options import IO, opt
from ganinvert.cli._training import print_folder_notes, print_paths, run_training, settings_for, with_settings
from ganinvert.cli._transfers import choose_generator, ready_generator
from ganinvert.settings import EncoderTraining

if TYPE_CHECKING:
    from ganinvert.training import TrainedNetwork

DEFAULT = EncoderTraining()
REALS = "Folder of photos to train on as well, framed as the generator knows them."
FILE = "NAME.encoder.safetensors"


@with_settings(EncoderTraining)
def train_encoder(
    *,
    generator: options.Generator = None,
    reals: Annotated[Path | None, opt(IO, "--reals", help=REALS, metavar="FOLDER", show_default="samples only")] = None,
    target: Annotated[
        Path | None, opt(IO, "--output", "-o", help="File of the encoder.", metavar="FILE", show_default=FILE)
    ] = None,
    resume: options.Resume = False,
    overwrite: options.Overwrite = False,
    stored: options.Stored = "float16",
    licence: options.Licence = "",
    credit: options.Credit = "",
    changes: Mapping[str, Any],
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    offline: options.Offline = False,
) -> None:
    """Train a generator's encoder, which inverts photos in one pass: a fast start for `invert`.

    It learns from samples and, better, from photos too. Ctrl-C saves; the same command with --resume goes on.
    Reconstructions, losses and a log are in NAME.encoder.training beside the output.

    Example: ganinvert train-encoder -g mugs --reals photos/
    """
    name = ready_generator(*choose_generator(generator), offline=offline)
    from ganinvert.training import EncoderJob, encoder_path

    target = encoder_path(name) if target is None else target
    settings = settings_for(DEFAULT, changes, target, resume=resume)
    job = EncoderJob.open(
        name, target, settings=settings, reals=reals, resume=resume, overwrite=overwrite, device=device, dtype=dtype
    )
    trainer = job.loop.trainer
    if job.images is not None:
        print_folder_notes(job.images)
    photos = f" and {len(job.images.training)} photos" if job.images is not None else ""
    output.say(
        f"encoder of {trainer.generator.name}, layer {trainer.encoder.layer}: samples{photos},"
        f" {settings.images - trainer.images_seen} of {settings.images} still to show, on {trainer.device}"
    )
    result = run_training(job, licence=licence, credit=credit, stored=stored)
    _report(result, trainer.encoder.space)
    print_paths(result)


def _report(result: TrainedNetwork, space: str) -> None:
    metrics = result.metrics
    output.say(f"trained on {result.images} samples in {result.seconds / 60:.1f} minutes")
    output.say(f"{space} of samples: mean cosine {metrics['cosine']:.2f} to the true one, by chance 0")
    for kind, words in (("samples", "samples"), ("real", "held-out photos")):
        if f"psnr_{kind}_code" in metrics:
            output.say(
                f"{words}: {metrics[f'psnr_{kind}_features']:.1f} dB through features,"
                f" {metrics[f'psnr_{kind}_code']:.1f} dB through {space}"
            )
    if result.name:
        output.say(f"found by the name of its generator, {result.name}")
    else:
        output.say("the embedded generator keeps its embedded encoder; `ganinvert.load_encoder` reads this one")
