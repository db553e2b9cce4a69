"""Long work of a page: in a thread of its own, seen while it runs, ended early or given up."""

from __future__ import annotations

import functools
import html
import inspect
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import gradio as gr

from ganinvert import progress
from ganinvert.errors import GanInvertError
from ganinvert.optimize import Step
from ganinvert.tasks.editing import to_picture

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])
PICTURE_SIDE = 256
"""Most pixels of a side of the pictures of steps."""
LEAST_PAUSE, SHARE = 0.4, 5
"""Least seconds between two pictures of steps, and the least number of times that one took to render."""
POLL = 0.1
"""Seconds between two looks at work that runs."""


class Work(Generic[T]):
    """A piece of work; its thread begins with the first look at it.

    Attributes:
        picture: Picture of the latest step that was rendered; None before.
        text: Sentence about the state.
        share: Share that is done, from 0 to 1.
    """

    def __init__(self, function: Callable[[Work[T]], T]) -> None:
        self.picture: Any = None
        self.text, self.share = "preparing", 0.0
        self._function = function
        self._is_ended = self._is_given_up = False
        self._due, self._quality = 0.0, ""
        self._result: list[T] = []
        self._error: BaseException | None = None

    def end(self) -> None:
        """Have the work end after the present step, with what there is."""
        self._is_ended = True

    def give_up(self) -> None:
        """Have the work end as soon as it reports anything, without a result."""
        self._is_given_up = True

    @property
    def is_ended(self) -> bool:
        """True if the work was told to end."""
        return self._is_ended

    def watch(self, step: Step) -> None:
        """Callback of the library: note the step, render its picture if that is due, and end the work if asked to."""
        self._report(f"step {step.index + 1} of {step.steps}{self._quality}", step.index + 1, step.steps)
        if (now := time.monotonic()) >= self._due:
            self.picture = to_picture(step.picture(PICTURE_SIDE)[:1])
            self._quality = f", PSNR {float(step.psnr[0]):.1f} dB"
            self._due = time.monotonic() + max(LEAST_PAUSE, SHARE * (time.monotonic() - now))
        if self._is_ended:
            raise StopIteration

    def looks(self) -> Iterator[Work[T]]:
        """Start the work, and yield it whenever its state may have changed, until it ends; closing this gives it up.

        Raises:
            gr.Error: The library has refused the work.
        """
        thread = threading.Thread(target=self._run, daemon=True)
        thread.start()
        try:
            while thread.is_alive():
                thread.join(POLL)
                yield self
        finally:
            self.give_up()

    @property
    def result(self) -> T:
        """The result of work that has ended; raises what it raised."""
        if self._error is not None:
            raise self._error
        return self._result[0]

    def _run(self) -> None:
        try:
            with progress.listening(self._report):
                self._result.append(self._function(self))
        except BaseException as error:  # whoever asks for the result gets it
            self._error = error

    def _report(self, phase: str, done: int, total: int) -> None:
        if self._is_given_up:
            raise CancelledError
        self.text, self.share = phase, done / max(total, 1)


def bar(text: str, share: float) -> str:
    """A progress bar with a sentence, as HTML."""
    return (
        f'<label class="progress"><span>{html.escape(text)}</span>'
        f'<progress max="100" value="{100 * share:.0f}"></progress></label>'
    )


@contextmanager
def _shown() -> Iterator[None]:
    try:
        yield
    except GanInvertError as error:
        text = f"{error.message}: {error.hint}" if error.hint else error.message
        text = html.escape(text)  # it may tell the name of a file, and is shown as HTML
        raise gr.Error(text, duration=None, print_exception=False) from error
    except CancelledError as error:
        raise gr.Error("given up", visible=False, print_exception=False) from error


def shown(handler: F) -> F:
    """Show errors of the library in the page; decorates handlers, generators or not."""
    if inspect.isgeneratorfunction(handler):

        @functools.wraps(handler)
        def generate(*given: Any) -> Iterator[Any]:
            with _shown():
                yield from handler(*given)

        return generate  # type: ignore[return-value]

    @functools.wraps(handler)
    def handle(*given: Any) -> Any:
        with _shown():
            return handler(*given)

    return handle  # type: ignore[return-value]
