"""Messages on stderr, data on stdout, and the progress of steps."""

from __future__ import annotations

import math
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from ganinvert.errors import GanInvertError

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

REFRESH_SECONDS = 0.2
PLAIN_SECONDS = 5.0
PACE_SECONDS = 3600.0
"""Time over which the pace is averaged, from which the remaining time follows: photos may take minutes each."""


Show = Callable[[int, int | None, Callable[[], str]], None]
"""Shows the number of steps done, their total, and the state, which is asked for only when something is shown, because
looking at it makes the device wait."""


class Output:
    """Messages to stderr and data to stdout, as much as `verbosity` asks for (-1 quiet … 2 with tracebacks)."""

    def __init__(self) -> None:
        self.verbosity = 0
        self._bars: Progress | None = None
        self._all: TaskID | None = None

    @property
    def console(self) -> Console:
        """Console of the bars while there are some, so that messages stand above them; else of stderr as it is now."""
        return self._bars.console if self._bars else Console(stderr=True, highlight=False, soft_wrap=True)

    def say(self, text: str, *, style: str | None = None, level: int = 0) -> None:
        """Show a message from verbosity `level` on."""
        if self.verbosity >= level:
            self.console.print(text, style=style, markup=False)

    def error(self, error: GanInvertError) -> None:
        """Show an error and its hint at any verbosity."""
        if self.verbosity >= 2:
            self.console.print("".join(traceback.format_exception(error)), markup=False)
        self.console.print(f"error: {error.message}", style="red", markup=False)
        if error.hint:
            self.console.print(f"hint: {error.hint}", markup=False)

    def data(self, line: str) -> None:
        """Print a line of data on stdout; bars on the same terminal step aside for it."""
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
        """Show the progress of one piece of work in steps, or in another unit."""
        with self.overall(1), self.steps(title, unit=unit) as show:
            yield show

    @contextmanager
    def overall(self, pieces: int) -> Iterator[None]:
        """Prepare to show pieces of work: by bars on a terminal, by plain lines elsewhere, not at all when quiet."""
        if self.verbosity < 0 or not sys.stderr.isatty():
            yield
            return
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        fields = (TextColumn("{task.fields[state]}"), TextColumn("{task.fields[pace]}"), TimeRemainingColumn())
        columns = (TextColumn("{task.description}", markup=False), BarColumn(None), MofNCompleteColumn(), *fields)
        with Progress(*columns, console=self.console, transient=True, speed_estimate_period=PACE_SECONDS) as self._bars:
            self._all = self._bars.add_task("all", total=pieces, state="", pace="") if pieces > 1 else None
            try:
                yield
            finally:
                self._bars = self._all = None

    def advance(self) -> None:
        """Show that one more of several pieces is done."""
        if self._bars is not None and self._all is not None:
            self._bars.advance(self._all)

    @contextmanager
    def steps(self, title: str, *, unit: str = "step") -> Iterator[Show]:
        """Show the steps of a piece of work: seconds per step, or how many of another unit come in a second."""
        bars, started, last = self._bars, time.monotonic(), -math.inf
        task = bars.add_task(title, total=None, state="", pace="") if bars else None

        def show(done: int, total: int | None, describe: Callable[[], str]) -> None:
            nonlocal last
            now = time.monotonic()
            if self.verbosity < 0 or (done != total and now - last < (REFRESH_SECONDS if bars else PLAIN_SECONDS)):
                return
            last, seconds = now, now - started
            rate = done / seconds if seconds > 1 else 0.0
            pace = f"{rate:.{int(rate < 10)}f} {unit}/s" if rate else ""
            if unit == "step":
                pace = f"{seconds / max(done, 1):.3f} s/step"
            if bars is not None and task is not None:
                bars.update(task, completed=done, total=total, state=describe(), pace=pace)
                return
            counted = [f"step {done}/{total}"] if unit == "step" else [f"{done}/{total or '?'} {unit}", pace]
            self.say(f"{title}: {', '.join(filter(None, [*counted, describe()]))}")

        try:
            yield show
        finally:
            if bars is not None and task is not None:
                bars.remove_task(task)


class ErrorReportingGroup(TyperGroup):
    """Turns our errors and Ctrl-C into messages and exit codes."""

    def get_params(self, ctx: Any) -> Any:
        """List the options; typer's own flags are False by default, because it imports pydantic to convert None."""
        options = super().get_params(ctx)
        for option in options:
            if getattr(option, "is_flag", False) and option.default is None:
                option.default = False
        return options

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
