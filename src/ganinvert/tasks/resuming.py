"""What a training needs before it starts: a free place, or the settings with which it began."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

from ganinvert.errors import OutputError, UsageError
from ganinvert.settings import EncoderTraining, Training
from ganinvert.training import CHECKPOINT, run_folder

Settings = TypeVar("Settings", Training, EncoderTraining)


def require_weights_name(output: Path) -> None:
    """Refuse an output with another suffix than that of weights.

    Raises:
        UsageError: It is not named so.
    """
    if output.suffix != ".safetensors":
        raise UsageError(f"{output} is not the name of a .safetensors file", hint=f"try -o {output.stem}.safetensors")


def require_free(output: Path, registered: Sequence[Path | None], *, hint: str) -> None:
    """Refuse to replace results, or the checkpoint of a training that was begun.

    Args:
        output: The file to be written.
        registered: What else would be replaced, if there is anything.
        hint: What to do when one is taken.

    Raises:
        OutputError: One of them exists.
    """
    checkpoint = run_folder(output) / CHECKPOINT
    if checkpoint.exists():
        raise OutputError(
            f"{checkpoint}: a training for {output} was begun already",
            hint="continue it with --resume, or start anew with --overwrite",
        )
    for taken in (output, *registered):
        if taken is not None and taken.exists():
            raise OutputError(f"{taken} exists already", hint=hint)


def resumed_settings(settings: Settings | None, saved: Settings) -> Settings:
    """The settings to go on with: those it began with, but for the number of images.

    Raises:
        UsageError: Others are asked for.
    """
    if settings is None:
        return saved
    now, then = asdict(settings), asdict(saved)
    # More images may be shown than was planned; anything else would be another training.
    changed = [f"{key} was {then[key]}, now {now[key]}" for key in then if key != "images" and now[key] != then[key]]
    if changed:
        raise UsageError(
            f"the training began with other settings: {'; '.join(changed)}",
            hint="leave them out to go on as it began, or start anew with --overwrite",
        )
    return settings
