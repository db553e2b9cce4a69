"""The documentation says what is: its links lead somewhere, and it knows every public name and every notice."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import ganinvert

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", title.replace("`", "").lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_local_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        goal = (page.parent / path).resolve() if path else page
        assert goal.exists(), target
        assert not anchor or anchor in anchors(goal), target


def test_the_library_page_knows_every_public_name() -> None:
    page = (ROOT / "docs/reference/library.md").read_text(encoding="utf-8")
    documented = re.findall(r"^\.\. (?:auto\w+|data):: (\w+)", page, re.MULTILINE)
    assert sorted(documented) == sorted(set(ganinvert.__all__) - {"__version__"})


def test_notices_name_everything_that_is_embedded_or_shown() -> None:
    assets, docs = ROOT / "src/ganinvert/assets", ROOT / "docs"
    notices, credited = (
        (assets / "THIRD_PARTY.md").read_text("utf-8"),
        (docs / "examples/CREDITS.md").read_text("utf-8"),
    )
    embedded = [*assets.glob("*.safetensors"), *assets.glob("*.csv")]
    assert len(embedded) >= 9
    assert [path.name for path in embedded if f"`{path.name}`" not in notices] == []
    named = {path.name for path in assets.iterdir()} - {path.name for path in embedded}
    assert named == {"THIRD_PARTY.md", "report.css", "report.html.jinja", "report.js"}
    pictures = [*docs.rglob("*.jpg"), *docs.rglob("*.png")]
    own = ("results-", "discovery", "training", "tuning")
    shown = [path.name for path in pictures if not path.name.startswith(own)]
    assert [name for name in shown if name not in credited] == []
