"""Options that several commands share. Their defaults are those of `settings`, which the help quotes."""

from __future__ import annotations

from typing import Annotated

import typer

from ganinvert.cli._console import output
from ganinvert.settings import DEFAULT_GENERATOR, Affinity, PmSFC, Precision, Preset

IO = "Input/Output"
METHOD = "Method"
OPTIMISATION = "Optimisation"
COMPUTE = "Compute"
GENERAL = "General"

Generator = Annotated[
    str | None,
    typer.Option(
        "--generator",
        "-g",
        metavar="NAME|FILE",
        help="A network of `fetch-weights --list`, fetched when first used, or a weights file.",
        show_default=f"best face generator in the cache, else {DEFAULT_GENERATOR}",
        rich_help_panel=METHOD,
    ),
]
Offline = Annotated[
    bool,
    typer.Option("--offline", help="Never use the network; so does GANINVERT_OFFLINE=1.", rich_help_panel=GENERAL),
]
Subspaces = Annotated[
    int | None,
    typer.Option(
        "--subspaces",
        "-R",
        metavar="R",
        help="Subspaces; 1 composes all channels together.",
        show_default=str(PmSFC().subspaces),
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
        rich_help_panel=METHOD,
    ),
]
AffinityKind = Annotated[
    Affinity | None,
    typer.Option(
        "--affinity",
        help="How channels are compared: the authors' program (more repeatable), or the paper.",
        show_default=PmSFC().affinity,
        rich_help_panel=METHOD,
    ),
]
PresetName = Annotated[
    Preset, typer.Option("--preset", help="Fast defaults, or the paper's settings.", rich_help_panel=METHOD)
]
Steps = Annotated[
    int | None,
    typer.Option(
        "--steps", metavar="N", help="Optimisation steps.", show_default="by preset", rich_help_panel=OPTIMISATION
    ),
]
LearningRate = Annotated[
    float | None,
    typer.Option(
        "--lr", metavar="RATE", help="Adam's learning rate.", show_default="by preset", rich_help_panel=OPTIMISATION
    ),
]
Seed = Annotated[
    int,
    typer.Option(
        "--seed", metavar="N", min=0, max=2**63 - 1, help="Of the random start.", rich_help_panel=OPTIMISATION
    ),
]
Device = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="auto|cpu|cuda[:N]|mps",
        help="Where to compute; auto takes CUDA when there.",
        rich_help_panel=COMPUTE,
    ),
]
Dtype = Annotated[
    Precision,
    typer.Option(
        "--dtype", help="Precision of convolutions; auto takes bfloat16 where it is faster.", rich_help_panel=COMPUTE
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing results.", rich_help_panel=IO)]


def _quiet(wanted: bool) -> None:
    if wanted:
        output.verbosity = -1


def _verbose(count: int) -> None:
    if count:
        output.verbosity = count


Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", callback=_quiet, help="Only errors and data.", rich_help_panel=GENERAL)
]
Verbose = Annotated[
    int,
    typer.Option(
        "--verbose",
        "-v",
        count=True,
        callback=_verbose,
        show_default=False,
        help="More messages; -vv adds tracebacks.",
        rich_help_panel=GENERAL,
    ),
]
