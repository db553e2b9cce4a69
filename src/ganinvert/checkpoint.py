"""Keeping unfinished optimisations in files, so that the same one goes on after a stop."""

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

FORMAT = "ganinvert-checkpoint"
VERSION = 1


@dataclass(frozen=True)
class Checkpoints:
    """The files of some inputs.

    Attributes:
        settings_hash: A checkpoint of other settings is not used.
        paths: Input hash to file.
        every: Steps between writing; 0 only goes on from files that are there.
    """

    settings_hash: str
    paths: Mapping[str, Path]
    every: int = 0

    def load(self, input_sha256: str) -> Snapshot | None:
        """Where the optimisation of this input stood; None when no file tells, or it tells of something else."""
        try:
            content = torch.load(self.paths[input_sha256], map_location="cpu", weights_only=True)
            if self._identity(input_sha256).items() <= content.items():
                return Snapshot(content["done"], content["losses"], content["tensors"])
        except Exception as error:  # what damage does to it is without number; it saves time, and no more
            logger.info("a checkpoint cannot be used: %s", error)
        return None

    def after(self, step: Step, inputs: Sequence[str]) -> None:
        """Write the files when it is time; not after the last step, when the result itself is next.

        Args:
            step: Of the loop.
            inputs: Hashes of its images, in their order.

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
        return {
            "format": FORMAT,
            "version": VERSION,
            "settings_hash": self.settings_hash,
            "input_sha256": input_sha256,
        }
