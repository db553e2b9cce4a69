"""Trained generators in the user's data directory, by name. No torch here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from ganinvert import paths
from ganinvert.errors import UsageError, WeightsError
from ganinvert.files import write_together
from ganinvert.settings.common import DEFAULT_GENERATOR
from ganinvert.weights.catalog import CATALOG, similar

_NAME = "[A-Za-z0-9][A-Za-z0-9_-]*"


def require_name(name: str, *, encoder: bool = False) -> None:
    """Refuse a name under which a new generator, or the encoder of a generator, cannot be stored."""
    if not re.fullmatch(_NAME, name):
        change = "rename its file, with" if encoder else "choose --name from"
        hint = f"{change} letters, digits, hyphens and underscores"
        raise UsageError(f"{name!r} cannot be a generator's name", hint=hint)
    if not encoder and (name == DEFAULT_GENERATOR or name in CATALOG):
        raise UsageError(f"{name} is the name of another generator", hint="choose another --name")


def find(name: str | Path) -> Path | None:
    """Find the file of `NAME` (a generator), `NAME.discriminator` or `NAME.encoder`; None if there is none."""
    if not re.fullmatch(rf"{_NAME}(\.discriminator|\.encoder)?", str(name)):
        return None
    path = paths.generators_dir() / f"{name}.safetensors"
    return path if path.is_file() else None


def require_known(name: str | Path) -> None:
    """Refuse what is neither the name of a generator nor a file."""
    known = [DEFAULT_GENERATOR, *names(), *CATALOG]
    if str(name) in known or Path(name).exists():
        return
    hint = f"known: {', '.join([DEFAULT_GENERATOR, *names()])} and those of `ganinvert fetch-weights --list`"
    raise WeightsError(
        f"{name}: neither a known generator nor a file",
        hint=f"{similar(str(name), known)}{hint}; or name a weights file",
    )


def names() -> list[str]:
    """List the names of all trained generators."""
    return sorted(path.stem for path in paths.generators_dir().glob("*.safetensors") if "." not in path.stem)


def register(name: str, files: Mapping[str, Path]) -> None:
    """Store copies of networks under a name, replacing older ones.

    Files are given by their kind: "" for the generator, ".discriminator" and ".encoder".
    """
    folder = paths.generators_dir()
    write_together({folder / f"{name}{kind}.safetensors": file.read_bytes() for kind, file in files.items()})
