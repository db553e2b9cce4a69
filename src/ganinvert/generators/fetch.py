"""Networks of the catalogue: downloaded, converted, checked and stored in the cache."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from ganinvert.errors import WeightsError
from ganinvert.generators.base import Generator
from ganinvert.generators.checks import check_fingerprints, check_render
from ganinvert.generators.families import read_discriminator, read_generator
from ganinvert.weights import TensorFile, digest, read_perceptual
from ganinvert.weights.catalog import CONVOLUTIONS, Entry, Source
from ganinvert.weights.package_index import fetch_wheel
from ganinvert.weights.store import Store, etag_path, is_offline
from ganinvert.weights.transfer import Note, Progress, ProgressCallback, RetryPolicy, file_sha256

_log = logging.getLogger(__name__)
_WITH_DISCRIMINATOR = ("gan-zoo", "nvidia-pkl")
_FIRST_LOOK = 2  # known images that are compared when a network is fetched; `verify` compares all


def log(event: Note | Progress) -> None:
    """Pass messages of a download to logging; terms of use are warnings, which are shown by default."""
    if isinstance(event, Note):
        _log.log(logging.WARNING if event.important else logging.INFO, event.text)


def obtain(
    entry: Entry,
    store: Store,
    *,
    offline: bool = False,
    watch: ProgressCallback = log,
    retry: RetryPolicy | None = None,
) -> Path:
    """Return the path of a network's canonical copy, downloading it if it is not in the cache.

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
            _fetch(entry, sources, store, watch, retry)
    return store.path(entry)


def import_file(file: Path, entry: Entry, store: Store) -> Path:
    """Store a file that was downloaded by hand as a network of the catalogue. The file itself stays unchanged.

    A wheel may be given as the folder that it was unpacked to.
    """
    if file.is_dir() and (wheel := next((source for source in entry.sources if source.members), None)):
        with store.lock(entry, lambda: None):
            _adopt(file, entry, wheel, wheel.sha256, store)
        return store.path(entry)
    if not file.is_file():
        raise WeightsError(f"{file}: no such file", hint="check the spelling of the path")
    sha256 = file_sha256(file)
    digests = {source: store.expected(entry, source) for source in entry.sources}
    # By its digest, else by its name, which a browser may have changed, else as the one without a known digest.
    candidates = [source for source, digits in digests.items() if digits and sha256.startswith(digits)]
    candidates += [source for source in entry.sources if source.file == file.name]
    candidates += [source for source, digits in digests.items() if not digits]
    if not candidates:
        raise WeightsError(
            f"{file}: is none of the files that are known as {entry.name} (its SHA-256 begins with {sha256[:8]})",
            hint=f"known: {', '.join(source.file for source in entry.sources)}; use others by their path: -g {file}",
        )
    if not sha256.startswith(expected := digests[candidates[0]]):
        raise WeightsError(
            f"{file}: its SHA-256 begins with {sha256[: max(len(expected), 8)][:16]}, not {expected[:16]}",
            hint="the file is damaged or another one: fetch it again",
        )
    with store.lock(entry, lambda: None):
        _adopt(file, entry, candidates[0], sha256, store)
    return store.path(entry)


def verify(entry: Entry, store: Store) -> int:
    """Hash the canonical copy again, render the self-check, and compare all known images, which are counted.

    A copy that fails is deleted.
    """
    if not store.has(entry):
        raise WeightsError(f"{entry.name} is not in the cache", hint=f"`ganinvert fetch-weights {entry.name}`")
    try:
        if entry.network in CONVOLUTIONS:
            _require_pinned(entry, store, TensorFile.load(store.path(entry)).digest)
            return 0
        generator = load_cached(entry, store)
        check_render(generator)
        if (companion := store.path(entry, ".discriminator")).exists():
            read_discriminator(companion)
        return check_fingerprints(generator, entry.fingerprints) if entry.fingerprints else 0
    except WeightsError as error:
        raise _deleted(entry, store, error) from error


def load_cached(entry: Entry, store: Store) -> Generator:
    """Load the canonical copy and compare its digest with the pinned one; one that was changed is deleted."""
    try:
        generator = read_generator(store.path(entry), name=entry.name)
        _require_pinned(entry, store, generator.digest)
        return generator
    except WeightsError as error:
        raise _deleted(entry, store, error) from error


def _fetch(
    entry: Entry, sources: Sequence[Source], store: Store, watch: ProgressCallback, retry: RetryPolicy | None
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
                return _adopt(part, entry, source, sha256, store)
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


def _adopt(file: Path, entry: Entry, source: Source, sha256: str, store: Store) -> None:
    """Convert, check and store a downloaded file."""
    about = {
        "name": entry.name,
        "licence": f"{entry.licence}{'; non-commercial use only' if entry.noncommercial else ''}",
        "origin": entry.origin,
        "source": source.file,
        "source_sha256": sha256,
        "fetched": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    if entry.network in CONVOLUTIONS:
        tensors = read_perceptual(file, convolutions=CONVOLUTIONS[entry.network])
        store.pin(entry, source.file, sha256, digest(tensors.tensors))
        replace(tensors, about={**tensors.about, **about, "kind": entry.network.lower()}).save(store.path(entry))
        return
    generator = read_generator(file, name=entry.name)
    layout = generator.about["format"]
    if layout != source.format:
        raise WeightsError(
            f"{file}: has the format {layout}, where {source.file} has {source.format}",
            hint=f"it is another file: use it under its own name, -g {file}",
        )
    if generator.resolution != entry.resolution:
        raise WeightsError(
            f"holds a network for {generator.resolution} pixels, not {entry.resolution}", hint="it is another network"
        )
    check_render(generator)
    if entry.fingerprints:
        check_fingerprints(generator, entry.fingerprints, limit=_FIRST_LOOK)
    if entry.digest and generator.digest != entry.digest:
        message = f"{file}: gives tensors whose digest is {generator.digest[:12]}, not {entry.digest[:12]}"
        raise WeightsError(message, hint="the file is damaged: fetch it again")
    # The pins come first: a copy without pins would be trusted as it is.
    store.pin(entry, source.file, sha256, generator.digest)
    store.path(entry, ".discriminator").unlink(missing_ok=True)  # that of another file
    if source.format in _WITH_DISCRIMINATOR:
        try:
            discriminator = read_discriminator(file)
            discriminator.about = about | {"generator": generator.digest}
            discriminator.save(store.path(entry, ".discriminator"))
        except WeightsError as error:
            _log.warning("%s: its discriminator is left out: %s", entry.name, error.message)
    generator.about = {"format": layout, **about}
    generator.save(store.path(entry))


def _require_pinned(entry: Entry, store: Store, sha256: str) -> None:
    expected = entry.digest or store.pinned_digest(entry)
    if not expected or sha256 != expected:
        message = f"{store.path(entry)}: its digest is {sha256[:12]}, not {expected[:12] or 'pinned'}"
        raise WeightsError(message, hint="fetch it again")


def _deleted(entry: Entry, store: Store, error: WeightsError) -> WeightsError:
    for path in (store.path(entry), store.path(entry, ".discriminator")):
        path.unlink(missing_ok=True)
    return WeightsError(f"{error.message}; it was deleted", hint=f"`ganinvert fetch-weights {entry.name}`")


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
