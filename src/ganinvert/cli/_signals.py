"""Signals that wait until what is going on can be saved."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from ganinvert.cli._console import output


@contextmanager
def between_steps() -> Iterator[Callable[[], None]]:
    """Ctrl-C and SIGTERM wait for the end of a step, where the training can be saved; a second one does not wait.

    Yields:
        A function to call between steps, which raises what the signal would have raised.
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    usual = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)
        handler = usual[signal.Signals(number)]
        if len(received) > 1 and callable(handler):
            handler(number, frame)

    def stop() -> None:
        if received:
            output.say("saving; the same command with --resume goes on")
            raise KeyboardInterrupt if received[0] == signal.SIGINT else SystemExit(128 + received[0])

    for number, handler in usual.items():
        if callable(handler):  # one that is ignored stays so
            signal.signal(number, note)
    try:
        yield stop
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)
