"""The documentation says what is: its commands run, its links lead somewhere, and it knows every public name."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

import ganinvert
from ganinvert.generators import PGGANGenerator
from ganinvert.generators.mobilestylegan import MobileStyleGANArchitecture, MobileStyleGANGenerator
from ganinvert.generators.pggan import PGGANArchitecture

from .commandline import photo, run
from .conftest import EXAMPLE

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")])
TOLD = [ROOT / "README.md", ROOT / "docs/tutorial.md", *sorted(ROOT.glob("docs/how-to/*.md"))]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")

NOT_HERE = {
    "pip install": "CI installs the package",
    "pipx install": "CI installs the package",
    "uvx pip": "the package index; test_package_index.py",
    "fetch-weights": "the network; test_package_index.py and test_download.py",
    "celebahq-1024": "weights from the network",
    "example.org": "the network",
    "parallel ": "GNU parallel is not always there",
    "cuda:": "two CUDA devices",
}
"""Parts of lines that are not run, and why."""
STYLED = {"tutorial.md", "edit-photos.md"}
"""Pages whose generator is style-based."""
SMALLER = {
    "edit-photos.md": {
        "ann.pt bob.pt": "bob.pt ann.pt",
        "7-22": "7-13",
        "14-22": "10-13",
        '"ffhq-1024"': '"styled.safetensors"',
    },
    "train-encoder.md": {"-g mugs --reals photos/": "-g small.safetensors --reals many/"},
}
"""Names and numbers of smaller networks, by page."""
FASTER = """
device = "cpu"
steps = 2
[train]
images = 32
phase = 4
base = 64
cap = 16
features = 0
discover = false
[train-encoder]
images = 32
base = 16
"""
FEW_STEPS = """
from dataclasses import replace
from PIL import Image
from ganinvert.optimize import loop
descend = loop._Problem.descend
loop._Problem.descend = lambda self, code, optimization, *rest, total, **more: descend(
    self, code, replace(optimization, steps=2), *rest, total=2, **more
)
picture = Image.open({example!r})
"""
"""What the pages take for granted, and two steps for all optimisations."""


def blocks(page: Path, language: str) -> list[str]:
    text = page.read_text(encoding="utf-8")
    for name, smaller in SMALLER.get(page.name, {}).items():
        text = text.replace(name, smaller)
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


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


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with all that the pages' examples name."""
    home = tmp_path / "place"
    for name in (
        "face.jpg",
        "ann.jpg",
        "bob.jpg",
        "mug.jpg",
        "holiday.jpg",
        "group.jpg",
        "scan.jpg",
        "shaken.jpg",
        "dark.jpg",
        "photo.jpg",
        "photo.png",
    ):
        photo(home / name, (96, 96))
    for name in (
        *(f"many/{n}.png" for n in range(10)),
        "photos/ann.jpg",
        "photos/bob.jpg",
        "scans/old.png",
        "docs/examples/face.jpg",
    ):
        photo(home / name, (64, 64))
    for name in ("old.jpg", "scans/older.png"):
        photo(home / name, (96, 96))
        with Image.open(home / name) as image:
            image.convert("L").save(home / name)
    photo(home / "thumbnail.png", (16, 16))
    mask = Image.new("L", (96, 96))
    ImageDraw.Draw(mask).rectangle((30, 30, 50, 50), fill=255)
    for name in ("scratches.png", "masks/ann.png", "masks/bob.png"):
        (home / name).parent.mkdir(exist_ok=True)
        mask.resize((64, 64) if "/" in name else (96, 96)).save(home / name)
    known = mask.point([255 - level for level in range(256)])
    known.save(home / "known.png")
    cutout = Image.open(home / "photo.png").convert("RGBA")
    cutout.putalpha(known)
    cutout.save(home / "cutout.png")
    (home / "list.txt").write_text("photos/ann.jpg\n")
    (home / "last").touch()
    os.utime(home / "last", (0, 0))
    (tmp_path / "faster.toml").write_text(FASTER)
    monkeypatch.setenv("GANINVERT_CONFIG", str(tmp_path / "faster.toml"))
    monkeypatch.chdir(home)
    return home


def lines(page: Path) -> Iterator[str]:
    for block in blocks(page, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            command = re.sub(r"\s+#.*", "", line)
            if not any(part in command for part in NOT_HERE):
                yield command


def use_generator(page: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    PGGANGenerator.random(PGGANArchitecture(12, (10, 9, 8, 7, 6, 5))).save(place / "small.safetensors")
    if page.name in STYLED:
        channels = (16, 16, 16, 16, 16, 16, 12, 12, 8, 8)
        generator = MobileStyleGANGenerator.random(MobileStyleGANArchitecture((12, 12, 12), 4, channels))
        generator.save(place / "styled.safetensors")
        monkeypatch.setenv("GANINVERT_GENERATOR", "styled.safetensors")


@pytest.mark.parametrize("page", [page for page in TOLD if blocks(page, "sh")], ids=lambda page: page.name)
def test_commands_of_the_pages_run(page: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_generator(page, place, monkeypatch)
    commands = list(lines(page))
    if any(".pt" in command for command in commands):
        for name in ("ann", "bob", "face"):
            assert run("invert", f"{name}.jpg").exit_code == 0
            (place / f"{name}.pt").write_bytes((place / f"{name}.invert.pt").read_bytes())
        (place / "results").mkdir()
        (place / "results" / "a.pt").write_bytes((place / "ann.pt").read_bytes())
    shim = place.parent / "bin" / "ganinvert"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec {sys.executable} -m ganinvert "$@"\n')
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", f"{shim.parent}:{os.environ['PATH']}")
    for line in commands:
        if re.search(r"[;|$<>]", line):
            done = subprocess.run(["bash", "-ec", line], capture_output=True, text=True)
            assert done.returncode == 0, (line, done.stderr)
            continue
        for command in line.split(" && "):
            program, *arguments = shlex.split(command)
            assert program == "ganinvert"
            paths = [str(path) for each in arguments for path in ([*place.glob(each)] if "*" in each else [each])]
            result = run(*paths)
            assert result.exit_code == 0, (command, result.output)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.name)
def test_python_of_the_pages_runs(page: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_generator(page, place, monkeypatch)
    assert run("invert", "ann.jpg", "face.jpg").exit_code == 0
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    before = FEW_STEPS.format(example=str(EXAMPLE))
    program = place / "page.py"
    program.write_text(before + "\n".join(blocks(page, "python")))
    done = subprocess.run([sys.executable, program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
