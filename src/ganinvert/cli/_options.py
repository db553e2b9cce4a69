"""Options that several commands share, except those of methods."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from ganinvert.batch.outputs import SUFFIXES
from ganinvert.batch.report import KIND as REPORT
from ganinvert.cli._config import configure
from ganinvert.cli._console import output
from ganinvert.errors import UsageError
from ganinvert.settings import Align, FitMode, Precision, StoredPrecision

IO = "Input/Output"
METHOD = "Method"
OPTIMISATION = "Optimisation"
COMPUTE = "Compute"
GENERAL = "General"


def opt(panel: str, *flags: str, help: str, env: bool = False, **rest: Any) -> Any:  # noqa: A002  (typer's word)
    """Describe an option of a command.

    Args:
        panel: Title of the help's panel that shows the option.
        flags: Long and short names, for instance "--device".
        help: Sentence of the help.
        env: True if the variable GANINVERT_NAME (the long name in capitals) and the configuration file set it, too.
        rest: Further arguments of `typer.Option`.
    """
    if env:
        name = max(flags, key=len).lstrip("-").replace("-", "_").upper()
        rest |= {"envvar": f"GANINVERT_{name}", "show_envvar": False}
    return typer.Option(*flags, help=help, rich_help_panel=panel, **rest)


def completing(*words: str) -> Callable[[str], list[str]]:
    """Shell completion of one of these words."""
    return lambda incomplete: [word for word in words if word.startswith(incomplete)]


def _complete_kinds(incomplete: str) -> list[str]:
    *before, last = incomplete.split(",")
    return [",".join([*before, kind]) for kind in (*SUFFIXES, REPORT) if kind.startswith(last) and kind not in before]


def _check_device(name: str) -> str:
    """Refuse a misspelt device before torch is imported, which alone knows which devices there are."""
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", name):
        raise UsageError(f"{name}: no such device", hint="choose auto, cpu, cuda, cuda:N or mps")
    return name


Offline = Annotated[bool, opt(GENERAL, "--offline", help="Never use the internet; GANINVERT_OFFLINE=1 does the same.")]
Device = Annotated[
    str,
    opt(
        COMPUTE,
        "--device",
        help="Device to compute on; auto takes CUDA if there is one.",
        metavar="auto|cpu|cuda[:N]|mps",
        autocompletion=completing("auto", "cpu", "cuda", "mps"),
        callback=_check_device,
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
    Path | None, opt(IO, "--from-file", help="File that lists more inputs, one path per line.", metavar="LIST")
]
Recursive = Annotated[bool, opt(IO, "--recursive", "-r", help="Search folders inside folders, too.")]
Target = Annotated[
    Path,
    opt(
        IO,
        "--output",
        "-o",
        help="Folder for the results (created if missing), a .png file for a single input, or - for stdout.",
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
        help="Template of file names, without suffix: {stem}, {suffix}, {parent}, {index}, {task}.",
        metavar="TEMPLATE",
        env=True,
    ),
]
Save = Annotated[
    str,
    opt(
        IO,
        "--save",
        help="Files to write: image, bundle, comparison (input | result | difference ×4), report (HTML page).",
        metavar="LIST",
        autocompletion=_complete_kinds,
        env=True,
    ),
]
BatchSize = Annotated[
    str,
    opt(
        COMPUTE,
        "--batch-size",
        help="Photos optimised together; auto fills the memory of the device. The CPU takes one at a time.",
        metavar="auto|N",
        env=True,
    ),
]
Workers = Annotated[
    str,
    opt(
        COMPUTE,
        "--workers",
        help="Number of processes that work at the same time; auto is one per GPU, or per CPU core.",
        metavar="auto|N",
        env=True,
    ),
]
Fit = Annotated[FitMode, opt(IO, "--fit", help="Make photos square by cropping, padding or squashing.", env=True)]
AlignFaces = Annotated[
    Align,
    opt(
        IO,
        "--align",
        help="Align faces for a face generator: if misplaced (auto), never (off), or always (force).",
        env=True,
    ),
]
FaceNumber = Annotated[
    int, opt(IO, "--face", help="Number of the face to align, counted from the largest.", metavar="N", min=1)
]
PasteBack = Annotated[bool, opt(IO, "--paste-back", help="Paste the result into the photo, which keeps its size.")]
Overwrite = Annotated[bool, opt(IO, "--overwrite", help="Replace existing results.")]
Resume = Annotated[bool, opt(IO, "--resume", help="Continue from the last checkpoint.")]
Stored = Annotated[StoredPrecision, opt(IO, "--store", help="Precision of the weights files.")]
Licence = Annotated[
    str, opt(IO, "--licence", help="Licence of the weights, written into the file's header.", metavar="TEXT")
]
Credit = Annotated[
    str, opt(IO, "--credit", help="Credit for the images, written into the file's header.", metavar="TEXT")
]
FailFast = Annotated[bool, opt(IO, "--fail-fast", help="Stop at the first input that fails.")]
DryRun = Annotated[bool, opt(IO, "--dry-run", help="Print which files would be written, and write none.")]
AsJson = Annotated[bool, opt(IO, "--json", help="Print JSON lines on stdout: one per result, then a summary.")]
NoMetadata = Annotated[bool, opt(IO, "--no-metadata", help="Write PNG files without a description of their making.")]


def _config(**rest: Any) -> Any:
    help_text = "Configuration file to use instead of the user's; see `ganinvert config`."
    return opt(GENERAL, "--config", help=help_text, metavar="FILE", show_default=False, **rest)


ConfigFile = Annotated[Path | None, _config()]
Config = Annotated[Path | None, _config(callback=configure, is_eager=True)]


def batch_size_of(text: str) -> int | None:
    """Parse the value of `--batch-size`; None stands for `auto`.

    Raises:
        UsageError: The value is neither auto nor a number of at least 1.
    """
    if text == "auto":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"--batch-size cannot be {text}", hint="choose auto, or a number of at least 1")
    return int(text)


def _quiet(quiet: bool) -> None:
    if quiet:
        output.verbosity = -1


def _verbose(count: int) -> None:
    if count:
        output.verbosity = count


Quiet = Annotated[bool, opt(GENERAL, "--quiet", "-q", help="Print only errors and result paths.", callback=_quiet)]
Verbose = Annotated[
    int,
    opt(
        GENERAL,
        "--verbose",
        "-v",
        help="Print more messages; -vv adds tracebacks.",
        count=True,
        callback=_verbose,
        show_default=False,
    ),
]
