"""Ctrl-C and SIGTERM: they stop the work where that loses nothing."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def listen() -> None:
    """Let SIGTERM unwind the stack as Ctrl-C does; Python's own handling skips every `finally`."""
    signal.signal(signal.SIGTERM, _terminate)


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(143)


@contextmanager
def postponed() -> Iterator[None]:
    """Let what is inside end before a signal takes effect: a result in the midst of being written is finished."""
    arrived: list[int] = []
    # Handlers that were not set by Python cannot be put back by it.
    before = {number: handler for number in _SIGNALS if (handler := signal.getsignal(number)) is not None}
    for number in before:
        signal.signal(number, lambda received, _frame: arrived.append(received))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if arrived:
        signal.raise_signal(arrived[0])
