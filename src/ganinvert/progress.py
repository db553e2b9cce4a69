"""Progress of long phases that are no steps: whoever computes reports, and whoever shows it listens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Listener = Callable[[str, int, int], None]
"""Receives the name of a phase, the number of pieces that are done, and their total."""
_LISTENER: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Have a listener receive the reports of everything that runs inside, in this thread."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


def report(phase: str, done: int, total: int) -> None:
    """Tell the listener, if there is one, that `done` of `total` pieces of a phase are done."""
    if (listener := _LISTENER.get()) is not None:
        listener(phase, done, total)
