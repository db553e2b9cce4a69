"""Options that several commands share, but for those of methods. The help quotes the defaults of `settings`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from ganinvert.cli._config import configure
from ganinvert.cli._console import output
from ganinvert.cli._report import KIND as REPORT
from ganinvert.cli._results import SUFFIXES
from ganinvert.errors import UsageError
from ganinvert.settings import (
    Align,
    FitMode,
    Precision,
    StoredPrecision,
)

IO = "Input/Output"
METHOD = "Method"
OPTIMISATION = "Optimisation"
COMPUTE = "Compute"
GENERAL = "General"


def completing(*words: str) -> Callable[[str], list[str]]:
    """Completion of one of these words."""
    return lambda incomplete: [word for word in words if word.startswith(incomplete)]


def _kinds(incomplete: str) -> list[str]:
    """Completion of a list of kinds with commas between."""
    *before, last = incomplete.split(",")
    return [",".join([*before, kind]) for kind in (*SUFFIXES, REPORT) if kind.startswith(last) and kind not in before]


Offline = Annotated[
    bool,
    typer.Option("--offline", help="Never use the network; so does GANINVERT_OFFLINE=1.", rich_help_panel=GENERAL),
]
Device = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="auto|cpu|cuda[:N]|mps",
        autocompletion=completing("auto", "cpu", "cuda", "mps"),
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
