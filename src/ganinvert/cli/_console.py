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


class Output:
    """Messages to stderr and data to stdout, as much as `verbosity` asks for (-1 quiet … 2 with tracebacks)."""

    def __init__(self) -> None:
        self.verbosity = 0

    @property
    def console(self) -> Console:
        """Made when used, so that a redirected stderr is respected."""
        return Console(stderr=True, highlight=False, soft_wrap=True)

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
        """A line of data on stdout."""
        typer.echo(os.fsencode(line))  # file names need not be text

    @contextmanager
    def progress(self, title: str, *, unit: str = "step") -> Iterator[Callable[[int, int, Callable[[], str]], None]]:
        """Progress of steps: a bar on a terminal, a plain line now and then elsewhere, nothing when quiet.

        Args:
            title: What is going on.
            unit: What is counted. Steps show how long one takes, other things how many there are per second.

        Yields:
            A function of the steps done, their number, and another that describes the state. That one is called
            only when something is shown, because looking at the state makes the device wait.
        """
        started = time.monotonic()

        def pace(done: int) -> str:
            seconds = time.monotonic() - started
            return f"{seconds / done:.3f} s/step" if unit == "step" else f"{done / seconds:.0f} {unit}/s"

        if self.verbosity < 0:
            yield lambda _done, _total, _describe: None
        elif sys.stderr.isatty():
            with self._bar() as bar:
                task = bar.add_task(title, total=None, state="", pace="")

                def show(done: int, total: int, describe: Callable[[], str]) -> None:
                    bar.update(task, completed=done, total=total, state=describe(), pace=pace(done))

                yield _paced(show, REFRESH_SECONDS)
        else:

            def tell(done: int, total: int, describe: Callable[[], str]) -> None:
                counted = f"step {done}/{total}" if unit == "step" else f"{done}/{total} {unit}, {pace(done)}"
                self.say(f"{title}: {counted}, {describe()}")

            yield _paced(tell, PLAIN_SECONDS)

    def _bar(self) -> Progress:
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


def _paced(
    show: Callable[[int, int, Callable[[], str]], None], seconds: float
) -> Callable[[int, int, Callable[[], str]], None]:
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
            output.console.print("stopped")
            raise typer.Exit(130) from None


output = Output()
