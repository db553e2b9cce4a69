"""Running the command line in tests, in this process or in one of its own."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from typer.testing import CliRunner, Result

from ganinvert.cli import app

from .conftest import EXAMPLE

QUICK = ["-R", "2", "-K", "2", "--steps", "4", "--device", "cpu"]


def run(*arguments: object, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)


def program(*arguments: object, **options: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "ganinvert", *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, text=True, **{**pipes, **options})


def wait_until(condition: Callable[[], object], seconds: float = 120) -> None:
    """Wait for what another process or thread does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it has not happened in {seconds:g} seconds"
        time.sleep(0.02)


def photo(path: Path, size: tuple[int, int] = (20, 16)) -> Path:
    """The example photo, small; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(EXAMPLE) as image:
        image.resize(size).save(path)
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []
