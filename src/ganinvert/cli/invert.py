"""`ganinvert invert`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ganinvert.cli import _options as options
from ganinvert.cli._console import output
from ganinvert.cli._results import Item, plan
from ganinvert.cli._transfers import ready_generator
from ganinvert.errors import GanInvertError, InputError, UsageError
from ganinvert.settings import INVERT, FitMode, Invert, PmSFC

if TYPE_CHECKING:
    from ganinvert.optimize import Step
    from ganinvert.tasks import Inversion, Inverter, Target

TASK = "invert"


def invert(
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGE", help="Photos of what the generator shows.", show_default=False)
    ],
    folder: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for results.", rich_help_panel=options.IO)
    ] = Path(),
    fit: Annotated[
        FitMode, typer.Option("--fit", help="How photos become square.", rich_help_panel=options.IO)
    ] = "crop",
    save: Annotated[
        str,
        typer.Option(
            "--save",
            metavar="LIST",
            help="What to write: image, bundle, comparison (input | result | difference ×4).",
            rich_help_panel=options.IO,
        ),
    ] = "image,bundle",
    overwrite: options.Overwrite = False,
    generator: options.Generator = None,
    subspaces: options.Subspaces = None,
    codes: Annotated[
        int | None,
        typer.Option(
            "--codes",
            "-K",
            metavar="K",
            help="Latent codes per subspace.",
            show_default=str(PmSFC().codes),
            rich_help_panel=options.METHOD,
        ),
    ] = None,
    layer: options.Layer = None,
    affinity: options.AffinityKind = None,
    preset: options.PresetName = "default",
    steps: options.Steps = None,
    lr: options.LearningRate = None,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    batch_size: Annotated[
        int,
        typer.Option("--batch-size", metavar="N", help="Photos optimised together.", rich_help_panel=options.COMPUTE),
    ] = 8,
    offline: options.Offline = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
) -> None:
    """Invert photos: find codes from which the generator makes them again (PmSFC).

    Writes NAME.invert.png and the bundle NAME.invert.pt, which holds everything to render the result again.

    Example: ganinvert invert face.jpg -R 6 -K 5
    """
    chosen = _settings(preset, subspaces=subspaces, codes=codes, layer=layer, affinity=affinity, steps=steps, lr=lr)
    kinds = _kinds(save)
    items = plan(images, folder, task=TASK, kinds=kinds)
    if batch_size < 1:
        raise UsageError(f"a batch cannot hold {batch_size} photos", hint="choose --batch-size of at least 1")
    from ganinvert.tasks import Inverter

    layer_needed = None if chosen.method.subspaces == 1 else chosen.method.layer  # R = 1 needs no discovery
    name = ready_generator(generator, offline=offline, layer=layer_needed)
    inverter = Inverter.load(name, chosen, fit=fit, device=device, dtype=dtype, seed=seed)
    sizes = ", ".join(map(str, inverter.masks.sizes))
    output.say(f"subspaces of {sizes} channels ({inverter.masks.source}); {inverter.device}, {inverter.dtype}", level=1)
    tally = Counter[str]()
    try:
        for start in range(0, len(items), batch_size):
            _invert_batch(items[start : start + batch_size], inverter, tally, overwrite=overwrite)
    finally:
        if len(items) > 1:
            output.say(", ".join(f"{tally[word]} {word}" for word in ("inverted", "skipped", "failed")))
    if tally["failed"]:
        raise typer.Exit(1)


def _invert_batch(items: list[Item], inverter: Inverter, tally: Counter[str], *, overwrite: bool) -> None:
    """Invert what can be inverted, write it, and count; one input's error does not stop the others."""
    ready: list[tuple[Item, Target]] = []
    for item in items:
        with _counting_errors(tally):
            target = inverter.prepare(item.source)
            if item.is_up_to_date(inverter.settings_hash, target.sha256, overwrite=overwrite):
                output.say(f"{item.source}: up to date, skipped")
                tally["skipped"] += 1
            else:
                ready.append((item, target))
    if not ready:
        return
    title = ready[0][0].source.name if len(ready) == 1 else f"{len(ready)} photos"
    try:
        with output.progress(title) as show:
            results = inverter.run([target for _, target in ready], callback=_watch(show))
    except GanInvertError as error:
        output.error(error)
        tally["failed"] += len(ready)
        return
    for (item, _), result in zip(ready, results, strict=True):
        with _counting_errors(tally):
            if result.outcome.name == "NOT_FINITE":
                raise InputError(f"{item.source}: nothing was written", hint=result.outcome.value)
            item.write(result)
            _report(item, result, inverter)
            tally["inverted"] += 1


@contextmanager
def _counting_errors(tally: Counter[str]) -> Iterator[None]:
    try:
        yield
    except GanInvertError as error:
        output.error(error)
        tally["failed"] += 1


def _settings(preset: str, *, steps: int | None, lr: float | None, **method: object) -> Invert:
    base = INVERT[preset]  # type: ignore[index]  # typer has checked the choice
    given = {name: value for name, value in method.items() if value is not None}
    moves = {name: value for name, value in (("steps", steps), ("lr", lr)) if value is not None}
    return replace(
        base,
        method=replace(base.method, **given),  # type: ignore[arg-type]  # names and types are those of the options
        optimization=replace(base.optimization, **moves),  # type: ignore[arg-type]
    )


def _kinds(save: str) -> list[str]:
    known = ["image", "bundle", "comparison"]
    kinds = [kind.strip() for kind in save.split(",")]
    for kind in kinds:
        if kind not in known:
            raise UsageError(f"--save {kind!r} is unknown", hint=f"choose from {', '.join(known)}, with commas between")
    return kinds


def _watch(show: Callable[[int, int, Callable[[], str]], None]) -> Callable[[Step], None]:
    def watch(step: Step) -> None:
        show(
            step.index + 1,
            step.steps,
            lambda: f"loss {float(step.loss.mean()):.4f}  PSNR {float(step.psnr.mean()):.1f} dB",
        )

    return watch


def _report(item: Item, result: Inversion, inverter: Inverter) -> None:
    for note in result.notes:
        output.say(f"{item.source}: {note}")
    figures = (
        f"PSNR {result.metrics['psnr']:.2f} dB  SSIM {result.metrics['ssim']:.3f}  LPIPS {result.metrics['lpips']:.3f}"
    )
    output.say(
        f"{item.source}: {figures}  ({inverter.generator.name}, {inverter.generator.resolution} px)", style="green"
    )
    if result.outcome.value:
        output.say(f"{item.source}: warning: {result.outcome.value}", style="yellow")
    for path in item.paths.values():
        output.data(str(path))
