"""Options of methods and of the optimisation, and what they change in a preset."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Annotated

from ganinvert.cli._options import METHOD, OPTIMISATION, completing, opt
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
    method_entry,
    require_seed,
)
from ganinvert.weights.catalog import CATALOG, CONVOLUTIONS

GENERATORS = tuple(name for name, entry in CATALOG.items() if entry.network not in CONVOLUTIONS)


def _check_seed(seed: int) -> int:
    require_seed(seed)
    return seed


Generator = Annotated[
    str | None,
    opt(
        METHOD,
        "--generator",
        "-g",
        help="Name of a generator in `fetch-weights --list`, downloaded at its first use, or a weights file.",
        metavar="NAME|FILE",
        autocompletion=completing(DEFAULT_GENERATOR, *GENERATORS),
        show_default=f"best face generator in the cache, else {DEFAULT_GENERATOR}",
        env=True,
    ),
]
BundleGenerator = Annotated[
    str | None,
    opt(
        METHOD,
        "--generator",
        "-g",
        help="Generator that made the bundles, by name or weights file.",
        metavar="NAME|FILE",
        show_default="the one that a bundle names",
    ),
]
Subspaces = Annotated[
    int | None,
    opt(
        METHOD,
        "--subspaces",
        "-R",
        help="Number of subspaces; 1 composes all channels together.",
        metavar="R",
        show_default=str(PmSFC().subspaces),
        env=True,
    ),
]
Layer = Annotated[
    int | None,
    opt(
        METHOD,
        "--layer",
        help="Number of convolutions after which features are composed.",
        metavar="L",
        min=0,
        show_default=str(PmSFC().layer),
        env=True,
    ),
]
AffinityKind = Annotated[
    Affinity | None,
    opt(
        METHOD,
        "--affinity",
        help="Affinity of channels: as in the authors' program (more repeatable), or in the paper.",
        show_default=PmSFC().affinity,
        env=True,
    ),
]
Method = Annotated[
    MethodName,
    opt(
        METHOD,
        "--method",
        help=f"Inversion method: {', '.join(METHODS)}.",
        metavar="NAME",
        autocompletion=lambda incomplete: [name for name in METHODS if name.startswith(incomplete)],
        env=True,
    ),
]
InitKind = Annotated[
    Init | None,
    opt(
        METHOD,
        "--init",
        help="Initial codes: the nearest of some random ones, random ones, or those of an encoder.",
        show_default="by method",
        env=True,
    ),
]
PresetName = Annotated[
    Preset,
    opt(
        METHOD,
        "--preset",
        help="Preset: fast defaults, or the settings of the paper or of its authors' program.",
        env=True,
    ),
]
DiscoveryPresetName = Annotated[
    DiscoveryPreset, opt(METHOD, "--preset", help="Preset: fast defaults, or the settings of the paper.", env=True)
]
Steps = Annotated[
    int | None,
    opt(
        OPTIMISATION,
        "--steps",
        help="Number of optimisation steps; fine-tuning has its own.",
        metavar="N",
        show_default="by preset",
        env=True,
    ),
]
Codes = Annotated[
    int | None,
    opt(
        METHOD,
        "--codes",
        "-K",
        help="Number of latent codes per subspace.",
        metavar="K",
        show_default=str(PmSFC().codes),
        env=True,
    ),
]
CheckpointEvery = Annotated[
    int,
    opt(
        OPTIMISATION,
        "--checkpoint-every",
        help="Save the unfinished optimisation beside the results every N steps; a later run continues it.",
        metavar="N",
        min=0,
        show_default="off",
        env=True,
    ),
]
LearningRate = Annotated[
    float | None,
    opt(OPTIMISATION, "--lr", help="Learning rate of the codes.", metavar="RATE", show_default="by preset", env=True),
]
Seed = Annotated[
    int,
    opt(
        OPTIMISATION,
        "--seed",
        help="Random seed; the same seed gives the same result.",
        metavar="N",
        callback=_check_seed,
        env=True,
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
    """A preset with the user's choices; None leaves the preset's value.

    Args:
        base: The preset.
        steps: Number of steps of the optimisation.
        lr: Learning rate of the optimisation.
        kept: Names of choices that hold for all methods, and are passed over where one has no such thing.
        **method: Fields of the method's settings.

    Raises:
        UsageError: The method has no such field, or fixes it, or makes no steps, or is to make none.
    """
    if steps is not None:
        at_least("steps", steps, 1)
    rates = {name: value for name, value in (("steps", steps), ("lr", lr)) if value is not None}
    if not base.method.optimized:
        if set(rates) - set(kept):
            raise UsageError(f"the method {base.name} makes no steps", hint="leave --steps and --lr out")
        rates = {}
    fixed = method_entry(base.name).fixed
    fields = {name: value for name, value in method.items() if value is not None}
    for name, value in list(fields.items()):
        if name in kept and (name in fixed or name not in vars(base.method)):
            del fields[name]
        elif name not in vars(base.method):
            raise UsageError(f"the method {base.name} has no {name}", hint="leave it out, or choose another --method")
        elif value != fixed.get(name, value):
            raise UsageError(
                f"{base.name} always has {name} = {fixed[name]}",
                hint="leave the option out, or choose another --method",
            )
    return replace(
        base,
        method=replace(base.method, **fields),
        optimization=replace(base.optimization, **rates),  # type: ignore[arg-type]
    )
