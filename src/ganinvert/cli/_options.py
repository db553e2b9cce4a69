"""Options that several commands share. Their defaults are those of `settings`, which the help quotes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ganinvert.cli._config import configure
from ganinvert.cli._console import output
from ganinvert.cli._report import KIND as REPORT
from ganinvert.cli._results import SUFFIXES
from ganinvert.errors import UsageError
from ganinvert.settings import (
    DEFAULT_GENERATOR,
    METHODS,
    Affinity,
    Align,
    DiscoveryPreset,
    FitMode,
    Init,
    Invert,
    MethodName,
    PmSFC,
    Precision,
    Preset,
    StoredPrecision,
    at_least,
)
from ganinvert.weights.catalog import CATALOG, CONVOLUTIONS

IO = "Input/Output"
METHOD = "Method"
OPTIMISATION = "Optimisation"
COMPUTE = "Compute"
GENERAL = "General"

GENERATORS = tuple(name for name, entry in CATALOG.items() if entry.network not in CONVOLUTIONS)


def _completing(*words: str) -> Callable[[str], list[str]]:
    """Completion of one of these words."""
    return lambda incomplete: [word for word in words if word.startswith(incomplete)]


def _kinds(incomplete: str) -> list[str]:
    """Completion of a list of kinds with commas between."""
    *before, last = incomplete.split(",")
    return [",".join([*before, kind]) for kind in (*SUFFIXES, REPORT) if kind.startswith(last) and kind not in before]


Generator = Annotated[
    str | None,
    typer.Option(
        "--generator",
        "-g",
        metavar="NAME|FILE",
        autocompletion=_completing(DEFAULT_GENERATOR, *GENERATORS),
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
        autocompletion=_completing(*METHODS),
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
        help="Optimisation steps.",
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
        help="Adam's learning rate.",
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
Device = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="auto|cpu|cuda[:N]|mps",
        autocompletion=_completing("auto", "cpu", "cuda", "mps"),
        help="Where to compute; auto takes CUDA when there.",
        envvar="GANINVERT_DEVICE",
        show_envvar=False,
        rich_help_panel=COMPUTE,
    ),
]
Dtype = Annotated[
    Precision,
    typer.Option(
        "--dtype",
        help="Precision of convolutions; auto takes bfloat16 where it is faster.",
        envvar="GANINVERT_DTYPE",
        show_envvar=False,
        rich_help_panel=COMPUTE,
    ),
]
Images = Annotated[
    list[Path] | None,
    typer.Argument(metavar="IMAGE", help="Photos, folders of photos, or - for stdin.", show_default=False),
]
FromFile = Annotated[
    Path | None,
    typer.Option("--from-file", metavar="LIST", help="More inputs: a file of paths, one a line.", rich_help_panel=IO),
]
Recursive = Annotated[
    bool, typer.Option("--recursive", "-r", help="Look into folders inside folders.", rich_help_panel=IO)
]
Target = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        metavar="DIR|FILE|-",
        help="Folder for results, which is created; a .png name for one input; or - for PNG on stdout.",
        show_default="the current folder",
        envvar="GANINVERT_OUTPUT",
        show_envvar=False,
        rich_help_panel=IO,
    ),
]
Name = Annotated[
    str,
    typer.Option(
        "--name",
        metavar="TEMPLATE",
        help="Names of results, without suffix: of {stem}, {suffix}, {parent}, {index} and {task}.",
        envvar="GANINVERT_NAME",
        show_envvar=False,
        rich_help_panel=IO,
    ),
]
Save = Annotated[
    str,
    typer.Option(
        "--save",
        metavar="LIST",
        autocompletion=_kinds,
        help="What to write: image, bundle, comparison (input | result | difference ×4), report (a page about all).",
        envvar="GANINVERT_SAVE",
        show_envvar=False,
        rich_help_panel=IO,
    ),
]
BatchSize = Annotated[
    str,
    typer.Option(
        "--batch-size",
        metavar="auto|N",
        help="Photos optimised together; auto is what fits into memory. The CPU takes one after another.",
        envvar="GANINVERT_BATCH_SIZE",
        show_envvar=False,
        rich_help_panel=COMPUTE,
    ),
]
Fit = Annotated[
    FitMode,
    typer.Option(
        "--fit", help="How photos become square.", envvar="GANINVERT_FIT", show_envvar=False, rich_help_panel=IO
    ),
]
AlignFaces = Annotated[
    Align,
    typer.Option(
        "--align",
        help="Move the face to where a face generator expects it: when it is elsewhere, never, or always.",
        envvar="GANINVERT_ALIGN",
        show_envvar=False,
        rich_help_panel=IO,
    ),
]
FaceNumber = Annotated[
    int, typer.Option("--face", metavar="N", help="Which face, counted from the largest.", rich_help_panel=IO)
]
PasteBack = Annotated[
    bool,
    typer.Option("--paste-back", help="Put the result back into the photo, which keeps its size.", rich_help_panel=IO),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing results.", rich_help_panel=IO)]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.", rich_help_panel=IO)]
Stored = Annotated[StoredPrecision, typer.Option("--store", help="Precision of the files.", rich_help_panel=IO)]
Licence = Annotated[
    str, typer.Option("--licence", metavar="TEXT", help="Of the weights, for the file's header.", rich_help_panel=IO)
]
Credit = Annotated[
    str, typer.Option("--credit", metavar="TEXT", help="To whom the images are owed.", rich_help_panel=IO)
]
FailFast = Annotated[bool, typer.Option("--fail-fast", help="Stop at the first input that fails.", rich_help_panel=IO)]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Say what would be written, and write nothing.", rich_help_panel=IO),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="JSON lines on stdout: items, then a summary.", rich_help_panel=IO)
]
NoMetadata = Annotated[
    bool, typer.Option("--no-metadata", help="Write PNG files without the text chunk.", rich_help_panel=IO)
]


ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Settings to use instead of the user's; see `ganinvert config`.",
        show_default=False,
        rich_help_panel=GENERAL,
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        callback=configure,
        is_eager=True,
        help="Settings to use instead of the user's; see `ganinvert config`.",
        show_default=False,
        rich_help_panel=GENERAL,
    ),
]


def adjusted(base: Invert, *, steps: int | None, lr: float | None, **method: int | str | None) -> Invert:
    """A preset with what the user chose; None leaves the preset's.

    Args:
        base: The preset.
        steps: Of the optimisation.
        lr: Of the optimisation.
        **method: Fields of the method.

    Raises:
        UsageError: The method has no such field, or there are no steps.
    """
    if steps is not None:
        at_least("steps", steps, 1)
    given = {name: value for name, value in method.items() if value is not None}
    for name in given:
        if not hasattr(base.method, name):
            raise UsageError(f"the method {base.name} has no {name}", hint="leave it out, or choose another --method")
    moves = {name: value for name, value in (("steps", steps), ("lr", lr)) if value is not None}
    return replace(
        base,
        method=replace(base.method, **given),  # type: ignore[arg-type]  # names and types are those of the options
        optimization=replace(base.optimization, **moves),  # type: ignore[arg-type]
    )


def applicable(base: Invert, **method: int | None) -> dict[str, int]:
    """Those of the fields that the method has and the user chose."""
    return {name: value for name, value in method.items() if value is not None and hasattr(base.method, name)}


def batch_size_of(text: str) -> int | None:
    """The number that `--batch-size` gives; None for `auto`.

    Raises:
        UsageError: It is neither.
    """
    if text == "auto":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"--batch-size cannot be {text}", hint="choose auto, or a number of at least 1")
    return int(text)


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
