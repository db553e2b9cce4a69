"""Writing files so that nobody ever sees half of one."""

from __future__ import annotations

import os
from pathlib import Path

from ganinvert.errors import OutputError


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` to a temporary file beside `path`, flush it to disk, then rename it to `path`.

    A kill at any moment leaves either the old file or the new one under `path`.

    Args:
        path: The final name; its folder is created.
        content: The whole content.

    Raises:
        OutputError: The folder or file cannot be written (no space, no permission, …). Nothing is left behind.
    """
    temporary = path.with_name(f".{path.name[:40]}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written: {error.strerror or error}",
            hint="check the free space and the permissions of the folder, or choose another with -o",
        ) from error
