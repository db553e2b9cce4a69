"""The page about a batch: what it says, that it harms nobody, and that a browser shows and sorts it."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from ganinvert import paths
from ganinvert.batch import report
from ganinvert.batch.inputs import Input
from ganinvert.batch.job import Job, JobResult, Product
from ganinvert.batch.report import page
from ganinvert.cli import app
from ganinvert.errors import ImageError
from ganinvert.images import encode_thumbnail

from .conftest import EXAMPLE
from .pictures import gradient

HOSTILE = (
    "</title><script>document.title='no'</script>\"'><img src=http://example.org onerror=alert(1)>\x00\n\udcff.png"
)


class Rows(HTMLParser):
    """The text of every cell of the table's body, and everything that elements refer to."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.heads: list[dict[str, str | None]] = []
        self.images: list[dict[str, str | None]] = []
        self.tags: list[str] = []
        self.inside = False
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "tr" and self.inside:
            self.rows.append([])
        elif tag in ("td", "th") and self.rows:
            self.rows[-1].append("")
        elif tag == "th":
            self.heads.append(dict(attrs))
        elif tag == "img":
            self.images.append(dict(attrs))
        elif tag == "tbody":
            self.inside = True

    def handle_endtag(self, tag: str) -> None:
        if tag == "tbody":
            self.inside = False

    def handle_data(self, data: str) -> None:
        if self.inside and self.rows and self.rows[-1]:
            self.rows[-1][-1] += data

    def column(self, number: int) -> list[str]:
        return [row[number] for row in self.rows]


def job(name: str) -> Job:
    return Job((Input(name, Path(name), name),), {})


def entry(name: str, psnr: float, ssim: float) -> JobResult:
    image = encode_thumbnail(gradient(64, 64))
    product = Product(
        {},
        metrics={"psnr": psnr, "ssim": ssim, "lpips": 0.05},
        outcome="good",
        notes=("resized to 64×64",),
        settings={"method.codes": 5, "seed": 0},
        thumbnails={"input": image, "result": image, "difference": image},
    )
    return JobResult(job(name), "done", product=product, seconds=12.3)


ENTRIES = [
    entry("b10.png", 31.5, 0.91),
    entry("b9.png", 9.25, 0.95),
    JobResult(job("broken.png"), "failed", error=ImageError("broken.png: cannot be decoded", hint="fetch it again")),
    entry(HOSTILE, 27.0, 0.7),
]
WORST_FIRST = ["broken.png", "b9.png", "</title>", "b10.png"]


def is_order(rows: Rows, names: list[str]) -> bool:
    found = rows.column(3)
    return len(found) == len(names) and all(text.startswith(name) for text, name in zip(found, names, strict=True))


def test_rows_come_worst_first_with_everything_that_is_known() -> None:
    rows = Rows(page(ENTRIES, title="a run", about=["ganinvert 0"]))
    assert is_order(rows, WORST_FIRST)
    assert rows.rows[1][4:8] == ["9.25", "0.950", "0.050", "12.3"]
    assert rows.rows[0][:3] == ["none"] * 3
    assert "cannot be decoded: fetch it again" in rows.rows[0][3]
    assert rows.rows[1][8] == "good"
    assert "method.codes5seed0" in rows.rows[1][9]
    assert "resized to 64×64" in rows.rows[1][3]


def test_the_page_is_accessible_and_needs_nothing_from_elsewhere() -> None:
    content = page(ENTRIES, title="a run")
    rows = Rows(content)
    assert content.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert all(head.get("scope") == "col" for head in rows.heads)
    assert content.count('<th scope="row"') == len(ENTRIES)
    assert len(rows.images) == 9
    assert all(str(image["src"]).startswith("data:image/webp;base64,") for image in rows.images)
    assert rows.images[0]["alt"] == "input of b9.png"
    assert "caption" in rows.tags
    assert not {"link", "iframe", "object", "form"} & set(rows.tags)
    assert "url(" not in content
    assert "default-src 'none'" in content


def test_hostile_names_stay_text() -> None:
    content = page(ENTRIES, title=HOSTILE, about=[HOSTILE])
    rows = Rows(content)
    assert rows.tags.count("script") == 1
    assert rows.tags.count("title") == 1
    assert len(rows.images) == 9
    content.encode("utf-8")
    assert "\\x00\\n\\xff.png" in rows.rows[2][3]


def test_numbers_that_are_none_and_empty_runs() -> None:
    odd = JobResult(job("odd"), "done", product=Product({}, {"psnr": float("nan"), "ssim": float("inf")}))
    rows = Rows(page([entry("fine", 30, 0.9), odd], title="x"))
    assert is_order(rows, ["odd", "fine"])
    assert Rows(page([], title="nothing")).rows == []


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def command(small_file: Path, tmp_path: Path) -> list[object]:
    with Image.open(EXAMPLE) as image:
        image.resize((20, 16)).save(tmp_path / "a.png")
        image.resize((16, 16)).save(tmp_path / "b.png")
    (tmp_path / "text.png").write_text("hello")
    inputs = [tmp_path / name for name in ("a.png", "b.png", "text.png")]
    return ["invert", *inputs, "-o", tmp_path / "out", "-g", small_file, "-R", 1, "-K", 1, "--steps", 3]


def test_save_report_writes_one_page_for_the_run(command: list[object], tmp_path: Path) -> None:
    path = tmp_path / "out" / "invert.report.html"
    code, stdout, _ = run(*command, "--save", "image,bundle,report")
    assert code == 1  # text.png
    assert stdout.splitlines()[-1] == str(path)
    rows = Rows(path.read_text("utf-8"))
    assert len(rows.rows) == 3
    assert "text.png" in rows.rows[0][3]
    assert "is not an image" in rows.rows[0][3]
    assert rows.images[0]["alt"] == f"input of {rows.rows[1][3].partition('.png')[0]}.png"
    assert "optimization.steps3" in rows.rows[1][-1]
    numbers = sorted(rows.column(4)[1:])
    # What is up to date is in the next run's page as well, shown again from its bundle.
    code, stdout, _ = run(*command, "--save", "image,bundle,report")
    again = Rows(path.read_text("utf-8"))
    assert (code, stdout) == (1, f"{path}\n")
    assert sorted(again.column(4)[1:]) == numbers
    assert [image["src"] for image in again.images] == [image["src"] for image in rows.images]
    assert "from an earlier run" in again.rows[1][3]


def test_a_report_alone_writes_nothing_else(command: list[object], tmp_path: Path) -> None:
    code, stdout, _ = run(*command, "--save", "report")
    assert code == 1
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["invert.report.html"]
    assert stdout == f"{tmp_path / 'out' / 'invert.report.html'}\n"


def test_a_report_replaces_only_a_report(command: list[object], tmp_path: Path) -> None:
    path = tmp_path / "out" / "invert.report.html"
    path.parent.mkdir()
    path.write_text("<p>mine</p>")
    code, _, said = run(*command, "--save", "report")
    assert (code, "is no report" in said) == (2, True)
    assert path.read_text() == "<p>mine</p>"
    assert run(*command, "--save", "report", "--overwrite")[0] == 1
    assert report.MARK in path.read_text("utf-8")
    code, _, said = run(*command[:2], "-o", "-", "--save", "report")
    assert (code, "cannot go to stdout" in said) == (2, True)
    before = path.read_bytes()
    assert run(*command, "--save", "report", "--dry-run")[0] == 1
    assert path.read_bytes() == before


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., bytes]:
    """Open a page in headless Chromium with some more arguments; what it says on stdout."""
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next((found for name in names if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip("no Chromium here to look at the page with: apt-get install chromium")
    profile = tmp_path_factory.mktemp("profile")

    def browse(url: str, *arguments: str) -> bytes:
        command = [program, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]
        command += ["--no-first-run", "--disable-extensions", "--hide-scrollbars", "--window-size=1500,1000"]
        result = subprocess.run([*command, *arguments, url], capture_output=True, timeout=90)
        assert result.returncode == 0, result.stderr.decode(errors="replace")
        return result.stdout

    return browse


def test_a_browser_shows_the_table(browser: Callable[..., bytes], tmp_path: Path) -> None:
    path, shot = tmp_path / "report.html", tmp_path / "shot.png"
    path.write_text(page(ENTRIES, title="a run"), "utf-8")
    dom = browser(path.as_uri(), "--dump-dom").decode()
    rows = Rows(dom)
    assert is_order(rows, WORST_FIRST)
    assert dom.count("<button") == 6  # the script ran: name, four numbers, outcome
    assert "<title>a run</title>" in dom  # and no other one
    browser(path.as_uri(), f"--screenshot={shot}")
    with Image.open(shot) as image:
        pixels = np.asarray(image.convert("RGB")).reshape(-1, 3)
    assert image.size == (1500, 1000)
    assert 0.3 < (pixels == pixels[0]).all(axis=1).mean() < 0.95
    # The three pictures of three rows, 160 pixels wide, hold most of the colours.
    assert len(np.unique(pixels // 8, axis=0)) > 100
    assert (np.ptp(pixels.astype(int), axis=1) > 40).sum() > 5 * 160 * 160


def test_columns_sort_by_address_and_by_click(
    browser: Callable[..., bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.html"
    path.write_text(page(ENTRIES, title="a run"), "utf-8")
    by_name = Rows(browser(f"{path.as_uri()}#sort=-name", "--dump-dom").decode())
    assert is_order(by_name, ["broken.png", "b10.png", "b9.png", "</title>"])
    for name in ("report.css", "report.html.jinja", "report.js"):
        shutil.copy(paths.embedded(name), tmp_path / name)
    clicks = 'for (let n = 0; n < 2; n++) document.querySelector("th[data-key=ssim] button").click();\n'
    with (tmp_path / "report.js").open("a") as script:
        script.write(clicks)
    monkeypatch.setattr(paths, "embedded", lambda name: tmp_path / name)
    path.write_text(page(ENTRIES, title="a run"), "utf-8")
    dom = browser(path.as_uri(), "--dump-dom").decode()
    assert is_order(Rows(dom), ["b9.png", "b10.png", "</title>", "broken.png"])  # failed ones last in any order
    assert re.search(r'data-key="ssim"[^>]*aria-sort="descending"', dom)


def test_thumbnails_keep_small_images_and_shrink_large_ones() -> None:
    small = gradient(64, 64)
    with Image.open(io.BytesIO(encode_thumbnail(small))) as image:
        assert np.array_equal(np.asarray(image), np.asarray(small))
    with Image.open(io.BytesIO(encode_thumbnail(gradient(1024, 512).convert("RGBA")))) as image:
        assert image.size == (256, 128)
