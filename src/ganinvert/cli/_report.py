"""The page that `--save report` asks for: where it goes, and what it says of an item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ganinvert import __version__
from ganinvert.cli._inputs import STDIN
from ganinvert.cli._work import Done
from ganinvert.errors import GanInvertError, UsageError
from ganinvert.files import write_atomically
from ganinvert.report import MARK, Entry, RowStatus, page

if TYPE_CHECKING:
    from ganinvert.tasks import Inversion

KIND = "report"
_SUFFIX = ".report.html"
_HEAD = 1 << 12  # of a page, in bytes: the mark stands before the style
_SAID = ("settings_hash", "input_sha256", "notes", "outcome", "licence")  # by other columns, or of no interest


def report_path(save: str, target: Path, *, task: str, overwrite: bool) -> Path | None:
    """Where the report of a run goes; None when `--save` does not ask for one.

    Args:
        save: What `--save` says.
        target: What `-o` says.
        task: What the name says was done.
        overwrite: Replace even what is no report.

    Raises:
        UsageError: There is no folder for it, or a file that is no report is in the way.
    """
    if KIND not in [kind.strip() for kind in save.split(",")]:
        return None
    if str(target) == STDIN:
        raise UsageError("a report cannot go to stdout", hint="give a folder with -o")
    if target.suffix.lower() in (".png", ".pt") and not target.is_dir():
        path = target.with_suffix(_SUFFIX)
    else:
        path = target / f"{task}{_SUFFIX}"
    if not overwrite and path.is_file():
        with path.open("rb") as file:
            if MARK.encode() not in file.read(_HEAD):
                raise UsageError(f"{path} exists already and is no report", hint="replace it with --overwrite")
    return path


def write_report(path: Path, entries: Sequence[Entry], *, command: str) -> None:
    """Write the page about a run, or replace that of an earlier one.

    Raises:
        OutputError: The file cannot be written.
    """
    about = [f"ganinvert {__version__}, {datetime.now().astimezone():%Y-%m-%d %H:%M %Z}"]
    write_atomically(path, page(entries, title=f"ganinvert {command}", about=about).encode())


def entry(
    label: str, status: RowStatus, result: Done | None, *, seconds: float | None, error: GanInvertError | None
) -> Entry:
    """The row about an item."""
    if result is None:
        said = f"{error.message.removeprefix(f'{label}: ')}: {error.hint}" if error else ""
        return Entry(label, status, warning=said, seconds=seconds)
    return Entry(
        label,
        status,
        pictures=result.pictures(),
        metrics=result.metrics,
        outcome=result.outcome,
        notes=result.notes,
        warning=result.warning,
        settings=result.settings,
        seconds=seconds,
    )


def thumbnails(result: Inversion) -> dict[str, bytes]:
    """The pictures of a result, as the page shows them."""
    from ganinvert.images import difference, encode_thumbnail

    shown = {"input": result.target, "result": result.image, "difference": difference(result.target, result.image)}
    return {kind: encode_thumbnail(image) for kind, image in shown.items()}


def settings_of(result: Inversion) -> dict[str, object]:
    """Everything that a result depends on, by name."""
    bundle = result.bundle
    known: dict[str, object] = {"generator": f"{bundle.generator} ({bundle.digest[:12]})", "method": bundle.method}
    known |= {name: value for name, value in bundle.provenance.items() if name not in _SAID and value != ""}
    for part, values in bundle.settings.items():
        known |= {f"{part}.{name}": value for name, value in values.items()} if isinstance(values, Mapping) else {}
    return known
