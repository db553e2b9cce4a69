"""Data files of a Python package, read from its wheel or from the folder that it was unpacked to.

Nothing is installed, unpacked to disk or executed.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from ganinvert.errors import WeightsError

LARGEST = 1 << 28
"""Bytes of one file in a wheel that are read at most."""

_NETWORKS = (".safetensors", ".bin", ".pth", ".pt", ".pkl", ".whl")
_DAMAGED = "the file is damaged or hostile: fetch it again"


def is_wheel(path: Path) -> bool:
    """True if the content is a zip archive with the description of a wheel."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith(".dist-info/WHEEL") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False


def read_files(path: Path, expected: Mapping[str, str]) -> dict[str, bytes]:
    """Read files of a wheel or folder, by their paths in the wheel, and compare each with its SHA-256.

    In a folder the files lie at these paths, or with some or all folders at their beginning left out.

    Raises:
        WeightsError: A file is missing, damaged, or another one than expected.
    """
    contents = _of_folder(path, expected) if path.is_dir() else _of_wheel(path, expected)
    for name, content in contents.items():
        sha256 = hashlib.sha256(content).hexdigest()
        if sha256 != expected[name]:
            raise WeightsError(
                f"the SHA-256 of {name} begins with {sha256[:16]}, not {expected[name][:16]}",
                hint="the file is damaged, or of another version of the package: fetch it again",
            )
    return contents


def _of_folder(path: Path, names: Mapping[str, str]) -> dict[str, bytes]:
    contents = {}
    for name in names:
        parts = PurePosixPath(name).parts
        places = [path.joinpath(*parts[n:]) for n in range(len(parts))]
        if (file := next((place for place in places if place.is_file()), None)) is None:
            networks = sorted(each.name for each in path.iterdir() if each.suffix in _NETWORKS)
            hint = (
                f"give a file in it: {', '.join(networks[:3])}"
                if networks
                else "give the file of a network, or a whole wheel's folder"
            )
            raise WeightsError(f"is a folder without {name}", hint=hint)
        try:
            if file.stat().st_size > LARGEST:
                raise WeightsError(f"{name} is larger than it should be", hint=_DAMAGED)
            contents[name] = file.read_bytes()
        except OSError as error:
            message = f"{name} cannot be read: {error.strerror or error}"
            raise WeightsError(message, hint="check its permissions") from error
    return contents


def _of_wheel(path: Path, names: Mapping[str, str]) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = {member.filename: member for member in archive.infolist()}
            _require_inside(members)
            for name in names:
                if name not in members:
                    raise WeightsError(f"holds {_package(members)} without {name}", hint="it is another package")
                if members[name].file_size > LARGEST:
                    raise WeightsError(f"its {name} unpacks to more than a network has", hint=_DAMAGED)
            return {name: _content(archive, name) for name in names}
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError) as error:
        raise WeightsError(f"its zip archive cannot be read: {error}", hint=_DAMAGED) from error


def _content(archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(name) as member:
        content = member.read(LARGEST + 1)  # whatever size the directory states
    if len(content) > LARGEST:
        raise WeightsError(f"its {name} unpacks to more than a network has", hint=_DAMAGED)
    return content


def _require_inside(names: Mapping[str, object]) -> None:
    """Refuse a wheel that would write outside its folder, although it is never unpacked here."""
    for name in names:
        if name.startswith("/") or "\\" in name or ":" in name or ".." in PurePosixPath(name).parts:
            raise WeightsError(f"it would unpack {name!r} outside of its folder", hint="do not use the file")


def _package(names: Mapping[str, object]) -> str:
    """Name and version of the package, as its description is called."""
    found = (re.match(r"([\w.]+)-([\w.+!]+)\.dist-info/", name, re.ASCII) for name in names)
    return next((f"{match[1]} {match[2]}" for match in found if match), "a package")
