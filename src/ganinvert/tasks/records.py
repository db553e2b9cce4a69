"""What optimisations cost, and how they went: watched while they run, and kept beside their results."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from ganinvert import images
from ganinvert.devices import peak_memory, watch_memory
from ganinvert.optimize import Step

CURVE_POINTS = 40
"""Steps of which a record tells time and quality, about."""


@dataclass(frozen=True)
class Record:
    """The cost of one photo.

    Attributes:
        seconds: Its part of the wall time of its batch.
        memory: Peak in bytes, see `devices.peak_memory`; None where the system does not tell.
        curve: Rows of steps done, seconds since the start (the photo's part) and PSNR of the measurement in dB.
    """

    seconds: float
    memory: int | None
    curve: Sequence[tuple[int, float, float]]

    @property
    def costs(self) -> dict[str, float]:
        """What tables hold, memory in MB."""
        return {"seconds": self.seconds, **({} if self.memory is None else {"memory": self.memory / 1e6})}

    def encode(self) -> bytes:
        """JSON."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def load(cls, path: Path) -> Record:
        """Read what `encode` made."""
        content = json.loads(path.read_bytes())
        return cls(content["seconds"], content["memory"], [tuple(row) for row in content["curve"]])


class Recorder:
    """Watches the optimisation of a batch; give it to the loop as its callback."""

    def __init__(self, device: torch.device) -> None:
        watch_memory(device)
        self.device = device
        self.started = time.perf_counter()
        self.rows: list[tuple[int, float, list[float]]] = []

    def __call__(self, step: Step) -> None:
        """Note a step, if it is one of those that are kept."""
        done = step.index + 1
        # Dense at the start, where much happens: looking makes the device wait, so most steps are not looked at.
        if done == step.steps or done >= (self.rows[-1][0] if self.rows else 0) + max(1, done * 4 // CURVE_POINTS):
            self.rows.append((done, time.perf_counter() - self.started, step.psnr.tolist()))

    def records(self, count: int) -> list[Record]:
        """One per photo of the batch."""
        seconds, memory = time.perf_counter() - self.started, peak_memory(self.device)
        return [
            Record(seconds / count, memory, [(done, elapsed / count, psnr[n]) for done, elapsed, psnr in self.rows])
            for n in range(count)
        ]


@dataclass(frozen=True)
class Result:
    """A result as it was written.

    Attributes:
        image: Its PNG file.
        record: What it cost.
    """

    image: Path
    record: Record

    @property
    def levels(self) -> Tensor:
        """(3, r, r) uint8."""
        return torch.from_numpy(images.to_array(images.read(self.image).rgb))


def mean_curve(records: Sequence[Record]) -> list[tuple[int, float, float]]:
    """Steps, mean seconds and mean PSNR over photos that went the same number of steps."""
    return [
        (rows[0][0], sum(row[1] for row in rows) / len(rows), sum(row[2] for row in rows) / len(rows))
        for rows in zip(*(record.curve for record in records), strict=True)
    ]
