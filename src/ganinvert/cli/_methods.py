"""Options of methods and of the optimisation, and what they change in a preset."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Annotated

import typer

from ganinvert.cli._options import METHOD, OPTIMISATION, completing
from ganinvert.errors import UsageError
from ganinvert.settings import (
    DEFAULT_GENERATOR,
    METHODS,
    Affinity,
    DiscoveryPreset,
    Init,
    InversionSettings,
    MethodName,
    PmSFC,
    Preset,
    at_least,
)
from ganinvert.weights.catalog import CATALOG, CONVOLUTIONS

GENERATORS = tuple(name for name, entry in CATALOG.items() if entry.network not in CONVOLUTIONS)

Generator = Annotated[
    str | None,
    typer.Option(
        "--generator",
        "-g",
        metavar="NAME|FILE",
        autocompletion=completing(DEFAULT_GENERATOR, *GENERATORS),
        help="A network of `fetch-weights --list`, fetched when first used, or a weights file.",
        show_default=f"best face generator in the cache, else {DEFAULT_GENERATOR}",
        envvar="GANINVERT_GENERATOR",
        show_envvar=False,
        rich_help_panel=METHOD,
    ),
]
BundleGenerator = Annotated[
    str | None,
    typer.Option(
        "--generator",
        "-g",
        metavar="NAME|FILE",
        help="The generator of the bundles.",
        show_default="the one that a bundle names",
        rich_help_panel=METHOD,
    ),
]
Subspaces = Annotated[
    int | None,
    typer.Option(
        "--subspaces",
        "-R",
        metavar="R",
        help="Subspaces; 1 composes all channels together.",
        show_default=str(PmSFC().subspaces),
        envvar="GANINVERT_SUBSPACES",
        show_envvar=False,
        rich_help_panel=METHOD,
    ),
]
Layer = Annotated[
    int | None,
    typer.Option(
        "--layer",
        metavar="L",
        help="Compose features after this many convolutions.",
        show_default=str(PmSFC().layer),
        envvar="GANINVERT_LAYER",
        show_envvar=False,
        rich_help_panel=METHOD,
    ),
]
AffinityKind = Annotated[
    Affinity | None,
    typer.Option(
        "--affinity",
        help="How channels are compared: the authors' program (more repeatable), or the paper.",
        show_default=PmSFC().affinity,
        envvar="GANINVERT_AFFINITY",
        show_envvar=False,
        rich_help_panel=METHOD,
    ),
]
Method = Annotated[
    MethodName,
    typer.Option(
        "--method",
        metavar="NAME",
        autocompletion=completing(*METHODS),
        help=f"What is optimised: {', '.join(METHODS)}.",
        envvar="GANINVERT_METHOD",
        show_envvar=False,
        rich_help_panel=METHOD,
    ),
]
InitKind = Annotated[
    Init | None,
    typer.Option(
        "--init",
        help="Where codes start: the nearest of some random ones, random ones, or an encoder's.",
        show_default="by method",
        envvar="GANINVERT_INIT",
        show_envvar=False,
        rich_help_panel=METHOD,
    ),
]
PresetName = Annotated[
    Preset,
    typer.Option(
        "--preset",
        help="Fast defaults, or the settings of the paper or of its authors' program.",
        envvar="GANINVERT_PRESET",
        show_envvar=False,
        rich_help_panel=METHOD,
    ),
]
DiscoveryPresetName = Annotated[
    DiscoveryPreset,
    typer.Option(
        "--preset",
        help="Fast defaults, or the paper's settings.",
        envvar="GANINVERT_PRESET",
        show_envvar=False,
        rich_help_panel=METHOD,
    ),
]
Steps = Annotated[
    int | None,
    typer.Option(
        "--steps",
        metavar="N",
        help="Optimisation steps; fine-tuning has its own.",
        show_default="by preset",
        envvar="GANINVERT_STEPS",
        show_envvar=False,
        rich_help_panel=OPTIMISATION,
    ),
]
Codes = Annotated[
    int | None,
    typer.Option(
        "--codes",
        "-K",
        metavar="K",
        help="Latent codes per subspace.",
        show_default=str(PmSFC().codes),
        envvar="GANINVERT_CODES",
        show_envvar=False,
        rich_help_panel=METHOD,
    ),
]
CheckpointEvery = Annotated[
    int,
    typer.Option(
        "--checkpoint-every",
        metavar="N",
        min=0,
        help="Keep the unfinished optimisation beside the results every so many steps, to go on from after a stop.",
        show_default="off",
        envvar="GANINVERT_CHECKPOINT_EVERY",
        show_envvar=False,
        rich_help_panel=OPTIMISATION,
    ),
]
LearningRate = Annotated[
    float | None,
    typer.Option(
        "--lr",
        metavar="RATE",
        help="Learning rate of the codes.",
        show_default="by preset",
        envvar="GANINVERT_LR",
        show_envvar=False,
        rich_help_panel=OPTIMISATION,
    ),
]
Seed = Annotated[
    int,
    typer.Option(
        "--seed",
        metavar="N",
        min=0,
        max=2**63 - 1,
        help="Of the random start.",
        envvar="GANINVERT_SEED",
        show_envvar=False,
        rich_help_panel=OPTIMISATION,
    ),
]


def adjusted(
    base: InversionSettings,
    *,
    steps: int | None,
    lr: float | None,
    kept: Collection[str] = (),
    **method: int | str | None,
) -> InversionSettings:
    """A preset with what the user chose; None leaves the preset's.

    Args:
        base: The preset.
        steps: Of the optimisation.
        lr: Of the optimisation.
        kept: Names of choices that hold for all methods, and are passed over where one has no such thing.
        **method: Fields of the method.

    Raises:
        UsageError: The method has no such field, or makes no steps, or is to make none.
    """
    if steps is not None:
        at_least("steps", steps, 1)
    moves = {name: value for name, value in (("steps", steps), ("lr", lr)) if value is not None}
    given = {name: value for name, value in method.items() if value is not None}
    if not base.optimization.steps:
        moves = {name: value for name, value in moves.items() if name not in kept}
        if moves:
            raise UsageError(f"the method {base.name} makes no steps", hint="leave --steps and --lr out")
    for name in [name for name in given if name in kept and not hasattr(base.method, name)]:
        del given[name]
    if base.name == "mganprior" and "subspaces" in kept:
        given.pop("subspaces", None)
    for name in given:
        if not hasattr(base.method, name):
            raise UsageError(f"the method {base.name} has no {name}", hint="leave it out, or choose another --method")
    if base.name == "mganprior" and given.get("subspaces", 1) != 1:
        raise UsageError("mganprior has one subspace", hint="leave -R out, or choose --method pmsfc")
    return replace(
        base,
        method=replace(base.method, **given),  # type: ignore[arg-type]  # names and types are those of the options
        optimization=replace(base.optimization, **moves),  # type: ignore[arg-type]
    )


def applicable(base: InversionSettings, **method: int | None) -> dict[str, int]:
    """Those of the fields that the method has and the user chose."""
    return {name: value for name, value in method.items() if value is not None and hasattr(base.method, name)}
