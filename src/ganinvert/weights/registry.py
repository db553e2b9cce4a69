"""Trained generators in the user's data directory, by name. No torch here."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

from ganinvert import paths
from ganinvert.errors import UsageError, WeightsError
from ganinvert.files import write_atomically, write_together
from ganinvert.settings import DEFAULT_GENERATOR
from ganinvert.weights.catalog import CATALOG

_NAME = "[A-Za-z0-9][A-Za-z0-9_-]*"


def require_name(name: str) -> None:
    """Refuse a name that a generator cannot have.

    Raises:
        UsageError: The name has other characters than letters, digits, hyphens and underscores, or is taken.
    """
    if not re.fullmatch(_NAME, name):
        raise UsageError(
            f"{name!r} cannot be a generator's name", hint="choose --name from letters, digits, hyphens and underscores"
        )
    if name == DEFAULT_GENERATOR or name in CATALOG:
        raise UsageError(f"{name} is the name of another generator", hint="choose another --name")


def find(name: str | Path) -> Path | None:
    """Find the file of `NAME` (a generator), `NAME.discriminator` or `NAME.encoder`; None if there is none."""
    if not re.fullmatch(rf"{_NAME}(\.discriminator|\.encoder)?", str(name)):
        return None
    path = paths.generators_dir() / f"{name}.safetensors"
    return path if path.is_file() else None


def require_known(name: str | Path) -> None:
    """Refuse what is neither the name of a generator nor a file.

    Raises:
        WeightsError: There is no such generator.
    """
    known = [DEFAULT_GENERATOR, *names(), *CATALOG]
    if str(name) in known or Path(name).exists():
        return
    near = difflib.get_close_matches(str(name), known, n=3)
    raise WeightsError(
        f"{name}: neither a known generator nor a file",
        hint=(f"did you mean {' or '.join(near)}? " if near else "")
        + f"known: {', '.join([DEFAULT_GENERATOR, *names()])} and those of"
        " `ganinvert fetch-weights --list`; or name a weights file",
    )


def names() -> list[str]:
    """List the names of all trained generators."""
    return sorted(path.stem for path in paths.generators_dir().glob("*.safetensors") if "." not in path.stem)


def register(name: str, generator: Path, discriminator: Path) -> None:
    """Store copies of both networks under a name, replacing older ones.

    Raises:
        UsageError: The name is invalid.
        OutputError: The user's data directory cannot be written.
    """
    require_name(name)
    folder = paths.generators_dir()
    write_together(
        {
            folder / f"{name}.discriminator.safetensors": discriminator.read_bytes(),
            folder / f"{name}.safetensors": generator.read_bytes(),
        }
    )


def require_encodable(name: str) -> None:
    """Refuse a generator whose name an encoder cannot be stored under.

    Raises:
        UsageError: The name, that of a file, has other characters than letters, digits, hyphens and underscores.
    """
    if not re.fullmatch(_NAME, name):
        raise UsageError(
            f"{name!r} cannot be a generator's name",
            hint="rename its file, with letters, digits, hyphens and underscores",
        )


def register_encoder(name: str, encoder: Path) -> None:
    """Store a copy of the encoder of a generator, replacing an older one.

    Raises:
        UsageError: The name is invalid.
        OutputError: The user's data directory cannot be written.
    """
    require_encodable(name)
    write_atomically(paths.generators_dir() / f"{name}.encoder.safetensors", encoder.read_bytes())
