"""Cache of downloaded networks. No torch here.

::

    NAME.safetensors          the canonical copy; it appears whole or not at all
    pins/NAME.json            digests of the fetched file and of the canonical copy, kept when the copy is removed
    downloads/FILE.part       bytes received so far
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

from ganinvert import paths
from ganinvert.errors import OutputError, WeightsError
from ganinvert.files import write_atomically
from ganinvert.weights.catalog import Entry, Source


def is_offline() -> bool:
    """True if `GANINVERT_OFFLINE` forbids the internet: any value but empty or 0."""
    return os.environ.get("GANINVERT_OFFLINE", "") not in ("", "0")


@dataclass(frozen=True)
class Store:
    """Folder of downloaded networks.

    Attributes:
        root: The folder; created when the first network is stored.
    """

    root: Path = field(default_factory=paths.weights_dir)

    def path(self, entry: Entry, kind: str = "") -> Path:
        """Path of the canonical copy, or of its ".discriminator" or ".encoder", whether it exists or not."""
        return self.root / f"{entry.name}{kind}.safetensors"

    def has(self, entry: Entry) -> bool:
        """True if the network is in the cache."""
        return self.path(entry).is_file()

    def part(self, source: Source) -> Path:
        """Path to which a file is downloaded."""
        return self.root / "downloads" / f"{source.file}.part"

    def expected(self, entry: Entry, source: Source) -> str:
        """SHA-256 that a file must have, or its first digits: the pinned one, else that of the catalogue."""
        pinned = self._pins(entry).get("files", {})
        return str(pinned.get(source.file, source.sha256))

    def pinned_digest(self, entry: Entry) -> str:
        """Digest of the canonical copy; empty if there never was one."""
        return str(self._pins(entry).get("digest", ""))

    def pin(self, entry: Entry, file: str, sha256: str, digest: str) -> None:
        """Pin the digests of a downloaded file and of its canonical copy."""
        pins = self._pins(entry)
        pins["files"] = {**pins.get("files", {}), file: sha256}
        pins["digest"] = digest
        write_atomically(self._pins_path(entry), json.dumps(pins, indent=1).encode())

    def remove(self, entry: Entry) -> bool:
        """Delete the canonical copy and partial downloads, and tell if there were any; the pins stay."""
        parts = (self.part(source) for source in entry.sources)
        files = [self.path(entry), self.path(entry, ".discriminator"), *parts]
        existing = [path for path in files if path.exists()]
        for path in (*existing, *(etag_path(path) for path in existing)):
            path.unlink(missing_ok=True)
        return bool(existing)

    @contextmanager
    def lock(self, entry: Entry, waiting: Callable[[], None]) -> Iterator[None]:
        """Hold the network's lock, which ends with the process; call `waiting` if another process holds it."""
        from filelock import FileLock, Timeout

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
            return dict(json.loads(path.read_bytes()))
        except FileNotFoundError:
            return {}
        except (OSError, TypeError, ValueError) as error:
            raise WeightsError(f"{path}: cannot be read", hint="delete it, and fetch the network again") from error


def etag_path(part: Path) -> Path:
    """Path of the note about the version of a partial download."""
    return part.with_suffix(".etag")
