"""Time, memory and progress of optimisations: recorded while they run, and kept beside their results."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from ganinvert.devices import peak_memory, watch_memory
from ganinvert.optimize import Step

CURVE_POINTS = 40
"""Approximate number of steps whose time and quality a record keeps."""


@dataclass(frozen=True)
class CostRecord:
    """Cost of one photo: its part of the batch's wall time, the peak memory in bytes, and the curve.

    The curve has rows of steps, seconds since the start (the photo's part), and PSNR of the measurement in dB.
    """

    seconds: float
    memory: int | None
    curve: Sequence[tuple[int, float, float]]

    @property
    def metrics(self) -> dict[str, float]:
        """Entries of the tables: seconds, and memory in MB."""
        return {"seconds": self.seconds, **({} if self.memory is None else {"memory": self.memory / 1e6})}

    def encode(self) -> bytes:
        """Encode the record as JSON."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def load(cls, path: Path) -> CostRecord:
        """Read a file that `encode` made."""
        content = json.loads(path.read_bytes())
        return cls(content["seconds"], content["memory"], [tuple(row) for row in content["curve"]])


class CostRecorder:
    """Records the optimisation of a batch as the callback of the loop; the clock starts when it is made."""

    def __init__(self, device: torch.device) -> None:
        watch_memory(device)
        self.device = device
        self.started = time.perf_counter()
        self.rows: list[tuple[int, float, list[float]]] = []

    def __call__(self, step: Step) -> None:
        """Record a step, if it is one of those that are kept."""
        done = step.index + 1
        # Dense at the start, where much happens: reading the PSNR makes the device wait, so most steps are skipped.
        if done == step.steps or done >= (self.rows[-1][0] if self.rows else 0) + max(1, done * 4 // CURVE_POINTS):
            self.rows.append((done, time.perf_counter() - self.started, step.psnr.tolist()))

    def records(self, count: int) -> list[CostRecord]:
        """Return the record of every photo of the batch, which has `count` photos."""
        seconds, memory = time.perf_counter() - self.started, peak_memory(self.device)
        return [
            CostRecord(seconds / count, memory, [(done, elapsed / count, psnr[n]) for done, elapsed, psnr in self.rows])
            for n in range(count)
        ]


def mean_curve(records: Sequence[CostRecord]) -> list[tuple[int, float, float]]:
    """Average the curves of photos with the same number of steps: rows of steps, mean seconds and mean PSNR."""
    return [
        (rows[0][0], sum(row[1] for row in rows) / len(rows), sum(row[2] for row in rows) / len(rows))
        for rows in zip(*(record.curve for record in records), strict=True)
    ]
