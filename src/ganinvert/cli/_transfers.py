"""Progress of downloads, and the choice of the generator that a command loads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from ganinvert.cli._console import Show, output
from ganinvert.errors import UsageError
from ganinvert.settings import Discovery
from ganinvert.settings.common import DEFAULT_GENERATOR
from ganinvert.weights import registry
from ganinvert.weights.catalog import CATALOG, CONVOLUTIONS, FACES
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


def ready_generator(name: str | None, *, offline: bool, layer: int | None = None, networks: Sequence[str] = ()) -> str:
    """Choose the generator to load, and fetch it if it is in the catalogue but not in the cache.

    None chooses the best face generator in the cache whose subspaces were discovered at the `layer`, unless that is
    None, and that has the `networks`, of "encoder" and "discriminator"; else the embedded one.

    Raises:
        WeightsError: There is no such generator, or it cannot be fetched.
        UsageError: The name belongs to a network of the catalogue that is not a generator.
    """
    store = Store()
    if name is None:
        return _best(store, layer, networks)
    entry = CATALOG.get(name)
    if entry is None:
        registry.require_known(name)
    elif entry.network in CONVOLUTIONS:
        raise UsageError(f"{name} is not a generator", hint="it is a network that compares images")
    elif not store.has(entry):
        from ganinvert.generators.fetch import obtain

        with transfers() as watch:
            obtain(entry, store, offline=offline, watch=watch)
    return name


def _best(store: Store, layer: int | None, networks: Sequence[str]) -> str:
    cached = [
        name
        for name in FACES
        if store.has(CATALOG[name])
        and all(registry.find(f"{name}.{kind}") or store.path(CATALOG[name], f".{kind}").is_file() for kind in networks)
    ]
    for name in cached:
        if layer is None or _is_discovered(store, name, layer):
            output.say(f"generator: {name} (from the cache, {CATALOG[name].resolution} px); choose with -g")
            return name
    larger = cached[0] if cached else FACES[0]
    discover = f"`ganinvert discover -g {larger}{'' if layer in (None, Discovery().layer) else f' --layer {layer}'}`"
    if networks:
        reason = f": its {' and '.join(networks)} is there"
    elif cached:
        reason = f"; {larger} is in the cache and larger: {discover} once makes it usable here"
    else:
        reason = f"; larger: `ganinvert fetch-weights {larger}`, then {discover} once"
    output.say(f"generator: {DEFAULT_GENERATOR} (embedded){reason}")
    return DEFAULT_GENERATOR


def _is_discovered(store: Store, name: str, layer: int) -> bool:
    from ganinvert.subspaces import was_discovered

    return was_discovered(store.pinned_digest(CATALOG[name]), layer)
