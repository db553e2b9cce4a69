"""`ganinvert fetch-weights`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from ganinvert.cli import _options as options
from ganinvert.cli._console import output
from ganinvert.cli._transfers import transfers
from ganinvert.errors import GanInvertError, UsageError
from ganinvert.weights.catalog import CATALOG, Entry, find
from ganinvert.weights.store import Store

SCHEMA = 1
ACTIONS = "Instead of fetching"


def _complete(incomplete: str) -> list[str]:
    return [name for name in CATALOG if name.startswith(incomplete)]


def fetch_weights(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME", help="Networks of the catalogue.", show_default=False, autocompletion=_complete),
    ] = None,
    everything: Annotated[bool, options.opt(options.IO, "--all", help="Every network that can be fetched.")] = False,
    show: Annotated[bool, options.opt(ACTIONS, "--list", help="Show the catalogue and what is in the cache.")] = False,
    from_file: Annotated[
        Path | None, options.opt(ACTIONS, "--from-file", help="Keep a file fetched by hand; with --as.", metavar="FILE")
    ] = None,
    as_name: Annotated[str | None, options.opt(ACTIONS, "--as", help="What --from-file is.", metavar="NAME")] = None,
    check: Annotated[bool, options.opt(ACTIONS, "--verify", help="Hash again and render the self-check.")] = False,
    remove: Annotated[bool, options.opt(ACTIONS, "--remove", help="Delete from the cache.")] = False,
    folder: Annotated[
        Path | None, options.opt(options.IO, "--dir", help="Folder of networks, instead of the cache.", metavar="DIR")
    ] = None,
    as_json: Annotated[
        bool, options.opt(options.IO, "--json", help="JSON lines on stdout: items, then a summary.")
    ] = False,
    offline: options.Offline = False,
    config: options.Config = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
) -> None:
    """Fetch pretrained networks into the cache, verified and converted; prints their paths.

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
        _list([find(name) for name in names or CATALOG], store, as_json=as_json)
        return
    work: Callable[[Entry], dict[str, Any]]
    if from_file is not None and as_name is not None:
        entries, work = [find(as_name)], lambda entry: _import(from_file, entry, store)
    else:
        entries = _chosen(names or [], everything, store, cached=check or remove)
        work = (
            (lambda entry: _verify(entry, store))
            if check
            else (lambda entry: _remove(entry, store))
            if remove
            else (lambda entry: _fetch(entry, store, offline=offline))
        )
    _each(entries, work, as_json=as_json)


def _chosen(names: list[str], everything: bool, store: Store, *, cached: bool) -> list[Entry]:
    """The networks to treat: those named, else all that can be fetched, or that are in the cache."""
    if names:
        return [find(name) for name in dict.fromkeys(names)]
    if not everything:
        raise UsageError("no network named", hint="name some, or --all; --list shows their names")
    if cached:
        return [entry for entry in CATALOG.values() if store.has(entry)]
    return [entry for entry in CATALOG.values() if any(source.urls for source in entry.sources)]


def _each(entries: list[Entry], work: Callable[[Entry], dict[str, Any]], *, as_json: bool) -> None:
    """Treat every network; a failure does not stop the rest, but is the exit code."""
    done, failures = 0, []
    for entry in entries:
        try:
            item = work(entry)
            done += 1
        except GanInvertError as error:
            output.error(error)
            failures.append(error.exit_code)
            item = {"status": "failed", "path": None, "error": error.message, "hint": error.hint}
        if as_json:
            output.data(json.dumps({"event": "item", "name": entry.name, **item}))
        elif item["path"] is not None:
            output.data(item["path"])
    if as_json:
        summary = {"event": "summary", "schema": SCHEMA, "done": done, "failed": len(failures)}
        output.data(json.dumps(summary))
    if failures:
        raise typer.Exit(max(failures))


def _fetch(entry: Entry, store: Store, *, offline: bool) -> dict[str, Any]:
    from ganinvert.generators.fetch import obtain

    if store.has(entry):
        output.say(f"{entry.name}: already in the cache; {_terms(entry)}")
        return {"status": "cached", "path": str(store.path(entry))}
    with transfers() as watch:
        path = obtain(entry, store, offline=offline, watch=watch)
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
    known = f", {compared} known images match" if compared else ""
    output.say(f"{entry.name}: digest and self-check are right{known}", style="green")
    return {"status": "verified", "path": str(store.path(entry))}


def _remove(entry: Entry, store: Store) -> dict[str, Any]:
    found = store.remove(entry)
    output.say(f"{entry.name}: {'removed' if found else 'was not in the cache'}")
    return {"status": "removed" if found else "absent", "path": None}


def _terms(entry: Entry) -> str:
    return f"licence of the weights: {entry.licence}{'; NON-COMMERCIAL USE ONLY' if entry.noncommercial else ''}"


def _list(entries: list[Entry], store: Store, *, as_json: bool) -> None:
    if as_json:
        for entry in entries:
            output.data(json.dumps({"event": "item", "name": entry.name, **_facts(entry, store)}))
        output.data(json.dumps({"event": "summary", "schema": SCHEMA, "done": len(entries), "failed": 0}))
        return
    table = Table(box=None, pad_edge=False)
    for heading, justify in (("name", "left"), ("shows", "left"), ("px", "right"), ("size", "right")):
        table.add_column(heading, justify=justify, no_wrap=heading == "name")  # type: ignore[arg-type]  # a literal
    table.add_column("cached")
    table.add_column("licence of the weights")
    for entry in entries:
        facts = _facts(entry, store)
        size = f"{facts['size'] / 1e6:.0f} MB" if facts["size"] else "?"
        licence = entry.licence.split(" (")[0] + (", non-commercial" if entry.noncommercial else "")
        cached = "yes" if facts["cached"] else "by hand" if facts["by_hand"] else "no"
        table.add_row(entry.name, entry.domain, str(entry.resolution), size, cached, licence)
    console = Console()
    # Piped into another program a line must stay a line.
    (console if console.is_terminal else Console(width=160)).print(table)


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
        "by_hand": not any(source.urls for source in entry.sources),
        "files": [source.file for source in entry.sources],
    }
