"""The HTML report of a batch: one self-contained page, which needs no internet and no scripts but its own."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from ganinvert import __version__, paths
from ganinvert.batch.events import BatchEnded, Event, JobFinished
from ganinvert.batch.inputs import STDIN
from ganinvert.batch.job import JobResult, Product
from ganinvert.errors import OutputError, UsageError
from ganinvert.files import write_atomically

KIND = "report"
MARK = '<meta name="generator" content="ganinvert">'
"""Line of every page that tells our reports from other people's files."""
PICTURES = ("input", "result", "difference")
_SUFFIX = ".report.html"
_HEAD = 1 << 12  # of a page, in bytes: the mark stands before the style
_FIGURES: Mapping[str, tuple[str, int]] = {
    "psnr": ("PSNR (dB)", 2),
    "ssim": ("SSIM", 3),
    "lpips": ("LPIPS", 3),
    "deviation": ("Deviation", 2),
    "seconds": ("Seconds", 1),
}
"""Title of a column, and digits after the point."""


def report_path(save: str, target: Path, *, task: str, overwrite: bool) -> Path | None:
    """Choose the path of the report for the values of `--save` and `-o`; None if `--save` does not ask for one.

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


class HtmlReport:
    """Listener that writes a page about a batch when it ends, and replaces an earlier one."""

    def __init__(self, path: Path, *, title: str) -> None:
        self.path, self.title = path, title
        self.results: list[JobResult] = []

    def __call__(self, event: Event) -> None:
        """Collect results, and write the page at the end."""
        from ganinvert.batch.signals import postponed

        if isinstance(event, JobFinished):
            self.results.append(event.result)
        elif isinstance(event, BatchEnded) and self.results:
            about = [f"ganinvert {__version__}, {datetime.now().astimezone():%Y-%m-%d %H:%M %Z}"]
            try:
                with postponed():
                    write_atomically(self.path, page(self.results, title=self.title, about=about).encode())
            except OutputError as error:
                event.errors.append(error)
                event.exit_code = max(event.exit_code, 1)
            else:
                event.report = str(self.path)


def page(results: Sequence[JobResult], *, title: str, about: Sequence[str] = ()) -> str:
    """Render the page: one row per job, the worst first; failed ones before all, then by PSNR.

    The lines `about` stand under the title. The HTML can be encoded as UTF-8, no text of the results is markup in it,
    and its content security policy lets no script run except its own.
    """
    import hashlib

    import jinja2

    rows = [_row(result) for result in sorted(results, key=_badness)]
    style, script = (paths.embedded(f"report.{kind}").read_text("utf-8") for kind in ("css", "js"))
    # autoescape: names of files, notes and errors are other people's text
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    return environment.from_string(paths.embedded("report.html.jinja").read_text("utf-8")).render(
        title=_printable(title),
        about=[_printable(line) for line in about],
        mark=MARK,
        style=style,
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        counts={status: sum(row["status"] == status for row in rows) for status in ("done", "skipped", "failed")},
        pictures=PICTURES,
        columns={name: _FIGURES[name] for name in _FIGURES if any(name in row["figures"] for row in rows)},
        rows=rows,
        isfinite=math.isfinite,
    )


def _badness(result: JobResult) -> tuple[bool, float]:
    psnr = result.product.metrics.get("psnr", -math.inf) if result.product else -math.inf
    return result.status != "failed", -math.inf if math.isnan(psnr) else psnr


def _row(result: JobResult) -> dict[str, Any]:
    product, error, label = result.product or Product({}), result.error, result.job.label
    warning = product.warning
    if error is not None:
        warning = f"{error.message.removeprefix(f'{label}: ')}: {error.hint}"
    return {
        "name": _printable(label),
        "status": result.status,
        "pictures": {kind: base64.b64encode(content).decode() for kind, content in product.thumbnails.items()},
        "figures": {**product.metrics, **({} if result.seconds is None else {"seconds": result.seconds})},
        "outcome": _printable(product.outcome or result.status),
        "notes": [_printable(note) for note in product.notes],
        "warning": _printable(warning),
        "settings": {_printable(k): _printable(str(v)) for k, v in product.settings.items()},
    }


def _printable(text: str) -> str:
    """Spell out bytes that are no text, control characters and the like."""
    decoded = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in decoded)
