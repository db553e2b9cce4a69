"""`ganinvert fetch-weights`."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from ganinvert.cli import _options as options
from ganinvert.cli._console import output
from ganinvert.cli._options import IO, opt
from ganinvert.cli._transfers import fetch
from ganinvert.errors import GanInvertError, UsageError
from ganinvert.weights.catalog import CATALOG, Entry, find
from ganinvert.weights.store import Store

SCHEMA = 1
ACTIONS = "Instead of fetching"
Action = Callable[[Entry, Store], dict[str, Any]]


def fetch_weights(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME", help="Networks to fetch.", show_default=False, autocompletion=options.completing(*CATALOG)
        ),
    ] = None,
    everything: Annotated[bool, opt(IO, "--all", help="Take every network that can be downloaded.")] = False,
    show: Annotated[bool, opt(ACTIONS, "--list", help="Show the catalogue and which networks are cached.")] = False,
    from_file: Annotated[
        Path | None,
        opt(
            ACTIONS,
            "--from-file",
            help="Import a file downloaded by hand, or the folder of a wheel; needs --as.",
            metavar="FILE",
        ),
    ] = None,
    as_name: Annotated[
        str | None, opt(ACTIONS, "--as", help="Name of the network in --from-file.", metavar="NAME")
    ] = None,
    check: Annotated[
        bool, opt(ACTIONS, "--verify", help="Check the hash of cached networks, and the images that they make.")
    ] = False,
    remove: Annotated[bool, opt(ACTIONS, "--remove", help="Delete networks from the cache.")] = False,
    folder: Annotated[
        Path | None, opt(IO, "--dir", help="Folder of networks to use instead of the cache.", metavar="DIR")
    ] = None,
    as_json: options.AsJson = False,
    offline: options.Offline = False,
) -> None:
    """Download pretrained networks into the cache, verify and convert them, and print their paths.

    Example: ganinvert fetch-weights church-256
    """
    if sum((show, check, remove, from_file is not None)) > 1:
        raise UsageError("--list, --verify, --remove and --from-file exclude one another", hint="choose one of them")
    if (from_file is None) != (as_name is None) or (from_file is not None and (names or everything)):
        raise UsageError(
            "--from-file and --as belong together, without other names",
            hint="for instance: ganinvert fetch-weights --from-file FILE --as church-256",
        )
    store = Store() if folder is None else Store(folder)
    if show:
        entries = [find(name) for name in names or CATALOG]
        if not as_json:
            _print_table(entries, store)
            return
        action: Action = _facts
    elif from_file is not None and as_name is not None:
        entries, action = [find(as_name)], partial(_import, from_file)
    elif check or remove:
        entries, action = _chosen(names, everything, store.has), _verify if check else _remove
    else:
        entries = _chosen(names, everything, lambda entry: entry.is_fetchable)
        action = partial(_fetch, offline)
    _for_each(entries, action, store, as_json=as_json)


def _chosen(names: list[str] | None, everything: bool, suits: Callable[[Entry], bool]) -> list[Entry]:
    if names:
        return [find(name) for name in dict.fromkeys(names)]
    if not everything:
        raise UsageError("no network named", hint="name some, or --all; --list shows their names")
    return [entry for entry in CATALOG.values() if suits(entry)]


def _for_each(entries: list[Entry], action: Action, store: Store, *, as_json: bool) -> None:
    """Do an action for every network; a failure does not stop the others, but decides the exit code."""
    failures = []
    for entry in entries:
        try:
            item = action(entry, store)
        except GanInvertError as error:
            output.error(error)
            failures.append(error.exit_code)
            item = {"status": "failed", "path": None, "error": error.message, "hint": error.hint}
        if as_json:
            output.data(json.dumps({"event": "item", "name": entry.name, **item}))
        elif item["path"] is not None:
            output.data(item["path"])
    if as_json:
        counts = {"done": len(entries) - len(failures), "failed": len(failures)}
        output.data(json.dumps({"event": "summary", "schema": SCHEMA, **counts}))
    if failures:
        raise typer.Exit(max(failures))


def _fetch(offline: bool, entry: Entry, store: Store) -> dict[str, Any]:
    if store.has(entry):
        output.say(f"{entry.name}: already in the cache; {_terms(entry)}")
        return {"status": "cached", "path": str(store.path(entry))}
    path = fetch(entry, store, offline=offline)
    output.say(f"{entry.name}: fetched and checked", style="green")
    return {"status": "fetched", "path": str(path)}


def _import(file: Path, entry: Entry, store: Store) -> dict[str, Any]:
    from ganinvert.generators.fetch import import_file

    path = import_file(file, entry, store)
    output.say(f"{entry.name}: imported and checked; {_terms(entry)}", style="green")
    return {"status": "imported", "path": str(path)}


def _verify(entry: Entry, store: Store) -> dict[str, Any]:
    from ganinvert.generators.fetch import verify

    compared = verify(entry, store)
    images = f", {compared} known images match" if compared else ""
    output.say(f"{entry.name}: digest and self-check are right{images}", style="green")
    return {"status": "verified", "path": str(store.path(entry))}


def _remove(entry: Entry, store: Store) -> dict[str, Any]:
    was_there = store.remove(entry)
    output.say(f"{entry.name}: {'removed' if was_there else 'was not in the cache'}")
    return {"status": "removed" if was_there else "absent", "path": None}


def _terms(entry: Entry) -> str:
    return f"licence of the weights: {entry.terms}"


def _print_table(entries: list[Entry], store: Store) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("name", no_wrap=True)
    for heading in ("network", "shows", "px", "size", "cached", "licence of the weights"):
        table.add_column(heading, justify="right" if heading in ("px", "size") else "left")
    for entry in entries:
        facts = _facts(entry, store)
        size = f"{facts['size'] / 1e6:.0f} MB" if facts["size"] else "?"
        licence = entry.licence.split(" (")[0] + (", non-commercial" if entry.noncommercial else "")
        cached = "yes" if facts["cached"] else "by hand" if facts["by_hand"] else "no"
        table.add_row(entry.name, entry.network, entry.domain, str(entry.resolution), size, cached, licence)
    console = Console()
    # In a pipe every network keeps a line of its own.
    (console if console.is_terminal else Console(width=200)).print(table)


def _facts(entry: Entry, store: Store) -> dict[str, Any]:
    path = store.path(entry)
    return {
        "cached": store.has(entry),
        "path": str(path) if store.has(entry) else None,
        "size": path.stat().st_size if store.has(entry) else entry.size,
        "domain": entry.domain,
        "resolution": entry.resolution,
        "network": entry.network,
        "licence": entry.licence,
        "noncommercial": entry.noncommercial,
        "origin": entry.origin,
        "by_hand": not entry.is_fetchable,
        "files": [source.file for source in entry.sources],
    }
