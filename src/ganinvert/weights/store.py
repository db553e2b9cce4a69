"""The cache of fetched networks: a name becomes a path, and what was fetched once stays the same. No torch here.

::

    NAME.safetensors          the canonical copy; it appears whole or not at all
    pins/NAME.json            digests of the fetched file and of the canonical copy, kept when the copy is removed
    downloads/FILE.part       what has been received so far
    locks/NAME.lock           held while a network is fetched
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ganinvert import paths
from ganinvert.errors import OutputError, WeightsError
from ganinvert.files import write_atomically
from ganinvert.weights.catalog import Entry, Source


def is_offline() -> bool:
    """Whether `GANINVERT_OFFLINE` forbids the network: anything but empty or 0."""
    return os.environ.get("GANINVERT_OFFLINE", "") not in ("", "0")


@dataclass(frozen=True)
class Store:
    """A folder of fetched networks.

    Attributes:
        root: The folder; created when something is kept.
    """

    root: Path = field(default_factory=paths.weights_dir)

    def path(self, entry: Entry) -> Path:
        """Where the canonical copy is, or would be."""
        return self.root / f"{entry.name}.safetensors"

    def companion(self, entry: Entry, kind: str) -> Path:
        """Where a network is, or would be, that came with a generator: a "discriminator"."""
        return self.root / f"{entry.name}.{kind}.safetensors"

    def has(self, entry: Entry) -> bool:
        """Whether the network is in the cache."""
        return self.path(entry).is_file()

    def part(self, source: Source) -> Path:
        """Where a file is received."""
        return self.root / "downloads" / f"{source.file}.part"

    def expected(self, entry: Entry, source: Source) -> str:
        """The SHA-256 that a file must have: the pinned one, else what is known of it, whole or its first digits."""
        pinned = self._pins(entry).get("files", {})
        return str(pinned.get(source.file, source.sha256))

    def pinned_digest(self, entry: Entry) -> str:
        """The digest of the canonical copy, empty when it was never kept."""
        return str(self._pins(entry).get("digest", ""))

    def pin(self, entry: Entry, file: str, sha256: str, digest: str) -> None:
        """Remember what was fetched and what became of it.

        Raises:
            OutputError: The cache cannot be written.
        """
        pins = self._pins(entry)
        pins["files"] = {**pins.get("files", {}), file: sha256}
        pins["digest"] = digest
        write_atomically(self._pins_path(entry), json.dumps(pins, indent=1).encode())

    def remove(self, entry: Entry) -> bool:
        """Delete the canonical copy and what has been received of it; its pins stay.

        Returns:
            Whether there was anything.
        """
        files = [
            self.path(entry),
            self.companion(entry, "discriminator"),
            *(self.part(source) for source in entry.sources),
        ]
        found = [path for path in files if path.exists()]
        for path in (*found, *(etag_path(path) for path in found)):
            path.unlink(missing_ok=True)
        return bool(found)

    @contextmanager
    def lock(self, entry: Entry, waiting: Callable[[], None]) -> Iterator[None]:
        """Hold the network's lock, which ends with the process; `waiting` is called when another one holds it.

        Raises:
            OutputError: The cache cannot be written.
        """
        path = self.root / "locks" / f"{entry.name}.lock"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(path)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                waiting()
                lock.acquire()
        except OSError as error:
            raise OutputError(
                f"{path}: cannot be written: {error.strerror or error}",
                hint="choose another cache folder with --dir or GANINVERT_CACHE_DIR",
            ) from error
        try:
            yield
        finally:
            lock.release()

    def _pins_path(self, entry: Entry) -> Path:
        return self.root / "pins" / f"{entry.name}.json"

    def _pins(self, entry: Entry) -> dict[str, Any]:
        path = self._pins_path(entry)
        try:
            pins = json.loads(path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise WeightsError(f"{path}: cannot be read", hint="delete it, and fetch the network again") from error
        if not isinstance(pins, dict):
            raise WeightsError(f"{path}: is no record of digests", hint="delete it, and fetch the network again")
        return pins


def etag_path(part: Path) -> Path:
    """Where the version of a partly received file is noted."""
    return part.with_suffix(".etag")
