"""`ganinvert evaluate`."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from ganinvert.batch.inputs import Input, expand, natural
from ganinvert.benchmark.protocol import SWEPT, EvaluationProtocol, variants
from ganinvert.cli import _options as options
from ganinvert.cli._console import say
from ganinvert.cli._methods import adjusted
from ganinvert.cli._options import IO, METHOD, opt
from ganinvert.cli._reporter import executor_for
from ganinvert.cli._signature import from_options, with_fields
from ganinvert.cli._transfers import Needs, choose_generator, is_styled, ready_generator
from ganinvert.errors import UsageError
from ganinvert.settings import TASKS, Request, preset_of

_TASK_HELP = f"Task to evaluate: {', '.join(TASKS)}."
_METHOD_HELP = f"Methods to compare, the first with the others: {', '.join(variants())}."
_SWEEP_HELP = (
    f"Run every method at every value of {', '.join(SWEPT)}, as R=1,2,4 or layer=1..8; may be given twice."
    " Layers get random subspaces."
)
_INTERPOLATION_HELP = "invert: also measure interpolations from each photo to the next, of so many frames."
_FOLDER = Path("evaluation")
"""Settings that the user changes in all methods that have them."""


def evaluate(
    images: options.Images = None,
    from_file: options.FromFile = None,
    recursive: options.Recursive = False,
    task: Annotated[
        str, opt(METHOD, "--task", help=_TASK_HELP, metavar="NAME", autocompletion=options.completing(*TASKS))
    ] = "invert",
    method: Annotated[str, opt(METHOD, "--method", help=_METHOD_HELP, metavar="LIST")] = "pmsfc,mganprior",
    sweep: Annotated[list[str] | None, opt(METHOD, "--sweep", help=_SWEEP_HELP, metavar="NAME=LIST")] = None,
    limit: Annotated[int | None, opt(IO, "--limit", help="Take N of the photos at random.", metavar="N", min=1)] = None,
    sample_seed: Annotated[int, opt(IO, "--sample-seed", help="Random seed of --limit.", metavar="N", min=0)] = 0,
    target: Annotated[
        Path, opt(IO, "--output", "-o", help="Folder of the tables and results.", metavar="DIR")
    ] = _FOLDER,
    curve: Annotated[bool, opt(IO, "--curve", help="Also draw quality over time.")] = False,
    interpolation: Annotated[
        int, opt(IO, "--interpolation", help=_INTERPOLATION_HELP, metavar="FRAMES", min=0, show_default="off")
    ] = 0,
    fit: options.Fit = "crop",
    align: options.AlignFaces = "auto",
    overwrite: options.Overwrite = False,
    generator: options.Generator = None,
    space: options.SpaceName = None,
    subspaces: options.Subspaces = None,
    codes: options.Codes = None,
    layer: options.Layer = None,
    steps: options.Steps = None,
    lr: options.LearningRate = None,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    batch_size: options.BatchSize = "auto",
    workers: options.Workers = "1",
    worker_resources: options.WorkerResources = "",
    offline: options.Offline = False,
    **trial: Any,
) -> None:
    """Compare methods on photos whose truth is known: degrade them, restore them, and measure.

    Writes TASK.csv, .json and .md (means, and differences to the first method with their
    95 % intervals), TASK.photos.csv, and every result.

    What is up to date is skipped: to go on after a stop, give the same command again.

    Example: ganinvert evaluate photos --task colorize --limit 20 -o evaluation
    """
    if task not in TASKS:
        raise UsageError(f"--task {task!r} is unknown", hint=f"choose from {', '.join(TASKS)}")
    protocol = EvaluationProtocol(from_options(TASKS[task].trial, trial), seed)
    names, points = _methods(method), _sweep(sweep or [])
    if interpolation == 1 or (interpolation and task != "invert"):
        raise UsageError(
            "--interpolation goes from one inversion to the next, in 2 frames or more",
            hint="give it with --task invert, for instance --interpolation 20",
        )
    if target.exists() and not target.is_dir():
        raise UsageError(f"{target} is not a folder", hint="give a folder with -o; it is created if it does not exist")
    changes = {"steps": steps, "lr": lr, "subspaces": subspaces, "codes": codes, "layer": layer, "space": space}
    adjust = partial(adjusted, optional=changes, **changes)  # type: ignore[arg-type]  # typer checked them
    together = options.number_of("--batch-size", batch_size)
    inputs = _sample(expand(images or [], from_file=from_file, recursive=recursive, say=say), limit, seed=sample_seed)
    executor = executor_for(workers, device, len(inputs), worker_resources)

    def needs(styled: bool) -> Needs:
        settings = [variants()[name].settings(task, adjust, styled=styled) for name in names]
        layers = [each.method.discovery_layer for each in settings if each.method.discovery_layer is not None]
        networks = sorted({network for each in settings for network in each.method.networks})
        return Needs(min(layers) if layers and "layer" not in points else None, networks)

    file = ready_generator(*choose_generator(generator, needs), offline=offline)
    from ganinvert.benchmark.candidates import load_candidates
    from ganinvert.benchmark.report import Report
    from ganinvert.cli._benchmark import run_candidates, show_report
    from ganinvert.tasks import Inverter

    plain = preset_of("single", task, styled=is_styled(file))
    base = Inverter.open(
        Request(protocol.task, plain, file, fit, align, 1, square=True, device=device, dtype=dtype, seed=seed)
    )
    candidates = load_candidates(base, protocol, names, adjust=adjust, sweep=points, batch_size=together)
    truths, results = run_candidates(candidates, inputs, target, overwrite=overwrite, executor=executor)
    report = Report(protocol, base, candidates, target, sample_seed, truths, results, len(inputs))
    show_report(report, curve=curve, frames=interpolation)
    if len(truths) < len(inputs):
        raise typer.Exit(1)


def evaluate_command() -> Callable[..., None]:
    """The command, with the options of every task's degradation."""
    return with_fields(evaluate, *(task.trial for task in TASKS.values()))


def _sample(inputs: Sequence[Input], limit: int | None, *, seed: int) -> list[Input]:
    """Choose inputs at random, in natural order; the same ones whatever the order in which they are given."""
    ordered = sorted(inputs, key=lambda each: natural(each.path))
    if limit is None or limit >= len(ordered):
        return ordered
    return sorted(random.Random(seed).sample(ordered, limit), key=lambda each: natural(each.path))


def _methods(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in variants():
            choice = "; ".join(f"{each}: {variant.about}" for each, variant in variants().items())
            raise UsageError(f"--method {name!r} is unknown", hint=f"choose from {choice}")
    return list(dict.fromkeys(names))


def _sweep(texts: list[str]) -> Mapping[str, list[int]]:
    """Parse R=1,2,4 or layer=1..8 into names and their values."""
    points: dict[str, list[int]] = {}
    for text in texts:
        name, _, values = text.partition("=")
        if name not in SWEPT:
            raise UsageError(
                f"--sweep {text!r} names nothing that can be swept", hint=f"choose from {', '.join(SWEPT)}"
            )
        try:
            points[name] = list(dict.fromkeys(number for part in values.split(",") for number in _numbers(part)))
        except ValueError as error:
            raise UsageError(
                f"--sweep {text!r} lists no whole numbers", hint="for instance R=1,2,4 or layer=1..8"
            ) from error
    return points


def _numbers(part: str) -> list[int]:
    first, _, last = part.partition("..")
    numbers = list(range(int(first), int(last or first) + 1))
    if not numbers:
        raise ValueError(f"{part} counts backwards")
    return numbers
