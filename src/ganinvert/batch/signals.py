"""Signals that wait for the end of a write."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def intercepted(
    note: Callable[[int, FrameType | None], object], *, defaults: bool = True
) -> Iterator[Mapping[int, Any]]:
    """Handle signals by `note` in the body, if it is on the main thread; yield the handlers from before.

    Handlers that Python did not set stay, because it cannot put them back; without `defaults`, so do signals that have
    none, such as ignored ones.
    """
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        handlers = {number: signal.getsignal(number) for number in SIGNALS}
        before = {
            number: each for number, each in handlers.items() if callable(each) or (defaults and each is not None)
        }
    for number in before:
        signal.signal(number, note)
    try:
        yield before
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def postponed() -> Iterator[None]:
    """Let the body end before a signal takes effect, so that a result that is being written is finished."""
    arrived: list[int] = []
    with intercepted(lambda number, _frame: arrived.append(number)):
        yield
    if arrived:
        signal.raise_signal(arrived[0])
