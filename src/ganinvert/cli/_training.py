"""Parts that the commands for training share."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_type_hints

from ganinvert.cli._console import output
from ganinvert.cli._options import opt
from ganinvert.cli._signals import between_steps
from ganinvert.settings import EncoderTraining, Training

if TYPE_CHECKING:
    from ganinvert.images.folder import ImageFolder
    from ganinvert.training import TrainedNetwork, TrainingLoop, TrainingStep

LISTED = 5

Settings = TypeVar("Settings", bound=Training | EncoderTraining)


def with_settings(kind: type[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the fields of settings as options, in the place of its parameter `changes`.

    Args:
        kind: Settings with fields made by `settings.options.option`. The command is given those that the user sets, as
            a mapping; the others may come from a checkpoint.
    """
    hints = get_type_hints(kind)
    settings = [
        inspect.Parameter(
            each.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[
                hints[each.name] | None,
                opt(
                    each.metadata["panel"],
                    *each.metadata["flags"],
                    help=each.metadata["help"],
                    **{"show_default": str(each.default), **each.metadata["typer"]},
                ),
            ],
        )
        for each in fields(kind)
        if each.metadata
    ]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        types = get_type_hints(command, include_extras=True)
        parameters: list[inspect.Parameter] = []
        for each in inspect.signature(command).parameters.values():
            own = each.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=types[each.name])
            parameters += settings if each.name == "changes" else [own]

        def run(**values: Any) -> None:
            given = {each.name: values.pop(each.name) for each in settings}
            command(changes={name: value for name, value in given.items() if value is not None}, **values)

        run.__name__, run.__doc__ = command.__name__, command.__doc__
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # typer reads it by inspect
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        return run

    return decorate


def settings_for(default: Settings, changes: Mapping[str, Any], target: Path, *, resume: bool) -> Settings:
    """The default settings, or those of the training to resume, with some changes.

    Raises:
        InputError: There is no training to resume.
        UsageError: A setting is invalid.
    """
    if not resume:
        return replace(default, **changes)
    from ganinvert.training import saved

    return replace(saved(target, type(default)).settings, **changes)


def print_folder_notes(images: ImageFolder) -> None:
    """Print the notes about a folder's images, and the files that are skipped."""
    for note in images.notes:
        output.say(f"note: {note}")
    if images.skipped:
        count = len(images.skipped)
        output.say(f"{count} file{'s' * (count != 1)} skipped:", style="yellow")
        listed = count if output.verbosity > 0 else LISTED
        for line in images.skipped[:listed]:
            output.say(f"  {line}")
        if count > listed:
            output.say(f"  … and {count - listed} more: -v lists all")


def run_training(loop: TrainingLoop[Any, Any]) -> None:
    """Train to the end with a progress bar; the first Ctrl-C lets the step end and the checkpoint be written."""
    with between_steps() as stop, output.progress("training", unit="img") as show:
        began = loop.trainer.images_seen

        def watch(step: TrainingStep) -> None:
            show(step.images - began, step.total - began, lambda: _describe(step))
            stop()

        loop.run(watch)


def print_paths(result: TrainedNetwork) -> None:
    """Print the paths of the results on stdout."""
    for path in (result.path, result.discriminator, result.folder):
        if path is not None:
            output.data(str(path))


def _describe(step: TrainingStep) -> str:
    losses = [f"{name} {float(value):.2f}" for name, value in step.losses.items()]
    return "  ".join([step.stage, *losses] if step.stage else losses)
