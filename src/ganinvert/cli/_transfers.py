"""How downloads are shown, and how commands come to the generator that is asked for."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import Progress as Bars

from ganinvert.cli._console import PLAIN_SECONDS, output
from ganinvert.errors import UsageError
from ganinvert.settings import DEFAULT_GENERATOR, Discovery
from ganinvert.weights import registry
from ganinvert.weights.catalog import CATALOG, CONVOLUTIONS, FACES
from ganinvert.weights.store import Store
from ganinvert.weights.transfer import Note, Progress, Watch


@contextmanager
def transfers() -> Iterator[Watch]:
    """Shows downloads: bars with speed and remaining time on a terminal, a line now and then elsewhere."""
    if output.verbosity < 0:
        # The terms of use are said even so: they are no progress message.
        yield _licence
    elif sys.stderr.isatty():
        columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        with Bars(TextColumn("{task.description}"), *columns, console=output.console, transient=True) as bars:
            tasks = {}

            def draw(event: Note | Progress) -> None:
                if isinstance(event, Note):
                    bars.console.print(event.text, markup=False)
                    return
                if event.file not in tasks:
                    tasks[event.file] = bars.add_task(event.file, completed=event.done)
                bars.update(tasks[event.file], completed=event.done, total=event.total)

            yield draw
    else:
        yield _lines()


def _licence(event: Note | Progress) -> None:
    if isinstance(event, Note) and event.important:
        output.console.print(event.text, markup=False)


def _lines() -> Watch:
    last = time.monotonic()

    def tell(event: Note | Progress) -> None:
        nonlocal last
        if isinstance(event, Note):
            output.say(event.text)
        elif time.monotonic() - last >= PLAIN_SECONDS:
            last = time.monotonic()
            total = f" of {event.total / 1e6:.1f}" if event.total else ""
            output.say(f"{event.file}: {event.done / 1e6:.1f}{total} MB")

    return tell


def ready_generator(
    wanted: str | None, *, offline: bool, layer: int | None = None, networks: Sequence[str] = ()
) -> str:
    """The generator to load, fetched first when it is one of the catalogue's and not in the cache.

    Args:
        wanted: What the user named; None chooses the best face generator in the cache, else the embedded one.
        offline: Do not use the network.
        layer: Choose only among those whose subspaces have been discovered at this layer; None takes any.
        networks: Choose only among those that have these, of "encoder" and "discriminator".

    Raises:
        WeightsError: It is not there and cannot be fetched.
        UsageError: It is a network of the catalogue, but no generator.
    """
    store = Store()
    if wanted is None:
        return _best(store, layer, networks)
    entry = CATALOG.get(wanted)
    if entry is not None and entry.network in CONVOLUTIONS:
        raise UsageError(f"{wanted} is not a generator", hint="it is a network that compares images")
    if entry is not None and not store.has(entry):
        from ganinvert.generators.fetch import obtain

        with transfers() as watch:
            obtain(entry, store, offline=offline, watch=watch)
    return wanted


def _best(store: Store, layer: int | None, networks: Sequence[str]) -> str:
    cached = [
        name
        for name in FACES
        if store.has(CATALOG[name])
        and all(registry.find(f"{name}.{kind}") or store.companion(CATALOG[name], kind).is_file() for kind in networks)
    ]
    usable = [name for name in cached if layer is None or _is_discovered(store, name, layer)]
    larger = cached[0] if cached else FACES[0]
    discovering = (
        f"`ganinvert discover -g {larger}{'' if layer in (None, Discovery().layer) else f' --layer {layer}'}` once"
    )
    if usable:
        output.say(f"generator: {usable[0]} (from the cache, {CATALOG[usable[0]].resolution} px); choose with -g")
    elif networks:
        output.say(f"generator: {DEFAULT_GENERATOR} (embedded): its {' and '.join(networks)} is there")
    elif cached:
        output.say(
            f"generator: {DEFAULT_GENERATOR} (embedded); {larger} is in the cache and larger:"
            f" {discovering} makes it usable here"
        )
    else:
        output.say(
            f"generator: {DEFAULT_GENERATOR} (embedded); larger: `ganinvert fetch-weights {larger}`, then {discovering}"
        )
    return usable[0] if usable else DEFAULT_GENERATOR


def _is_discovered(store: Store, name: str, layer: int) -> bool:
    from ganinvert.subspaces import was_discovered

    return was_discovered(store.pinned_digest(CATALOG[name]), layer)
