"""What a command tells the batch runner: what is to be done, how to go about it, and what became of an item."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from ganinvert.cli._console import Show
from ganinvert.cli._results import Item

P = TypeVar("P")


@dataclass(frozen=True)
class Done:
    """What became of one item.

    Attributes:
        files: Kind of file to its content, encoded when it is written.
        metrics: Numbers that say how good it is.
        outcome: In one word, how it went; "" when nothing was optimised.
        notes: What was done to the input.
        verdict: The sentence that says how good it is.
        warning: The sentence that says what is wrong with it.
        settings: What it depends on, for the report.
        pictures: What the report shows of it.
    """

    files: Mapping[str, Callable[[], bytes]]
    metrics: Mapping[str, float] = field(default_factory=dict)
    outcome: str = ""
    notes: Sequence[str] = ()
    verdict: str = ""
    warning: str = ""
    settings: Mapping[str, object] = field(default_factory=dict)
    pictures: Callable[[], Mapping[str, bytes]] = dict


@dataclass(frozen=True)
class Work(Generic[P]):
    """What a command does.

    Attributes:
        prepare: Reads the inputs of an item.
        identity: The settings hash and the input hash of what was read: with the same ones the result is the same.
        run: Makes the results of several items, telling a `Show` of its steps.
        recall: What is known of an item that is up to date, for the report.
        batch_size: How many at a time; asked before every batch.
        done: The word for it in the summary.
    """

    prepare: Callable[[Item], P]
    identity: Callable[[P], tuple[str, str]]
    run: Callable[[Sequence[tuple[Item, P]], Show], Sequence[Done]]
    recall: Callable[[Item, P], Done | None] = lambda _item, _prepared: None
    batch_size: Callable[[], int] = lambda: 1
    done: str = "done"


@dataclass(frozen=True)
class Conduct:
    """How to go about it, as the options of those names say; `report` is the page's path, None for no page."""

    overwrite: bool = False
    fail_fast: bool = False
    dry_run: bool = False
    as_json: bool = False
    report: Path | None = None
