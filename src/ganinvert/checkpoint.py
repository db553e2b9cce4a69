"""Save unfinished optimisations in files, from which they resume after a stop."""

from __future__ import annotations

import io
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from ganinvert.files import write_atomically
from ganinvert.optimize import Snapshot, Step

logger = logging.getLogger(__name__)

FORMAT: dict[str, str | int] = {"format": "ganinvert-checkpoint", "version": 1}


@dataclass(frozen=True)
class Checkpoints:
    """Checkpoint files of some inputs, by input hash, written after `every` steps, or never if that is 0.

    Checkpoints of other settings are ignored.
    """

    settings_hash: str
    paths: Mapping[str, Path]
    every: int = 0

    def load(self, input_sha256: str) -> Snapshot | None:
        """Load the snapshot of an input; None if there is no file, or it belongs to another input or settings."""
        try:
            content = torch.load(self.paths[input_sha256], map_location="cpu", weights_only=True)
            if self._identity(input_sha256).items() <= content.items():
                return Snapshot(content["done"], content["losses"], content["tensors"])
        except Exception as error:  # a damaged checkpoint can raise anything, and only saves time
            logger.info("a checkpoint is ignored: %s", error)
        return None

    def after(self, step: Step, inputs: Sequence[str]) -> None:
        """Save a checkpoint of each input, given by its hash, after every `every` steps but the last.

        Raises:
            OutputError: A file cannot be written.
        """
        done = step.index + 1
        if not self.every or done % self.every or done == step.steps or step.snapshot is None:
            return
        snapshot = step.snapshot()
        for n, input_sha256 in enumerate(inputs):
            one = snapshot.image(n)
            buffer = io.BytesIO()
            torch.save({**self._identity(input_sha256), **vars(one), "tensors": dict(one.tensors)}, buffer)
            write_atomically(self.paths[input_sha256], buffer.getvalue())

    def _identity(self, input_sha256: str) -> dict[str, object]:
        return {**FORMAT, "settings_hash": self.settings_hash, "input_sha256": input_sha256}
