"""Progress of downloads, and the choice of the generator that a command loads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from ganinvert.cli._console import Show, output
from ganinvert.errors import UsageError
from ganinvert.settings import Discovery
from ganinvert.settings.common import DEFAULT_GENERATOR
from ganinvert.weights import registry
from ganinvert.weights.catalog import CATALOG, CONVOLUTIONS, FACES, Entry, Source
from ganinvert.weights.store import Store
from ganinvert.weights.transfer import Note, Progress, ProgressCallback


@contextmanager
def transfers() -> Iterator[ProgressCallback]:
    """Show downloads in megabytes: bars on a terminal, a line now and then elsewhere."""
    with output.overall(1), ExitStack() as stack:
        shows: dict[str, Show] = {}

        def show(event: Note | Progress) -> None:
            if isinstance(event, Note):
                output.say(event.text, level=-1 if event.important else 0)  # the terms of use are always printed
                return
            if event.file not in shows:
                shows[event.file] = stack.enter_context(output.steps(event.file, unit="MB"))
            total = None if event.total is None else round(event.total / 1e6)
            shows[event.file](round(event.done / 1e6), total, lambda: "")

        yield show


class Needs(NamedTuple):
    """Things that a command needs beside a generator.

    Attributes:
        layer: Layer whose subspaces must have been discovered; None if none need be.
        networks: Networks of "encoder" and "discriminator".
    """

    layer: int | None = None
    networks: Sequence[str] = ()


def choose_generator(name: str | None, needs: Callable[[bool], Needs] = lambda _: Needs()) -> tuple[str, str]:
    """Choose the generator of a command; return its name or path, and a remark for the user.

    Without a name it is the best face generator in the cache for which there is all that the command `needs`, of a
    style-based generator (True) or another one; else the embedded one. `needs` may raise UsageError.
    """
    if name is not None:
        needs(is_styled(name))
        return name, ""
    store, undiscovered, layer = Store(), "", None
    for each in FACES:
        with suppress(UsageError):  # what one family cannot do another may; the last one's error is the user's
            if not store.has(CATALOG[each]) or not _has_networks(store, each, needs(CATALOG[each].is_styled).networks):
                continue
            at = needs(CATALOG[each].is_styled).layer
            if at is None or _is_discovered(store, each, at):
                return each, f"generator: {each} (from the cache, {CATALOG[each].resolution} px); choose with -g"
            undiscovered, layer = undiscovered or each, layer if undiscovered else at
    if undiscovered:
        discover = _command(undiscovered, layer)
        reason = f"; {undiscovered} is in the cache and larger: {discover} once makes it usable here"
    elif networks := needs(False).networks:
        reason = f": its {' and '.join(networks)} is there"
    else:
        reason = f"; larger: `ganinvert fetch-weights {FACES[0]}`"
        with suppress(UsageError):
            if (layer := needs(CATALOG[FACES[0]].is_styled).layer) is not None:
                reason += f", then {_command(FACES[0], layer)} once"
    return DEFAULT_GENERATOR, f"generator: {DEFAULT_GENERATOR} (embedded){reason}"


def _command(generator: str, layer: int | None) -> str:
    return f"`ganinvert discover -g {generator}{'' if layer in (None, Discovery().layer) else f' --layer {layer}'}`"


def is_styled(name: str) -> bool:
    """True if a generator, which need not be in the cache, is style-based; False for unknown ones."""
    if name == DEFAULT_GENERATOR:
        return False
    if (entry := CATALOG.get(name)) is not None:
        return entry.is_styled
    path = registry.find(name) or Path(name)
    if not path.is_file():
        return False
    from ganinvert.generators import family_of

    return family_of(path).styled


def ready_generator(name: str, remark: str = "", *, offline: bool) -> str:
    """Fetch a generator that was chosen if it is in the catalogue but not in the cache, and say the remark.

    Raises:
        WeightsError: There is no such generator, or it cannot be fetched.
        UsageError: The name belongs to a network of the catalogue that is not a generator.
    """
    if remark:
        output.say(remark)
    if name == DEFAULT_GENERATOR:
        return name
    store, entry = Store(), CATALOG.get(name)
    if entry is None:
        registry.require_known(name)
    elif entry.network in CONVOLUTIONS:
        raise UsageError(f"{name} is not a generator", hint="it is a network that compares images")
    elif not store.has(entry):
        fetch(entry, store, offline=offline)
    return name


def fetch(entry: Entry, store: Store, *, offline: bool) -> Path:
    """Fetch a network that is not in the cache, show the progress, and return the path of its copy."""
    from ganinvert.weights.fetch import obtain

    def adopt(file: Path, entry: Entry, source: Source, sha256: str, store: Store) -> None:
        from ganinvert.generators import fetch  # brings torch, which is not needed before something arrived

        fetch.adopt(file, entry, source, sha256, store)

    with transfers() as watch:
        return obtain(entry, store, adopt, offline=offline, watch=watch)


def _has_networks(store: Store, name: str, kinds: Sequence[str]) -> bool:
    return all(registry.find(f"{name}.{kind}") or store.path(CATALOG[name], f".{kind}").is_file() for kind in kinds)


def _is_discovered(store: Store, name: str, layer: int) -> bool:
    from ganinvert.subspaces import was_discovered

    return was_discovered(store.pinned_digest(CATALOG[name]), layer)
