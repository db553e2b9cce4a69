"""Parts that the commands for training share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ganinvert.cli._console import output
from ganinvert.cli._signals import between_steps
from ganinvert.cli._signature import field_options, own_parameters, presented
from ganinvert.settings import EncoderTraining, Training

if TYPE_CHECKING:
    from ganinvert.images.folder import ImageFolder
    from ganinvert.training import TrainedNetwork, TrainingJob, TrainingStep

LISTED = 5

Settings = TypeVar("Settings", bound=Training | EncoderTraining)


def with_settings(kind: type[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the fields of settings as options, in the place of its parameter `changes`.

    The command takes those that the user sets, as a mapping; the others may come from a checkpoint.
    """
    settings = field_options(kind, optional=True)

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = own_parameters(command)
        place = [each.name for each in own].index("changes")

        def run(**values: Any) -> None:
            given = {each.name: values.pop(each.name) for each in settings}
            command(changes={name: value for name, value in given.items() if value is not None}, **values)

        return presented(run, command, [*own[:place], *settings, *own[place + 1 :]])

    return decorate


def settings_for(default: Settings, changes: Mapping[str, Any], target: Path, *, resume: bool) -> Settings:
    """The default settings, or those of the training to resume, with some changes."""
    if resume:
        from ganinvert.training import saved

        default = saved(target, type(default)).settings
    return replace(default, **changes)


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


def run_training(job: TrainingJob[Any, Any], **about: Any) -> TrainedNetwork:
    """Train to the end with a progress bar, and write the weights; the first Ctrl-C lets the step end and saves it."""
    with between_steps() as stop, output.progress("training", unit="img") as show:
        began = job.loop.trainer.images_seen

        def watch(step: TrainingStep) -> None:
            show(step.images - began, step.total - began, lambda: _describe(step))
            stop()

        job.loop.run(watch)
    return job.finish(**about)


def print_paths(result: TrainedNetwork) -> None:
    """Print the paths of the results on stdout."""
    for path in (result.path, result.discriminator, result.folder):
        if path is not None:
            output.data(str(path))


def _describe(step: TrainingStep) -> str:
    losses = [f"{name} {float(value):.2f}" for name, value in step.losses.items()]
    return "  ".join([step.stage, *losses] if step.stage else losses)
