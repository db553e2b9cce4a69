"""The documentation says what is: its commands run, its links lead somewhere, and it knows every name and notice."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageDraw

import ganinvert
from ganinvert.generators import PGGANGenerator
from ganinvert.generators.mobilestylegan import MobileStyleGANArchitecture, MobileStyleGANGenerator
from ganinvert.optimize import loop
from ganinvert.subspaces import SelfExpression, store

from .commandline import photo, run

ROOT = Path(__file__).parents[1]
GALLERY = ROOT / "docs" / "gallery.md"
"""Its commands need FairFace, ImageMagick and an hour: benchmarks/gallery.py runs them."""
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")])
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
RUN = {"sh", "python", "toml"}
NOT_HERE = {
    "pip install": "the package index; .ci/run",
    "pipx install": "the package index; .ci/run",
    "uvx pip": "the package index; test_package_index.py",
    "fetch-weights": "the network; test_package_index.py, test_cli_fetch_weights.py",
    "celebahq-1024": "weights from the network",
    "example.org": "the network",
    "jq ": "jq is not everywhere",
    "parallel ganinvert": "GNU parallel is not everywhere",
    "cuda:": "two CUDA devices",
    "ganinvert ui": "serves until Ctrl-C; test_ui.py",
    "workers ray": "a Ray cluster; test_batch_ray.py",
    "ray start": "a Ray cluster",
    "SBATCH": "a Slurm cluster",
    "ray://head": "a Ray cluster; test_batch_ray.py",
}
"""Parts of lines that are not run, and why; a block of Python or a script that has one is not run at all."""
STYLED = {"tutorial.md", "edit-photos.md"}
"""Pages whose generator is style-based."""
SMALLER = {
    " 7-22": " 7-13",
    " 14-22": " 10-13",
    '"ffhq-1024"': '"styled.safetensors"',
    "-g ffhq-1024": "-g styled.safetensors",
    "-g mugs --reals photos/": "-g small.safetensors --reals many/",
    "train photos/": "train many/",
    "invert -g mugs": "invert -R 1 -g mugs",
    "--workers auto": "--workers 1",
    "ganinvert.Pool(2)": "ganinvert.Serial()",
    "--resolution 64": "--resolution 16",
    "--frames 120": "--frames 4",
}
"""Names and numbers of smaller networks and of fewer processes."""
FASTER = """
device = "cpu"
[train]
images = 16
phase = 4
base = 64
cap = 16
features = 0
discover = false
[train-encoder]
images = 16
base = 16
"""
RECORD = """#!/bin/sh
case " $* " in *" - "*) cat > "$CALLS.stdin" ;; esac
for argument; do printf '%s\\0' "$argument"; done >> "$CALLS"
echo >> "$CALLS"
"""
"""A program `ganinvert` that notes the arguments the shell gives it."""
PHOTOS = ["face", "ann", "bob", "mug", "holiday", "scan", "dark", "photo", "soft", "old", "painted"]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def blocks(page: Path, *languages: str) -> list[str]:
    """The blocks of a page that can be run here, with smaller networks."""
    found = []
    for indent, language, block in BLOCK.findall(page.read_text("utf-8")):
        if language not in languages:
            continue
        lines = re.sub(rf"^{indent}", "", block, flags=re.MULTILINE).replace("\\\n", " ").splitlines()
        here = [line for line in lines if not any(part in line for part in NOT_HERE)]
        if len(here) == len(lines) or (language == "sh" and not block.startswith("#!")):
            found.append("\n".join(here))
            for name, smaller in SMALLER.items():
                found[-1] = found[-1].replace(name, smaller)
    return [block for block in found if block.strip()]


def pages_with(*languages: str) -> list[Any]:
    pages = [page for page in PAGES if page != GALLERY and blocks(page, *languages)]
    return [pytest.param(page, id=str(page.relative_to(ROOT))) for page in pages]


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


def test_every_block_is_of_a_language_that_is_run_and_every_exception_is_needed() -> None:
    texts = [page.read_text("utf-8") for page in PAGES]
    shown = {language for text in texts for _, language, _ in BLOCK.findall(text) if language}
    assert shown == RUN
    code = "".join(block for text in texts for _, _, block in BLOCK.findall(text))
    assert [part for part in (*NOT_HERE, *SMALLER) if part not in code] == []


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: PGGANGenerator, expression: SelfExpression) -> Path:
    """A folder with all that the pages name, small generators, and optimisations of two steps."""
    home = tmp_path / "place"
    for name in [f"{name}.jpg" for name in PHOTOS] + ["scans/older.jpg", "photos/ann.jpg", "photos/bob.jpg"]:
        photo(home / name, (96, 96))
    for name in [f"many/{n}.png" for n in range(10)] + ["docs/examples/face.jpg", "hair.png", "smile.png"]:
        photo(home / name, (16, 16))
    for name in ("group.jpg", "thumbnail.png"):
        photo(home / name, (32, 32))
    mask = Image.new("L", (96, 96))
    ImageDraw.Draw(mask).rectangle((30, 30, 50, 50), fill=255)
    (home / "masks").mkdir()
    for name in ("scratches.png", "masks/ann.png", "masks/bob.png"):
        mask.save(home / name)
    known = mask.point([255 - level for level in range(256)])
    known.save(home / "known.png")
    with Image.open(photo(home / "photo.png", (96, 96))) as image:
        picture = image.convert("RGBA")
    painted = picture.convert("RGB")
    painted.paste((255, 0, 0), mask=mask)
    painted.save(home / "painted.jpg", quality=95, subsampling=0)
    for name in ("cutout.png", "hair.png", "smile.png"):
        picture.putalpha(known if name == "cutout.png" else mask)
        picture.save(home / name)
    (home / "list.txt").write_text("photos/ann.jpg\n")
    (home / "last").touch()
    os.utime(home / "last", (0, 0))
    small.save(home / "small.safetensors")
    store(expression)
    channels = (16, 16, 16, 16, 16, 16, 12, 12, 8, 8)
    styled = MobileStyleGANGenerator.random(MobileStyleGANArchitecture((12, 12, 12), 4, channels))
    styled.save(home / "styled.safetensors")
    (tmp_path / "faster.toml").write_text(FASTER)
    monkeypatch.setenv("GANINVERT_CONFIG", str(tmp_path / "faster.toml"))
    monkeypatch.chdir(home)
    descend = loop._Problem.descend

    def few_steps(self: Any, code: Any, optimization: Any, *objective: Any, **more: Any) -> Any:
        few = min(optimization.steps, 2)
        losses = descend(self, code, replace(optimization, steps=few), *objective, **more)
        return torch.cat([losses, losses[-1:].expand(optimization.steps - few, -1)])  # as if all had been done

    monkeypatch.setattr(loop._Problem, "descend", few_steps)
    return home


def calls_of(script: str, place: Path) -> list[list[str]]:
    """The arguments of every call of `ganinvert` by a shell script, which runs without the program itself."""
    program, calls = place.parent / "bin" / "ganinvert", place.parent / "calls"
    program.parent.mkdir(exist_ok=True)
    program.write_text(RECORD)
    program.chmod(0o755)
    calls.write_text("")
    environment = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}", "CALLS": str(calls)}
    done = subprocess.run(["bash", "-euc", script], env=environment, cwd=place, capture_output=True, text=True)
    assert done.returncode == 0, (script, done.stderr)
    return [line.split("\0")[:-1] for line in calls.read_text().splitlines()]


@pytest.mark.parametrize("page", pages_with("sh"))
def test_commands_of_the_pages_run(page: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if page.name in STYLED:
        monkeypatch.setenv("GANINVERT_GENERATOR", "styled.safetensors")
    scripts = blocks(page, "sh")
    if ".pt" in "".join(scripts):
        (place / "results").mkdir()
        for name in ("ann", "bob", "face"):
            assert run("invert", f"{name}.jpg").exit_code == 0
            shutil.copy(f"{name}.invert.pt", f"{name}.pt")
            shutil.copy(f"{name}.invert.pt", "results")
            if f"invert {name}.jpg" in "".join(scripts):  # the page does it itself, with settings of its own
                for path in place.glob(f"{name}.invert.*"):
                    path.unlink()
    for script in scripts:
        for arguments in calls_of(script, place):
            stdin = place.parent / "calls.stdin"
            result = run(*arguments, stdin=stdin.read_bytes() if "-" in arguments else None)
            assert result.exit_code == 0, (arguments, result.output)


def test_the_gallery_names_commands_and_options_that_exist_and_makes_its_pictures() -> None:
    text = GALLERY.read_text("utf-8").replace("\\\n", " ")
    made = re.findall(r"\]\(images/(\S+)\)\n\n```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(made) == len(BLOCK.findall(text)) >= 9
    for picture, block in made:
        assert picture in block or "PAGE_PICTURES=." in block
        for command, rest in re.findall(r"^ *ganinvert ([\w-]+)(.*)$", block, re.MULTILINE):
            options = re.findall(r" (--[a-z-]+)", rest + "".join(re.findall(r'^\w+="(.*)"', block, re.MULTILINE)))
            known = run(command, "--help").output
            assert [option for option in options if option not in known] == []


@pytest.mark.parametrize("page", pages_with("python"))
@pytest.mark.usefixtures("place")
def test_python_of_the_pages_runs(page: Path) -> None:
    generator = "styled.safetensors" if page.name in STYLED else "portraits-64"
    assert run("invert", "-g", generator, "ann.jpg").exit_code == 0
    with Image.open("ann.jpg") as picture:
        exec("\n".join(blocks(page, "python")), {"__name__": "__main__", "picture": picture})


@pytest.mark.parametrize("page", pages_with("toml"))
def test_configurations_of_the_pages_are_read(page: Path, tmp_path: Path) -> None:
    for block in blocks(page, "toml"):
        (tmp_path / "page.toml").write_text(block)
        result = run("config", "--config", tmp_path / "page.toml")
        assert result.exit_code == 0, result.output
