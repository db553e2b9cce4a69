"""What a download tells, how patient it is, and the digest of a file. No network and no torch here."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ganinvert.errors import OutputError


@dataclass(frozen=True)
class Note:
    """Something worth telling.

    Attributes:
        text: One sentence.
        important: Whether it must be told even by a program that tells no progress: terms of use.
    """

    text: str
    important: bool = False


@dataclass(frozen=True)
class Progress:
    """How far a download is.

    Attributes:
        file: Its name.
        done: Bytes received, those of earlier attempts included.
        total: All bytes; None when the server does not say.
    """

    file: str
    done: int
    total: int | None


Watch = Callable[[Note | Progress], None]


@dataclass(frozen=True)
class Patience:
    """How often and how long to try.

    Attributes:
        attempts: Failures in a row, without a byte gained, before a mirror is given up; one that cannot even be
            reached counts twice.
        first: Seconds to wait after a gain that was cut; doubled with each failure, less a random part.
        longest: The most seconds to wait, whatever the server wishes.
        timeout: Seconds without a byte.
    """

    attempts: int = 5
    first: float = 1.0
    longest: float = 60.0
    timeout: float = 30.0

    def wait(self, failures: int, wanted: float | None) -> float:
        """Seconds before the next attempt: what the server wants, else exponential with jitter."""
        if wanted is not None:
            return min(wanted, self.longest)
        return min(self.first * 2.0**failures, self.longest) * random.uniform(0.5, 1)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal.

    Raises:
        OutputError: The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise OutputError(f"{path}: cannot be read: {error.strerror or error}", hint="check its permissions") from error
