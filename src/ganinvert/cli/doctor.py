"""`ganinvert doctor`."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import typer

from ganinvert import __version__, paths
from ganinvert.cli import _config
from ganinvert.cli import _options as options
from ganinvert.cli._console import output
from ganinvert.weights.catalog import CATALOG
from ganinvert.weights.store import Store, is_offline

_PACKAGES = ("torch", "torchvision", "lpips", "numpy", "pillow", "scikit-learn", "safetensors", "typer", "rich")


def doctor(context: typer.Context, file: options.ConfigFile = None) -> None:
    """Print what an issue report needs: versions, devices, folders, caches, and a test of the embedded generator.

    Exit code 1 means that something is broken.

    Example: ganinvert doctor > report.txt
    """
    broken = 0
    for name, ask in _questions(context, file):
        try:
            answer = ask()
        except Exception as error:  # anything may be broken
            broken += 1
            answer = f"BROKEN: {type(error).__name__}: {error}"
        for n, line in enumerate(answer.splitlines() or ["none"]):
            output.data(f"{name if n == 0 else '':12} {line}")
    if broken:
        raise typer.Exit(1)


def _questions(context: typer.Context, file: Path | None) -> Iterator[tuple[str, Callable[[], str]]]:
    yield "ganinvert", lambda: f"{__version__} ({Path(__file__).parents[1]})"
    yield "python", lambda: f"{platform.python_version()} ({sys.executable})"
    yield "system", lambda: f"{platform.platform()}, {os.cpu_count()} CPUs"
    yield "packages", lambda: "\n".join(f"{package} {_version(package)}" for package in _PACKAGES)
    yield "devices", _devices
    yield "pictures", _render
    yield "cache", lambda: _folder(paths.cache_dir())
    yield "data", lambda: _folder(paths.data_dir())
    yield "networks", lambda: ", ".join(name for name, entry in CATALOG.items() if Store().has(entry))
    folder = paths.subspaces_dir()
    yield (
        "subspaces",
        lambda: "\n".join(sorted(f"{path.relative_to(folder)}" for path in folder.rglob("*.safetensors"))),
    )
    yield "config", lambda: _configuration(context, file)
    yield "environment", lambda: "\n".join(_environment(context))


def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return "MISSING"


def _devices() -> str:
    import torch

    lines = [f"cpu, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}"]
    for index in range(torch.cuda.device_count()):
        facts: Any = torch.cuda.get_device_properties(index)
        lines.append(f"cuda:{index} {facts.name}, {facts.total_memory / 2**30:.0f} GiB, CUDA {torch.version.cuda}")
    if torch.backends.mps.is_available():
        lines.append("mps")
    return "\n".join(lines)


def _render() -> str:
    from ganinvert.generators import load_generator

    generator = load_generator()  # compares an image of the generator with the known one
    return f"{generator.name} renders as it should, {generator.resolution} px"


def _folder(folder: Path) -> str:
    if not folder.exists():
        return f"{folder} (missing)"
    files = [path for path in folder.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files) / 1e6
    closed = "" if os.access(folder, os.W_OK) else ", CANNOT BE WRITTEN"
    return f"{folder} ({len(files)} files, {size:.1f} MB{closed})"


def _configuration(context: typer.Context, file: Path | None) -> str:
    path, content = _config.read(file)
    _config.defaults(context, file)
    return "\n".join(
        [f"{path}{'' if path.exists() else ' (missing)'}", *(f"{key} = {content[key]!r}" for key in content)]
    )


def _environment(context: typer.Context) -> Iterator[str]:
    for name in sorted(os.environ):
        if name.startswith(("GANINVERT_", "OMP_NUM_", "CUDA_VISIBLE", "PYTORCH_")):
            yield f"{name}={os.environ[name]}"
    yield from _config.unknown_variables(_config.commands_of(context))
    if is_offline():
        yield "the internet is switched off"
