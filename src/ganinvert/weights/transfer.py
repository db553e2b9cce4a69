"""Messages of a download, its retry policy, and the digest of a file. No torch, no internet here."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ganinvert.errors import OutputError


@dataclass(frozen=True)
class Note:
    """Sentence for the user, which even a quiet program prints if it is important, such as terms of use."""

    text: str
    important: bool = False


@dataclass(frozen=True)
class Progress:
    """Bytes of a file that were received, in all attempts, of a total that is None if the server does not state it."""

    file: str
    done: int
    total: int | None


ProgressCallback = Callable[[Note | Progress], None]


@dataclass(frozen=True)
class RetryPolicy:
    """Number of attempts and waiting times of a download, in seconds.

    Attributes:
        attempts: Failures in a row, without progress, before a mirror is given up; an unreachable one counts twice.
        first: Seconds to wait after the first failure; doubled with each further one, minus a random part.
        longest: Maximum of seconds to wait, whatever the server asks for.
        timeout: Seconds without data that count as a failure.
    """

    attempts: int = 5
    first: float = 1.0
    longest: float = 60.0
    timeout: float = 30.0

    def wait(self, failures: int, requested: float | None) -> float:
        """Compute the seconds before the next attempt: as the server requests, else exponential with jitter."""
        if requested is not None:
            return min(requested, self.longest)
        return min(self.first * 2.0**failures, self.longest) * random.uniform(0.5, 1)


def file_sha256(path: Path) -> str:
    """Compute the SHA-256 of a file, in hexadecimal."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise OutputError(f"{path}: cannot be read: {error.strerror or error}", hint="check its permissions") from error
