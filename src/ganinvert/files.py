"""Open files to read them, write them atomically, and claim their names against other processes."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from ganinvert.errors import InputError, OutputError

_PREFIX = ".ganinvert-"
_UNFINISHED = "unfinished"
CHECKPOINT = "checkpoint"
"""Suffix of the companion file of an unfinished optimisation, which is removed with the complete result."""


@contextmanager
def open_input(path: Path, kind: type[InputError], *, name: str = "") -> Iterator[BinaryIO]:
    """Open a file to read it from any place; an error of the kind tells why it cannot be, with its path or a name."""
    name = name or str(path)
    try:
        with path.open("rb") as file:
            yield file if file.seekable() else io.BytesIO(file.read())
    except FileNotFoundError as error:
        raise kind(f"{name}: no such file", hint="check the spelling of the path") from error
    except IsADirectoryError as error:
        raise kind(f"{name}: is a folder", hint="name the files inside, for instance with a *") from error
    except PermissionError as error:
        raise kind(f"{name}: permission denied", hint="check the permissions of the file") from error
    except (OSError, ValueError) as error:  # for instance an overlong name, a null character, or a failing disk
        raise kind(f"{name}: cannot be opened: {error}", hint="check the path") from error


def beside(path: Path, suffix: str) -> Path:
    """Name a hidden companion of `path` in its folder, short and the same in every process.

    A companion of a companion belongs to the same file, so that the process that claims the file can remove both.
    """
    if path.name.startswith(_PREFIX):
        mark = path.name.removeprefix(_PREFIX).split(".")[0]
    else:
        import hashlib

        mark = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]
    return path.with_name(f"{_PREFIX}{mark}.{suffix}")


def write_atomically(path: Path, content: bytes) -> None:
    """Write one file; see `write_together`."""
    write_together({path: content})


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Write all files under temporary names, flush them to disk, then rename them in order.

    A kill at any moment leaves no partial file. The last file marks the others as complete: an old one is removed
    before the first is replaced, and a marker file tells `was_interrupted` about it until all are renamed. Folders are
    created.

    Raises:
        OutputError: A file cannot be written (no space, no permission, …), and the old files are unchanged.
    """
    path = last = list(contents)[-1]
    marker = beside(last, _UNFINISHED)
    staged = {path: path.parent / beside(last, f"{os.getpid()}.{n}.part").name for n, path in enumerate(contents)}
    try:
        try:
            for path, content in contents.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                with staged[path].open("wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
            if len(contents) > 1:
                marker.touch()
                last.unlink(missing_ok=True)
            for path, part in staged.items():
                part.replace(path)
            marker.unlink(missing_ok=True)
        finally:
            for part in staged.values():
                part.unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from error


def was_interrupted(last: Path) -> bool:
    """Return True if a process died while publishing this result, so that existing files are an incomplete set."""
    return exists(beside(last, _UNFINISHED))


def exists(path: Path) -> bool:
    """Return True if there is a file, folder or link of that name; raises OutputError if that cannot be told."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise _unwritable(path, error) from error
    return True


@contextmanager
def claim(last: Path, *, wait: bool = False) -> Iterator[bool]:
    """Claim the files that end with `last` for this process, until it releases the claim or dies.

    Folders are created, and partial files of a killed process are removed. Yields True if this process holds the
    claim, for which it can `wait` if another process holds it.

    Raises:
        OutputError: The folder cannot be written.
    """
    from filelock import FileLock, Timeout

    path = beside(last, "lock")
    lock = FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(Timeout):
            lock.acquire(timeout=-1 if wait else 0)
            for part in path.parent.glob(beside(last, "*.part").name):
                part.unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(last, error) from error
    try:
        yield lock.is_locked
    finally:
        if lock.is_locked:
            with suppress(OSError):
                # A waiting process sees that the name is gone, and creates a new lock.
                path.unlink()
            lock.release()


def has_companions(last: Path) -> bool:
    """Return True if another process is writing this result, or died while writing it."""
    return any(exists(beside(last, suffix)) for suffix in ("lock", _UNFINISHED))


def companions(last: Path) -> list[Path]:
    """Paths of the marker and of the checkpoints of a result that is not complete, of those that are there."""
    checkpoints = last.parent.glob(beside(last, f"*{CHECKPOINT}").name)
    return [path for path in (beside(last, _UNFINISHED), *checkpoints) if exists(path)]


def tidy(last: Path) -> None:
    """Remove the marker and the checkpoints of a complete result."""
    with suppress(OSError, OutputError):
        for path in companions(last):
            path.unlink(missing_ok=True)


def _unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"{path}: cannot be written: {error.strerror or error}",
        hint="check the free space and the permissions of the folder, or choose another with -o",
    )
