"""`ganinvert discover`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from ganinvert.cli import _methods as methods
from ganinvert.cli import _options as options
from ganinvert.cli._console import output
from ganinvert.cli._transfers import ready_generator
from ganinvert.errors import UsageError
from ganinvert.settings import DISCOVERY, PmSFC

if TYPE_CHECKING:
    from ganinvert.subspaces import SelfExpressionStep

LOW_STABILITY = 0.65


def discover(
    generator: methods.Generator = None,
    subspaces: methods.Subspaces = None,
    layer: methods.Layer = None,
    affinity: methods.AffinityKind = None,
    preset: methods.DiscoveryPresetName = "default",
    steps: Annotated[
        int | None,
        options.opt(options.OPTIMISATION, "--steps", help="Adam steps.", metavar="N", show_default="by preset"),
    ] = None,
    lr: Annotated[
        float | None,
        options.opt(
            options.OPTIMISATION, "--lr", help="Adam's learning rate.", metavar="RATE", show_default="by preset"
        ),
    ] = None,
    seed: methods.Seed = 0,
    folder: Annotated[
        Path | None,
        options.opt(options.IO, "--output", "-o", help="Also draw a figure into this folder.", metavar="DIR"),
    ] = None,
    again: Annotated[bool, options.opt(options.IO, "--again", help="Learn anew what was learned before.")] = False,
    device: options.Device = "auto",
    offline: options.Offline = False,
    config: options.Config = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
) -> None:
    """Discover a generator's subspaces: groups of feature channels that express one another.

    Needed once per generator and layer; `invert` finds the result by itself. Other numbers of subspaces (-R)
    are cut from the same discovery in about a second.

    Example: ganinvert discover -g my.safetensors -R 6 -o figures
    """
    given = {"layer": layer, "steps": steps, "lr": lr}
    settings = replace(
        DISCOVERY[preset],
        seed=seed,
        **{name: value for name, value in given.items() if value is not None},  # type: ignore[arg-type]
    )
    if folder is not None and folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is not a folder", hint="give a folder with -o; it is created if it does not exist")
    name = ready_generator(generator, offline=offline)
    from ganinvert import tasks

    with output.progress("learning S") as show:

        def watch(step: SelfExpressionStep) -> None:
            show(step.index + 1, step.steps, lambda: _state(step))

        found = tasks.discover(
            name,
            subspaces=PmSFC().subspaces if subspaces is None else subspaces,
            settings=settings,
            affinity=affinity or PmSFC().affinity,
            device=device,
            again=again,
            callback=watch,
        )
    partition = found.partition
    output.say(
        f"{'learned before' if found.reused else 'learned'}: {found.expression.generator}, layer {settings.layer}"
    )
    sizes = ", ".join(map(str, partition.sizes))
    output.say(f"{partition.subspaces} subspaces of {sizes} channels ({partition.source} affinity)")
    output.say(f"repeatability: adjusted Rand index {partition.stability:.3f} between clusterings with other seeds")
    if partition.stability < LOW_STABILITY:
        output.say(
            "warning: other clustering seeds give rather different subspaces: try another -R or --affinity",
            style="yellow",
        )
    output.data(str(found.path))
    if folder is not None:
        from ganinvert.figures import draw_discovery

        figure = f"{found.expression.generator}.layer{settings.layer}.R{partition.subspaces}.{partition.source}.png"
        draw_discovery(found.expression, partition, folder / figure)
        output.data(str(folder / figure))


def _state(step: SelfExpressionStep) -> str:
    return (
        f"features {float(step.feature_loss):.0f}  images {float(step.image_loss):.0f}  |S| {float(step.sparsity):.0f}"
    )
