"""The state of a training in one file, from which it goes on as if it had never stopped."""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from ganinvert.errors import InputError, UsageError
from ganinvert.files import write_atomically
from ganinvert.settings import EncoderTraining, Training

GENERATOR_FORMAT, ENCODER_FORMAT = "ganinvert-training", "ganinvert-encoder-training"
VERSION = 1


@dataclass
class History:
    """What happened so far, for the plot and the model card.

    Attributes:
        losses: Rows of images shown and losses; of a generator: its own, the discriminator's, and augmentation's
            probability; of an encoder: those of `EncoderLosses`.
        evaluations: Rows of "images" and the metrics measured then.
        seconds: Spent training, in all sessions.
    """

    losses: list[list[float]] = field(default_factory=list)
    evaluations: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class Checkpoint:
    """A generator's training that can go on.

    Attributes:
        settings: Of the training.
        channels: Of the generator's architecture.
        data: SHA-256 of the training images.
        head_start: Images that the discriminator is shown before the generator learns too.
        init: The generator that it started from, empty for none.
        trainer: The networks' state.
        history: What happened so far.
    """

    settings: Training
    channels: tuple[int, ...]
    data: str
    head_start: int
    init: str
    trainer: dict[str, Any]
    history: History

    def save(self, path: Path) -> None:
        """Write atomically a file of plain tensors, strings and numbers.

        Raises:
            OutputError: The file cannot be written; an older one is as it was.
        """
        _write(path, GENERATOR_FORMAT, {**_plain(self), "channels": list(self.channels)})

    @classmethod
    def load(cls, path: Path) -> Checkpoint:
        """Read a file written by `save`; nothing in it is executed.

        Raises:
            InputError: The file is missing, damaged, or of another version.
        """
        content = _read(path, GENERATOR_FORMAT)
        try:
            settings, history = Training(**content.pop("settings")), History(**content.pop("history"))
            return cls(settings=settings, history=history, channels=tuple(content.pop("channels")), **content)
        except (KeyError, TypeError, UsageError) as error:
            raise _incomplete(path) from error


@dataclass(frozen=True)
class EncoderCheckpoint:
    """An encoder's training that can go on.

    Attributes:
        settings: Of the training.
        generator: Digest of the generator.
        data: SHA-256 of the real images, empty when there are none.
        trainer: The network's state.
        history: What happened so far.
    """

    settings: EncoderTraining
    generator: str
    data: str
    trainer: dict[str, Any]
    history: History

    def save(self, path: Path) -> None:
        """Write atomically a file of plain tensors, strings and numbers.

        Raises:
            OutputError: The file cannot be written; an older one is as it was.
        """
        _write(path, ENCODER_FORMAT, _plain(self))

    @classmethod
    def load(cls, path: Path) -> EncoderCheckpoint:
        """Read a file written by `save`; nothing in it is executed.

        Raises:
            InputError: The file is missing, damaged, or of another version.
        """
        content = _read(path, ENCODER_FORMAT)
        try:
            settings, history = EncoderTraining(**content.pop("settings")), History(**content.pop("history"))
            return cls(settings=settings, history=history, **content)
        except (KeyError, TypeError, UsageError) as error:
            raise _incomplete(path) from error


def _plain(checkpoint: Checkpoint | EncoderCheckpoint) -> dict[str, Any]:
    # Not `asdict` of the whole, which would copy every tensor.
    return {
        **vars(checkpoint),
        "settings": asdict(checkpoint.settings),
        "history": asdict(checkpoint.history),
    }


def _write(path: Path, kind: str, content: Mapping[str, Any]) -> None:
    buffer = io.BytesIO()
    torch.save({**content, "format": kind, "version": VERSION}, buffer)
    write_atomically(path, buffer.getvalue())


def _read(path: Path, kind: str) -> dict[str, Any]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no training to resume", hint="leave out --resume to start one") from error
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: cannot be read", hint="start anew with --overwrite") from error
    if not isinstance(content, dict) or (content.pop("format", ""), content.pop("version", 0)) != (kind, VERSION):
        raise InputError(f"{path}: is no training of this version", hint="start anew with --overwrite")
    return content


def _incomplete(path: Path) -> InputError:
    return InputError(f"{path}: is incomplete", hint="start anew with --overwrite")
