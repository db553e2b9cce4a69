"""The state of a training in one file, from which it goes on as if it had never stopped."""

from __future__ import annotations

import io
import pickle
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch

from ganinvert.errors import InputError, UsageError
from ganinvert.files import write_atomically
from ganinvert.settings import EncoderTraining, Training

FILE_NAME = "checkpoint.pt"
VERSION = 2
KINDS: dict[type[object], str] = {Training: "generator", EncoderTraining: "encoder"}

Settings = TypeVar("Settings", bound=Training | EncoderTraining)


@dataclass
class History:
    """Record of a training, for the plot and the model card; the seconds are those of all sessions.

    Rows of losses are the number of images seen and the mean losses since the row before, see `Trainer.curves`.
    Evaluations are rows of "images" and the metrics measured then.
    """

    losses: list[list[float]] = field(default_factory=list)
    evaluations: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class Checkpoint(Generic[Settings]):
    """A training that can go on; the type of its settings tells the kind of network.

    `data` is the SHA-256 of the training images, empty without images; `source` is the name of the generator that a
    generator started from, or the digest of the one that an encoder inverts.
    """

    settings: Settings
    data: str
    source: str
    trainer: dict[str, Any]
    history: History

    def save(self, path: Path) -> None:
        """Write atomically a file of plain tensors, strings and numbers."""
        # Not `asdict` of the whole, which would copy every tensor.
        content = {**vars(self), "settings": asdict(self.settings), "history": asdict(self.history)}
        buffer = io.BytesIO()
        torch.save({**content, "kind": KINDS[type(self.settings)], "version": VERSION}, buffer)
        write_atomically(path, buffer.getvalue())

    @classmethod
    def load(cls, path: Path, settings: type[Settings]) -> Checkpoint[Settings]:
        """Read the file of a training with such settings; nothing in it is executed.

        Raises:
            InputError: The file is missing, damaged, or of another kind or version.
        """
        anew = "start anew with --overwrite"
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
        except FileNotFoundError as error:
            raise InputError(
                f"{path}: there is no training to resume", hint="leave out --resume to start one"
            ) from error
        except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
            raise InputError(f"{path}: cannot be read", hint=anew) from error
        kind = KINDS[settings]
        if not isinstance(content, dict) or (content.pop("kind", ""), content.pop("version", 0)) != (kind, VERSION):
            raise InputError(f"{path}: is no {kind}'s training of this version", hint=anew)
        try:
            history = History(**content.pop("history"))
            return Checkpoint(settings=settings(**content.pop("settings")), history=history, **content)
        except (KeyError, TypeError, UsageError) as error:
            raise InputError(f"{path}: is incomplete", hint=anew) from error
