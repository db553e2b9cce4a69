"""Ctrl-C and SIGTERM: they stop the work where that loses nothing."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from ganinvert.batch.signals import intercepted
from ganinvert.cli._console import output


def listen() -> None:
    """Let SIGTERM unwind the stack as Ctrl-C does; Python's own handling skips every `finally`."""
    signal.signal(signal.SIGTERM, _terminate)


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(143)


@contextmanager
def between_steps() -> Iterator[Callable[[], None]]:
    """Signals wait for the end of a step, where a training can be saved; a second one does not wait.

    Yields:
        A function to call between steps, which raises what the signal would have raised.
    """
    arrived: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        arrived.append(number)
        if len(arrived) > 1:
            before[number](number, frame)

    def stop() -> None:
        if arrived:
            output.say("saving; the same command with --resume goes on")
            before[arrived[0]](arrived[0], None)

    with intercepted(note, defaults=False) as before:
        yield stop
