"""Families of generators: how each recognises and reads its files, and builds its networks."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from ganinvert.errors import WeightsError
from ganinvert.generators.base import Discriminator, Encoder, Generator
from ganinvert.weights.reading import WeightsFile, naming


@dataclass(frozen=True)
class Family:
    """A family of generators. What it reads, weights of its own type, it builds.

    Weights have the `family`'s name; those of a generator also `name`, `digest`, `about`, `architecture.resolution` and
    `save(path)`.

    Attributes:
        name: Name of the family.
        recognises: Tells whether a file holds one of its networks.
        read_generator: Reads the weights of a generator with the name it shall have.
        build: Builds a frozen generator.
        read_discriminator: Reads the weights of a discriminator.
        build_discriminator: Builds a frozen discriminator.
        read_encoder: Reads the weights of an encoder.
        build_encoder: Builds an encoder.
    """

    name: str
    recognises: Callable[[WeightsFile], bool]
    read_generator: Callable[[WeightsFile, str], Any]
    build: Callable[[Any], Generator]
    read_discriminator: Callable[[WeightsFile], Any]
    build_discriminator: Callable[[Any], Discriminator]
    read_encoder: Callable[[WeightsFile], Any]
    build_encoder: Callable[[Any], Encoder]


FAMILIES: dict[str, str | Family] = {"pggan": "ganinvert.generators.pggan:PGGAN"}
"""Families by name, or where they are; the first one explains why a file of no family is refused."""


def family(name: str) -> Family:
    """Find a family by name."""
    entry = FAMILIES[name]
    found: Family = resolve_name(entry) if isinstance(entry, str) else entry
    return found


def family_of(file: WeightsFile) -> Family:
    """Find the family of a file, by its content."""
    families = [family(name) for name in FAMILIES]
    if len(families) == 1:
        return families[0]
    for each in families:
        with suppress(WeightsError):  # the first family explains what is wrong
            if each.recognises(file):
                return each
    return families[0]


def read_generator(path: Path, *, name: str | None = None) -> Any:
    """Read the weights of a generator from a file of ganinvert, or of another program that a family knows.

    Args:
        path: Path of the file.
        name: Name of the generator; the file's stem by default.

    Raises:
        WeightsError: The file is missing, damaged, hostile, of an unknown kind, has missing or extra keys, or NaNs.
    """
    return _read(path, lambda family, file: family.read_generator(file, name or path.stem))


def read_discriminator(path: Path) -> Any:
    """Read the weights of a discriminator; see `read_generator`, and `MissingNetworkError` if the file holds none."""
    return _read(path, lambda family, file: family.read_discriminator(file))


def read_encoder(path: Path) -> Any:
    """Read the weights of an encoder; see `read_generator`, and `MissingNetworkError` if the file holds none."""
    return _read(path, lambda family, file: family.read_encoder(file))


def _read(path: Path, read: Callable[[Family, WeightsFile], Any]) -> Any:
    with naming(path):
        file = WeightsFile.open(path)
        return read(family_of(file), file)
