"""Write the catalogue's table into docs/reference/weights.md."""

from __future__ import annotations

from pathlib import Path

from ganinvert.weights.catalog import CATALOG, Entry

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "weights.md"
BEGIN, END = "<!-- catalogue: made by .ci/document_weights.py -->", "<!-- end of catalogue -->"


def table() -> str:
    """The catalogue in Markdown."""
    head = "| Name | Shows | Pixels | Licence of the weights | Files, in the order tried |\n|---|---|---|---|---|"
    return "\n".join([head, *(_row(entry) for entry in CATALOG.values())])


def _row(entry: Entry) -> str:
    files = []
    for source in entry.sources:
        place = source.urls[0] if source.urls else source.page
        digits = f", SHA-256 `{source.sha256[:8]}…`" if source.sha256 else ""
        way = f", {len(source.urls)} mirrors" if len(source.urls) > 1 else ""
        way = ", by pip" if source.package else way if source.is_fetchable else ", by hand"
        files.append(f"[{source.file}]({place}) ({source.format}{digits}{way})")
    licence = entry.licence + (". **Non-commercial use only**" if entry.noncommercial else "")
    shows = f"{entry.domain}<br>{entry.network}: {entry.origin}"
    return f"| `{entry.name}` | {shows} | {entry.resolution} | {licence} | {'<br>'.join(files)} |"


def updated(page: str) -> str:
    """The page with the table of today."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(updated(PAGE.read_text()))
