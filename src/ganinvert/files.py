"""Writing files so that nobody ever sees half of one, and claiming their names against other processes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from ganinvert.errors import OutputError

_PREFIX = ".ganinvert-"
_UNFINISHED = "unfinished"
CHECKPOINT = "checkpoint"
"""Suffix of the companion in which an unfinished optimisation is kept; it goes when the result is there."""


def beside(path: Path, suffix: str) -> Path:
    """A hidden companion of `path` in its folder, the same in every process; short, whatever the length of the name.

    Companions of a companion belong to the same file, so that whoever claims that can clear them away.
    """
    if path.name.startswith(_PREFIX):
        mark = path.name.removeprefix(_PREFIX).split(".")[0]
    else:
        mark = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]
    return path.with_name(f"{_PREFIX}{mark}.{suffix}")


def write_atomically(path: Path, content: bytes) -> None:
    """Write one file; see `write_together`."""
    write_together({path: content})


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Write all files under temporary names, flush them to disk, then rename them in order.

    A kill at any moment leaves no half file. The last file is the sign that the others are complete: an old one is
    removed before the first is replaced. While that lasts, a marker says so to `was_interrupted`.

    Args:
        contents: Final name to whole content; folders are created.

    Raises:
        OutputError: One cannot be written (no space, no permission, …). Then the old files are as they were.
    """
    path = last = list(contents)[-1]
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
                _marker(last).touch()
                last.unlink(missing_ok=True)
            for path, part in staged.items():
                part.replace(path)
            _marker(last).unlink(missing_ok=True)
        finally:
            for part in staged.values():
                part.unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from error


def was_interrupted(last: Path) -> bool:
    """Whether a process was killed while it renamed the files that end with `last`: those there are ours, and no whole.

    Raises:
        OutputError: The folder cannot be looked into.
    """
    return exists(_marker(last))


def exists(path: Path) -> bool:
    """Whether there is a file, a folder or a link of that name.

    Raises:
        OutputError: The system cannot tell, because the name is too long or the folder is closed to the user.
    """
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise _unwritable(path, error) from error
    return True


@contextmanager
def claim(last: Path, *, wait: bool = False) -> Iterator[bool]:
    """Hold the right to make the files that end with `last`; it ends with the process, however that ends.

    Folders are created, and half-written parts that a killed process left are removed.

    Args:
        last: The file that is written last.
        wait: For the process that holds it now, instead of yielding False.

    Yields:
        Whether it is ours.

    Raises:
        OutputError: The folder cannot be written.
    """
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
                # Whoever waits for it sees that the name is gone, and makes a new one.
                path.unlink()
            lock.release()


def has_companions(last: Path) -> bool:
    """Whether a process is at the files that end with `last`, or was killed while it was."""
    return any(exists(beside(last, suffix)) for suffix in ("lock", _UNFINISHED))


def tidy(last: Path) -> None:
    """Remove what told of the way to the files that end with `last`, now that they are there."""
    with suppress(OSError):
        for suffix in (_UNFINISHED, CHECKPOINT):
            beside(last, suffix).unlink(missing_ok=True)


def _marker(last: Path) -> Path:
    return beside(last, _UNFINISHED)


def _unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"{path}: cannot be written: {error.strerror or error}",
        hint="check the free space and the permissions of the folder, or choose another with -o",
    )
