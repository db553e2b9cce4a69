"""What the commands that train have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from ganinvert.cli._console import output
from ganinvert.cli._signals import between_steps

if TYPE_CHECKING:
    from ganinvert.training import EncoderStep, ImageFolder, TrainingStep
    from ganinvert.training.course import Course

    Step = TypeVar("Step", EncoderStep, TrainingStep)

LISTED = 5


def number(help: str, default: object, panel: str, *names: str, metavar: str = "N") -> Any:  # noqa: A002  (typer's word)
    """An option for a number, whose default is that of the settings."""
    return typer.Option(*names, metavar=metavar, help=help, show_default=str(default), rich_help_panel=panel)


def tell_of_images(images: ImageFolder) -> None:
    """Say what was done to a folder's images, and which could not be used."""
    for note in images.notes:
        output.say(f"note: {note}")
    if images.skipped:
        count = len(images.skipped)
        output.say(f"{count} file{'s' * (count != 1)} skipped:", style="yellow")
        shown = len(images.skipped) if output.verbosity > 0 else LISTED
        for line in images.skipped[:shown]:
            output.say(f"  {line}")
        if len(images.skipped) > shown:
            output.say(f"  … and {len(images.skipped) - shown} more: -v lists all")


def follow(course: Course[Step], state: Callable[[Step], str]) -> None:
    """Train to the end with a progress bar; the first Ctrl-C lets the step end and the checkpoint be written.

    Args:
        course: The training.
        state: What the bar says of a step.
    """
    with between_steps() as stop, output.progress("training", unit="img") as show:
        began = course.shown

        def watch(step: Step) -> None:
            show(step.images - began, step.total - began, lambda: state(step))
            stop()

        course.go(watch)
