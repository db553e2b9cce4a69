"""`ganinvert evaluate`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from ganinvert.cli import _methods as methods
from ganinvert.cli import _options as options
from ganinvert.cli._inputs import expand
from ganinvert.cli._study import Study, selected
from ganinvert.cli._transfers import ready_generator
from ganinvert.errors import UsageError
from ganinvert.protocols import CONTESTANTS, SWEPT, Protocol
from ganinvert.settings import EvaluatedTask, Hole, InversionSettings, Kernel, Luma, preset_of

_PROTOCOL = Protocol()


def evaluate(
    images: options.Images = None,
    from_file: options.FromFile = None,
    recursive: options.Recursive = False,
    task: Annotated[EvaluatedTask, options.opt(options.METHOD, "--task", help="What is undone.")] = _PROTOCOL.task,
    method: Annotated[
        str,
        options.opt(
            options.METHOD,
            "--method",
            help=f"What to compare, the first with the others: {', '.join(CONTESTANTS)}.",
            metavar="LIST",
        ),
    ] = "pmsfc,mganprior",
    sweep: Annotated[
        list[str] | None,
        options.opt(
            options.METHOD,
            "--sweep",
            help=f"Every method at every value of {', '.join(SWEPT)}, as R=1,2,4 or layer=1..8; may be given twice."
            " Layers get random subspaces.",
            metavar="NAME=LIST",
        ),
    ] = None,
    factor: Annotated[
        int, options.opt(options.METHOD, "--factor", help="upscale: how many times smaller.", metavar="F")
    ] = _PROTOCOL.factor,
    kernel: Annotated[
        Kernel, options.opt(options.METHOD, "--kernel", help="upscale: how it is made smaller.")
    ] = _PROTOCOL.kernel,
    luma: Annotated[
        Luma, options.opt(options.METHOD, "--luma", help="colorize: what stays of colours.")
    ] = _PROTOCOL.luma,
    hole: Annotated[
        Hole, options.opt(options.METHOD, "--hole", help="inpaint: a box in the middle, or random pixels.")
    ] = _PROTOCOL.hole,
    share: Annotated[
        float, options.opt(options.METHOD, "--share", help="inpaint: how much is missing.", metavar="S")
    ] = _PROTOCOL.share,
    limit: Annotated[
        int | None, options.opt(options.IO, "--limit", help="Take N of the photos at random.", metavar="N", min=1)
    ] = None,
    sample_seed: Annotated[
        int, options.opt(options.IO, "--sample-seed", help="Of that choice.", metavar="N", min=0)
    ] = 0,
    target: Annotated[
        Path, options.opt(options.IO, "--output", "-o", help="Folder for tables and results.", metavar="DIR")
    ] = Path("evaluation"),
    curve: Annotated[bool, options.opt(options.IO, "--curve", help="Also draw quality against time.")] = False,
    interpolation: Annotated[
        int,
        options.opt(
            options.IO,
            "--interpolation",
            help="invert: also measure the ways from each photo to the next, in so many frames.",
            metavar="FRAMES",
            min=0,
            show_default="off",
        ),
    ] = 0,
    fit: options.Fit = "crop",
    align: options.AlignFaces = "auto",
    overwrite: options.Overwrite = False,
    generator: methods.Generator = None,
    subspaces: methods.Subspaces = None,
    codes: methods.Codes = None,
    layer: methods.Layer = None,
    steps: methods.Steps = None,
    lr: methods.LearningRate = None,
    seed: methods.Seed = 0,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    batch_size: options.BatchSize = "auto",
    offline: options.Offline = False,
    config: options.Config = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
) -> None:
    """Compare methods on photos whose truth is known: degrade them, restore them, and measure.

    Writes TASK.csv, .json and .md (means, and differences to the first method with 95 % intervals), TASK.photos.csv,
    and every result. What is up to date is skipped: to go on after a stop, give the same command again.

    Example: ganinvert evaluate photos --task colorize --limit 20 -o evaluation
    """
    protocol = Protocol(task, luma, factor, kernel, hole, share, seed)
    names, points = _methods(method), _sweep(sweep or [])
    if interpolation == 1 or (interpolation and task != "invert"):
        raise UsageError(
            "--interpolation goes from one inversion to the next, in 2 frames or more",
            hint="give it with --task invert, for instance --interpolation 20",
        )
    if target.exists() and not target.is_dir():
        raise UsageError(f"{target} is not a folder", hint="give a folder with -o; it is created if it does not exist")

    def adjust(chosen: InversionSettings) -> InversionSettings:
        fields = methods.applicable(chosen, subspaces=subspaces, codes=codes, layer=layer)
        moves = (steps, lr) if chosen.optimization.steps else (None, None)  # an encoder makes none
        return methods.adjusted(chosen, steps=moves[0], lr=moves[1], kept=(), **fields)

    together = options.batch_size_of(batch_size)
    inputs = selected(expand(images or [], from_file=from_file, recursive=recursive), limit=limit, seed=sample_seed)
    settings = [CONTESTANTS[each].settings(task, adjust) for each in names]
    layers = {each.discovery_layer for each in settings} - {None}
    needed = min(layers) if layers and "layer" not in points else None  # type: ignore[type-var]  # no None is in it
    networks = sorted({network for each in settings for network in each.required})
    name = ready_generator(generator, offline=offline, layer=needed, networks=networks)
    from ganinvert.tasks import Inverter
    from ganinvert.tasks.evaluation import contenders

    plain = preset_of("single", task)
    inverter = Inverter.load(name, plain, fit=fit, align=align, device=device, dtype=dtype, seed=seed)
    request = replace(inverter.request, task=protocol.trial.task())
    restoring = Inverter.open(request, inverter.partition, generator=inverter.generator)
    study = Study(
        protocol,
        inverter,
        contenders(restoring, names, adjust=adjust, sweep=points),
        target,
        overwrite=overwrite,
        together=together,
        sample_seed=sample_seed,
    )
    study.conduct(inputs, curve=curve, frames=interpolation)


def _methods(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in CONTESTANTS:
            known = "; ".join(f"{known}: {each.about}" for known, each in CONTESTANTS.items())
            raise UsageError(f"--method {name!r} is unknown", hint=f"choose from {known}")
    return list(dict.fromkeys(names))


def _sweep(texts: list[str]) -> Mapping[str, list[int]]:
    """Names to values, as R=1,2,4 or layer=1..8 give them."""
    found: dict[str, list[int]] = {}
    for text in texts:
        name, _, values = text.partition("=")
        if name not in SWEPT:
            raise UsageError(
                f"--sweep {text!r} names nothing that can be swept", hint=f"choose from {', '.join(SWEPT)}"
            )
        try:
            found[name] = list(dict.fromkeys(number for part in values.split(",") for number in _numbers(part)))
        except ValueError as error:
            raise UsageError(
                f"--sweep {text!r} lists no whole numbers", hint="for instance R=1,2,4 or layer=1..8"
            ) from error
    return found


def _numbers(part: str) -> list[int]:
    first, _, last = part.partition("..")
    numbers = list(range(int(first), int(last or first) + 1))
    if not numbers:
        raise ValueError(f"{part} counts backwards")
    return numbers
