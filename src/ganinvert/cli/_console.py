"""What people see: one sink for messages on stderr, one for data on stdout, and the progress of steps."""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from typer.core import TyperGroup

from ganinvert.errors import GanInvertError

REFRESH_SECONDS = 0.2
PLAIN_SECONDS = 5.0


Show = Callable[[int, int, Callable[[], str]], None]
"""Told of the steps done, their number, and how to describe the state; the last is called only when something is
shown, because looking at the state makes the device wait."""


class Output:
    """Messages to stderr and data to stdout, as much as `verbosity` asks for (-1 quiet … 2 with tracebacks)."""

    def __init__(self) -> None:
        self.verbosity = 0
        self._bars: Progress | None = None

    @property
    def console(self) -> Console:
        """That of the bars while there are some, so that messages stand above them; else of stderr as it is now."""
        return self._bars.console if self._bars else Console(stderr=True, highlight=False, soft_wrap=True)

    def say(self, text: str, *, style: str | None = None, level: int = 0) -> None:
        """A message, shown from verbosity `level` on."""
        if self.verbosity >= level:
            self.console.print(text, style=style, markup=False)

    def error(self, error: GanInvertError) -> None:
        """An error and its hint, always shown."""
        if self.verbosity >= 2:
            self.console.print("".join(traceback.format_exception(error)), markup=False)
        self.console.print(f"error: {error.message}", style="red", markup=False)
        if error.hint:
            self.console.print(f"hint: {error.hint}", markup=False)

    def data(self, line: str) -> None:
        """A line of data on stdout; bars on the same terminal step aside for it."""
        bars = self._bars if sys.stdout.isatty() else None
        if bars:
            bars.stop()
        try:
            typer.echo(os.fsencode(line))  # file names need not be text
        except BrokenPipeError:  # its reader has gone; the results are wanted all the same
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if bars:
            bars.start()

    @contextmanager
    def progress(self, title: str, *, unit: str = "step") -> Iterator[Show]:
        """Progress of the steps of one piece of work, or of what else `unit` says is counted."""
        with self.overall(1) as overall, overall.steps(title, unit=unit) as show:
            yield show

    @contextmanager
    def overall(self, pieces: int) -> Iterator[Overall]:
        """Progress of many pieces of work: bars on a terminal, plain lines elsewhere, nothing when quiet."""
        if self.verbosity >= 0 and sys.stderr.isatty():
            with self._progress() as self._bars:
                try:
                    yield Overall(pieces, self._bars)
                finally:
                    self._bars = None
        else:
            yield Overall(pieces, None)

    def _progress(self) -> Progress:
        return Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[state]}"),
            TextColumn("{task.fields[pace]}"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
        )


class Overall:
    """How far many pieces of work are, and within it the steps of those in hand.

    Args:
        pieces: How many there are; a bar for them is drawn when there are several.
        bars: On a terminal.
    """

    def __init__(self, pieces: int, bars: Progress | None) -> None:
        self._bars = bars
        self._task = bars.add_task("all", total=pieces, state="", pace="") if bars and pieces > 1 else None

    def advance(self, pieces: int = 1) -> None:
        """So many more are done."""
        if self._bars is not None and self._task is not None:
            self._bars.advance(self._task, pieces)

    @contextmanager
    def steps(self, title: str, *, unit: str = "step") -> Iterator[Show]:
        """Progress of steps, inside; of anything but steps it is told how many there are per second."""
        started = time.monotonic()

        def pace(done: int) -> str:
            seconds = time.monotonic() - started
            return f"{seconds / done:.3f} s/step" if unit == "step" else f"{done / seconds:.0f} {unit}/s"

        if output.verbosity < 0:
            yield lambda _done, _total, _describe: None
        elif (bars := self._bars) is not None:
            task = bars.add_task(title, total=None, state="", pace="")

            def show(done: int, total: int, describe: Callable[[], str]) -> None:
                bars.update(task, completed=done, total=total, state=describe(), pace=pace(done))

            try:
                yield _paced(show, REFRESH_SECONDS)
            finally:
                bars.remove_task(task)
        else:

            def tell(done: int, total: int, describe: Callable[[], str]) -> None:
                counted = f"step {done}/{total}" if unit == "step" else f"{done}/{total} {unit}, {pace(done)}"
                output.say(f"{title}: {counted}, {describe()}")

            yield _paced(tell, PLAIN_SECONDS)


def _paced(show: Show, seconds: float) -> Show:
    last = -seconds

    def paced(done: int, total: int, describe: Callable[[], str]) -> None:
        nonlocal last
        now = time.monotonic()
        if done == total or now - last >= seconds:
            last = now
            show(done, total, describe)

    return paced


class ErrorReportingGroup(TyperGroup):
    """Turns our errors and Ctrl-C into messages and exit codes."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; report what goes wrong."""
        try:
            return super().invoke(ctx)
        except GanInvertError as error:
            output.error(error)
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            output.say("stopped")
            raise typer.Exit(130) from None


output = Output()


def say(text: str, level: int = 0) -> None:
    """Show a message from verbosity `level` on."""
    output.say(text, level=level)
