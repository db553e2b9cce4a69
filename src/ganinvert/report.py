"""One self-contained HTML page about a batch: it needs no network, and no scripts but to sort its rows."""

from __future__ import annotations

import base64
import hashlib
import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ganinvert import paths

RowStatus = Literal["done", "skipped", "failed"]
MARK = '<meta name="generator" content="ganinvert">'
"""In every page: what tells our reports from other people's files."""

_PICTURES = ("input", "result", "difference")
_TITLES = {"psnr": "PSNR (dB)", "ssim": "SSIM", "lpips": "LPIPS", "deviation": "Deviation", "seconds": "Seconds"}
_DIGITS = {"psnr": 2, "ssim": 3, "lpips": 3, "deviation": 2, "seconds": 1}


@dataclass(frozen=True)
class Entry:
    """What is known of one input.

    Attributes:
        name: What the user calls it; need be neither text nor harmless.
        status: What became of it; a skipped one was up to date.
        pictures: "input", "result" and "difference" to the content of a WebP file; some or none.
        metrics: Numbers; "psnr" is what rows are ordered by.
        outcome: In a word or two.
        notes: What was done to the input.
        warning: What is wrong with the result, or why there is none.
        settings: Everything that the result depends on, by name.
        seconds: How long it took.
    """

    name: str
    status: RowStatus
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    outcome: str = ""
    notes: Sequence[str] = ()
    warning: str = ""
    settings: Mapping[str, object] = field(default_factory=dict)
    seconds: float | None = None


def page(entries: Sequence[Entry], *, title: str, about: Sequence[str] = ()) -> str:
    """The page: one row per input, the worst first; failed ones before all, then the lowest PSNR.

    Args:
        entries: In any order.
        title: Of the page.
        about: Lines under the title, such as version and time.

    Returns:
        HTML that can be encoded as UTF-8. Whatever text is in the entries, none of it is markup, and the page's
        content security policy lets no other script run than the page's own.
    """
    ordered = sorted(entries, key=_badness)
    columns = [name for name in _TITLES if any(name in _numbers(entry) for entry in ordered)]
    counts = {status: sum(entry.status == status for entry in ordered) for status in ("done", "skipped", "failed")}
    style, script = (paths.embedded(f"report.{kind}").read_text("utf-8") for kind in ("css", "js"))
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{allowed}'"
    headings = [
        *(f'<th scope="col">{name.capitalize()}</th>' for name in _PICTURES),
        '<th scope="col" data-key="name">Name</th>',
        *(f'<th scope="col" data-key="{name}" data-type="number">{_TITLES[name]}</th>' for name in columns),
        '<th scope="col" data-key="outcome">Outcome</th>',
        '<th scope="col">Settings</th>',
    ]
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{html.escape(policy)}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            MARK,
            f"<title>{_text(title)}</title>",
            f"<style>\n{style}</style>",
            "</head>",
            "<body>",
            f"<h1>{_text(title)}</h1>",
            *(f"<p>{_text(line)}</p>" for line in about),
            '<div class="scroll">',
            "<table>",
            f"<caption>{', '.join(f'{number} {status}' for status, number in counts.items())}; the worst first."
            " The difference is enlarged four times.</caption>",
            f"<thead><tr>{''.join(headings)}</tr></thead>",
            "<tbody>",
            *(_row(entry, columns) for entry in ordered),
            "</tbody>",
            "</table>",
            "</div>",
            f"<script>{script}</script>",
            "</body>",
            "</html>",
            "",
        ]
    )


def _badness(entry: Entry) -> tuple[bool, float]:
    psnr = entry.metrics.get("psnr", -math.inf)
    return entry.status != "failed", -math.inf if math.isnan(psnr) else psnr


def _numbers(entry: Entry) -> dict[str, float]:
    return dict(entry.metrics) if entry.seconds is None else {**entry.metrics, "seconds": entry.seconds}


def _row(entry: Entry, columns: Sequence[str]) -> str:
    name, numbers = _text(entry.name), _numbers(entry)
    said = [f'<div class="note">{_text(note)}</div>' for note in entry.notes]
    if entry.warning:
        said.append(f'<div class="note warning">{_text(entry.warning)}</div>')
    outcome = _text(entry.outcome or entry.status)
    if entry.status == "skipped":
        said.append('<div class="note">up to date, from an earlier run</div>')
    settings = "".join(f"<dt>{_text(key)}</dt><dd>{_text(str(value))}</dd>" for key, value in entry.settings.items())
    return "".join(
        [
            "<tr>",
            *(_picture(entry.pictures.get(kind), f"{kind} of {name}") for kind in _PICTURES),
            f'<th scope="row" data-value="{name}"><bdi>{name}</bdi>{"".join(said)}</th>',
            *(_number(numbers.get(column), _DIGITS[column]) for column in columns),
            f'<td class="{entry.status}" data-value="{outcome}">{outcome}</td>',
            f"<td><details><summary>{len(entry.settings)} settings</summary><dl>{settings}</dl></details></td>"
            if settings
            else "<td></td>",
            "</tr>",
        ]
    )


def _picture(content: bytes | None, alt: str) -> str:
    if content is None:
        return '<td class="missing">none</td>'
    return f'<td><img alt="{alt}" src="data:image/webp;base64,{base64.b64encode(content).decode()}"></td>'


def _number(value: float | None, digits: int) -> str:
    if value is None or not math.isfinite(value):
        return '<td class="number"></td>' if value is None else f'<td class="number">{value}</td>'
    return f'<td class="number" data-value="{value:.6g}">{value:.{digits}f}</td>'


def _text(text: str) -> str:
    """Harmless in HTML, and printable: bytes that are no text, control characters and such are spelt out."""
    known = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return html.escape("".join(each if each.isprintable() else repr(each)[1:-1] for each in known))
