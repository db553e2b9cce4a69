"""Options that several commands share, but for those of methods. The help quotes the defaults of `settings`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from ganinvert.cli._config import configure
from ganinvert.cli._console import output
from ganinvert.cli._report import KIND as REPORT
from ganinvert.cli._results import SUFFIXES
from ganinvert.errors import UsageError
from ganinvert.settings import Align, FitMode, Precision, StoredPrecision

IO = "Input/Output"
METHOD = "Method"
OPTIMISATION = "Optimisation"
COMPUTE = "Compute"
GENERAL = "General"


def opt(panel: str, *flags: str, help: str, env: bool = False, **rest: Any) -> Any:  # noqa: A002  (typer's word)
    """An option of a command, in a panel of its help.

    Args:
        panel: Title of the panel.
        flags: Long and short names, for instance "--device".
        help: Sentence of the help.
        env: Also read the option from the variable GANINVERT_NAME, NAME being the long name.
        rest: Further arguments of `typer.Option`.
    """
    if env:
        name = max(flags, key=len).lstrip("-").replace("-", "_").upper()
        rest |= {"envvar": f"GANINVERT_{name}", "show_envvar": False}
    return typer.Option(*flags, help=help, rich_help_panel=panel, **rest)


def completing(*words: str) -> Callable[[str], list[str]]:
    """Completion of one of these words."""
    return lambda incomplete: [word for word in words if word.startswith(incomplete)]


def _kinds(incomplete: str) -> list[str]:
    """Completion of a list of kinds with commas between."""
    *before, last = incomplete.split(",")
    return [",".join([*before, kind]) for kind in (*SUFFIXES, REPORT) if kind.startswith(last) and kind not in before]


Offline = Annotated[bool, opt(GENERAL, "--offline", help="Never use the network; so does GANINVERT_OFFLINE=1.")]
Device = Annotated[
    str,
    opt(
        COMPUTE,
        "--device",
        help="Where to compute; auto takes CUDA when there.",
        metavar="auto|cpu|cuda[:N]|mps",
        autocompletion=completing("auto", "cpu", "cuda", "mps"),
        env=True,
    ),
]
Dtype = Annotated[
    Precision,
    opt(COMPUTE, "--dtype", help="Precision of convolutions; auto takes bfloat16 where it is faster.", env=True),
]
Images = Annotated[
    list[Path] | None,
    typer.Argument(metavar="IMAGE", help="Photos, folders of photos, or - for stdin.", show_default=False),
]
FromFile = Annotated[
    Path | None, opt(IO, "--from-file", help="More inputs: a file of paths, one a line.", metavar="LIST")
]
Recursive = Annotated[bool, opt(IO, "--recursive", "-r", help="Look into folders inside folders.")]
Target = Annotated[
    Path,
    opt(
        IO,
        "--output",
        "-o",
        help="Folder for results, which is created; a .png name for one input; or - for PNG on stdout.",
        metavar="DIR|FILE|-",
        show_default="the current folder",
        env=True,
    ),
]
Name = Annotated[
    str,
    opt(
        IO,
        "--name",
        help="Names of results, without suffix: of {stem}, {suffix}, {parent}, {index} and {task}.",
        metavar="TEMPLATE",
        env=True,
    ),
]
Save = Annotated[
    str,
    opt(
        IO,
        "--save",
        help="What to write: image, bundle, comparison (input | result | difference ×4), report (a page about all).",
        metavar="LIST",
        autocompletion=_kinds,
        env=True,
    ),
]
BatchSize = Annotated[
    str,
    opt(
        COMPUTE,
        "--batch-size",
        help="Photos optimised together; auto is what fits into memory. The CPU takes one after another.",
        metavar="auto|N",
        env=True,
    ),
]
Fit = Annotated[FitMode, opt(IO, "--fit", help="How photos become square.", env=True)]
AlignFaces = Annotated[
    Align,
    opt(
        IO,
        "--align",
        help="Move the face to where a face generator expects it: when it is elsewhere, never, or always.",
        env=True,
    ),
]
FaceNumber = Annotated[int, opt(IO, "--face", help="Which face, counted from the largest.", metavar="N")]
PasteBack = Annotated[bool, opt(IO, "--paste-back", help="Put the result back into the photo, which keeps its size.")]
Overwrite = Annotated[bool, opt(IO, "--overwrite", help="Replace existing results.")]
Resume = Annotated[bool, opt(IO, "--resume", help="Go on from the last checkpoint.")]
Stored = Annotated[StoredPrecision, opt(IO, "--store", help="Precision of the files.")]
Licence = Annotated[str, opt(IO, "--licence", help="Of the weights, for the file's header.", metavar="TEXT")]
Credit = Annotated[str, opt(IO, "--credit", help="To whom the images are owed.", metavar="TEXT")]
FailFast = Annotated[bool, opt(IO, "--fail-fast", help="Stop at the first input that fails.")]
DryRun = Annotated[bool, opt(IO, "--dry-run", help="Say what would be written, and write nothing.")]
AsJson = Annotated[bool, opt(IO, "--json", help="JSON lines on stdout: items, then a summary.")]
NoMetadata = Annotated[bool, opt(IO, "--no-metadata", help="Write PNG files without the text chunk.")]


ConfigFile = Annotated[
    Path | None,
    opt(
        GENERAL,
        "--config",
        help="Settings to use instead of the user's; see `ganinvert config`.",
        metavar="FILE",
        show_default=False,
    ),
]
Config = Annotated[
    Path | None,
    opt(
        GENERAL,
        "--config",
        help="Settings to use instead of the user's; see `ganinvert config`.",
        metavar="FILE",
        callback=configure,
        is_eager=True,
        show_default=False,
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


Quiet = Annotated[bool, opt(GENERAL, "--quiet", "-q", help="Only errors and data.", callback=_quiet)]
Verbose = Annotated[
    int,
    opt(
        GENERAL,
        "--verbose",
        "-v",
        help="More messages; -vv adds tracebacks.",
        count=True,
        callback=_verbose,
        show_default=False,
    ),
]
