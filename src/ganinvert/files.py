"""Writing files so that nobody ever sees half of one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ganinvert.errors import OutputError


def write_atomically(path: Path, content: bytes) -> None:
    """Write one file; see `write_together`."""
    write_together({path: content})


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Write all files under temporary names, flush them to disk, then rename them in order.

    A kill at any moment leaves no half file. The last file is the sign that the others are complete: an old one is
    removed before the first is replaced.

    Args:
        contents: Final name to whole content; folders are created.

    Raises:
        OutputError: One cannot be written (no space, no permission, …). Then the old files are as they were.
    """
    temporary = {path: path.with_name(f".{path.name[:40]}.{os.getpid()}.part") for path in contents}
    path = next(iter(contents))
    try:
        try:
            for path, content in contents.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                with temporary[path].open("wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
            if len(contents) > 1:
                path.unlink(missing_ok=True)
            for path, staged in temporary.items():
                staged.replace(path)
        finally:
            for staged in temporary.values():
                staged.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written: {error.strerror or error}",
            hint="check the free space and the permissions of the folder, or choose another with -o",
        ) from error
