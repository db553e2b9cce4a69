"""Families of generators: how each recognises and reads its files."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import NoReturn, TypeVar

from ganinvert.errors import MissingNetworkError, WeightsError
from ganinvert.generators.base import Discriminator, Encoder, Generator
from ganinvert.weights.reading import WeightsFile, naming

N = TypeVar("N")


def _refuse(_: WeightsFile) -> NoReturn:
    raise MissingNetworkError("holds another network", hint="its family of generators has no other kinds of networks")


@dataclass(frozen=True)
class Family:
    """A family of generators, which recognises files of its networks, and builds frozen networks from them.

    By default it has neither discriminators nor encoders. `styled` families have the spaces W and W+.
    """

    recognises: Callable[[WeightsFile], bool]
    read_generator: Callable[[WeightsFile, str], Generator]
    read_discriminator: Callable[[WeightsFile], Discriminator] = _refuse
    read_encoder: Callable[[WeightsFile], Encoder] = _refuse
    styled: bool = False


FAMILIES: dict[str, str | Family] = {
    "pggan": "ganinvert.generators.pggan:PGGAN",
    "mobilestylegan": "ganinvert.generators.mobilestylegan:MOBILESTYLEGAN",
    "stylegan2": "ganinvert.generators.stylegan2:STYLEGAN2",
}
"""Families by name, or where they are; the first one explains why a file of no family is refused."""


def family_of(path: Path) -> Family:
    """The family of a file; the first one for files of no family. Raises WeightsError if the file cannot be opened."""
    with naming(path):
        return _family_of(WeightsFile.open(path))


def read_generator(path: Path, *, name: str | None = None) -> Generator:
    """Read a frozen generator from a file of ganinvert, or of another program that a family knows.

    Its name is the file's stem by default. Raises WeightsError if the file is missing, damaged, hostile, of an unknown
    kind, has missing or extra keys, or NaNs.
    """
    return _read(path, lambda family, file: family.read_generator(file, name or path.stem))


def read_discriminator(path: Path) -> Discriminator:
    """Read a frozen discriminator; see `read_generator`, and `MissingNetworkError` if the file holds none."""
    return _read(path, lambda family, file: family.read_discriminator(file))


def read_encoder(path: Path) -> Encoder:
    """Read a frozen encoder; see `read_generator`, and `MissingNetworkError` if the file holds none."""
    return _read(path, lambda family, file: family.read_encoder(file))


def _read(path: Path, read: Callable[[Family, WeightsFile], N]) -> N:
    with naming(path):
        file = WeightsFile.open(path)
        return read(_family_of(file), file)


def _family_of(file: WeightsFile) -> Family:
    families = [resolve_name(entry) if isinstance(entry, str) else entry for entry in FAMILIES.values()]
    for family in families if len(families) > 1 else ():
        with suppress(WeightsError):  # of reading the content, which the first family explains
            if family.recognises(file):
                return family
    return families[0]
