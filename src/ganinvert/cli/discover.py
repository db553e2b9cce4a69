"""`ganinvert discover`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from ganinvert.cli import _options as options
from ganinvert.cli._console import output
from ganinvert.cli._options import IO, OPTIMISATION, opt
from ganinvert.cli._transfers import choose_generator, ready_generator
from ganinvert.errors import UsageError
from ganinvert.settings import DISCOVERY, PmSFC

if TYPE_CHECKING:
    from ganinvert.subspaces import SelfExpressionStep

LOW_STABILITY = 0.65


def discover(
    generator: options.Generator = None,
    subspaces: options.Subspaces = None,
    layer: options.Layer = None,
    affinity: options.AffinityKind = None,
    preset: options.DiscoveryPresetName = "default",
    steps: Annotated[
        int | None,
        opt(OPTIMISATION, "--steps", help="Steps of the Adam optimiser.", metavar="N", show_default="by preset"),
    ] = None,
    lr: Annotated[
        float | None,
        opt(
            OPTIMISATION, "--lr", help="Learning rate of the Adam optimiser.", metavar="RATE", show_default="by preset"
        ),
    ] = None,
    seed: options.Seed = 0,
    folder: Annotated[
        Path | None, opt(IO, "--output", "-o", help="Folder for a figure of the subspaces.", metavar="DIR")
    ] = None,
    again: Annotated[bool, opt(IO, "--again", help="Learn the subspaces again, even if they are known.")] = False,
    device: options.Device = "auto",
    offline: options.Offline = False,
) -> None:
    """Discover the subspaces of a generator: groups of feature channels that express one another.

    This is needed once per generator and layer; `invert` then uses the result.
    Another number of subspaces (-R) takes about a second more.

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
    changes = {"subspaces": subspaces, "affinity": affinity}
    method = PmSFC(**{name: value for name, value in changes.items() if value is not None})  # type: ignore[arg-type]
    name = ready_generator(*choose_generator(generator), offline=offline)
    from ganinvert import tasks

    with output.progress("learning S") as show:

        def watch(step: SelfExpressionStep) -> None:
            show(step.index + 1, step.steps, lambda: _state(step))

        discovery = tasks.discover(
            name,
            subspaces=method.subspaces,
            settings=settings,
            affinity=method.affinity,
            device=device,
            again=again,
            callback=watch,
        )
    partition, source = discovery.partition, discovery.expression.generator
    output.say(f"{'learned before' if discovery.reused else 'learned'}: {source}, layer {settings.layer}")
    sizes = ", ".join(map(str, partition.sizes))
    output.say(f"{partition.subspaces} subspaces of {sizes} channels ({partition.source} affinity)")
    output.say(f"repeatability: adjusted Rand index {partition.stability:.3f} between clusterings with other seeds")
    if partition.stability < LOW_STABILITY:
        output.say(
            "warning: other clustering seeds give rather different subspaces: try another -R or --affinity",
            style="yellow",
        )
    output.data(str(discovery.path))
    if folder is not None:
        from ganinvert.figures import draw_discovery

        figure = folder / f"{source}.layer{settings.layer}.R{partition.subspaces}.{partition.source}.png"
        draw_discovery(discovery.expression, partition, figure)
        output.data(str(figure))


def _state(step: SelfExpressionStep) -> str:
    return (
        f"features {float(step.feature_loss):.0f}  images {float(step.image_loss):.0f}  |S| {float(step.sparsity):.0f}"
    )
