"""Events of a batch, in the order in which they happen. All of them are plain data."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ganinvert.batch.job import JobResult, Status
from ganinvert.errors import GanInvertError

SCHEMA = 1
"""Version of the JSON lines; it changes when a key goes or changes its meaning."""


@dataclass(frozen=True)
class Message:
    """A sentence for the user.

    Attributes:
        text: The sentence.
        level: Verbosity from which it is shown: 0 always, 1 with -v.
        style: Colour of the text, or None.
    """

    text: str
    level: int = 0
    style: str | None = None


@dataclass(frozen=True)
class BatchStarted:
    """A batch began.

    Attributes:
        jobs: Number of jobs.
    """

    jobs: int


@dataclass(frozen=True)
class WorkStarted:
    """A worker began to optimise.

    Attributes:
        worker: Number of the worker, from 0.
        title: Names of its inputs.
    """

    worker: int
    title: str


@dataclass(frozen=True)
class Progress:
    """A worker made a step.

    Attributes:
        worker: Number of the worker.
        done: Steps done.
        steps: Number of steps in all.
        loss: Mean objective of its images.
        psnr: Mean PSNR of the measurements in dB.
    """

    worker: int
    done: int
    steps: int
    loss: float
    psnr: float


@dataclass(frozen=True)
class Phase:
    """A worker is busy with something beside steps.

    Attributes:
        worker: Number of the worker.
        name: The work in a few words.
        done: Pieces of it that are done.
        total: Number of its pieces.
    """

    worker: int
    name: str
    done: int
    total: int


@dataclass(frozen=True)
class WorkEnded:
    """A worker optimises no more."""

    worker: int


@dataclass(frozen=True)
class JobFinished:
    """A job ended, in whatever way."""

    result: JobResult


@dataclass
class BatchEnded:
    """A batch ended.

    Attributes:
        command: Name of the request.
        verb: Past participle of what is done to inputs, for instance "inverted".
        jobs: Number of jobs.
        counts: Number of jobs by status.
        seconds: Duration.
        exit_code: 0, 1 if a job failed, 3 if one failed for missing weights, 130 after Ctrl-C, 143 after SIGTERM.
        report: Path of the report, once it is written.
        errors: Errors beside those of the jobs.
    """

    command: str
    verb: str
    jobs: int
    counts: Counter[Status]
    seconds: float
    exit_code: int
    report: str | None = None
    errors: list[GanInvertError] = field(default_factory=list)

    @property
    def unfinished(self) -> int:
        """Number of jobs that a stop left undone."""
        return self.jobs - self.counts.total()


Event = BatchStarted | Message | WorkStarted | Progress | Phase | WorkEnded | JobFinished | BatchEnded
Listener = Callable[[Any], None]
"""Receives every event; one that it does not know means nothing to it."""


def item_line(result: JobResult) -> str:
    """JSON line about a job; docs/reference/json.md says what its keys mean."""
    job, product, error = result.job, result.product if result.status == "done" else None, result.error
    content = {
        "event": "item",
        "inputs": [each.label for each in job.inputs],
        "status": result.status,
        "outputs": {kind: str(path) for kind, path in result.outputs.items()},
        "metrics": dict(result.metrics),
        "outcome": (product.outcome or None) if product else None,
        "notes": list(product.notes) if product else [],
        "warning": (product.warning or None) if product else None,
        "seconds": result.seconds,
        "settings_hash": result.hashes[0] if result.hashes else None,
        "input_sha256": result.hashes[1] if result.hashes else None,
        "error": error.message if error else None,
        "hint": (error.hint or None) if error else None,
    }
    return json.dumps(content)


def summary_line(end: BatchEnded) -> str:
    """JSON line about a batch."""
    content = {
        "event": "summary",
        "schema": SCHEMA,
        "command": end.command,
        **{status: end.counts[status] for status in ("done", "skipped", "failed", "planned")},
        "unfinished": end.unfinished,
        "seconds": end.seconds,
        "exit_code": end.exit_code,
        "report": end.report,
    }
    return json.dumps(content)


class JsonLines:
    """Listener that writes a JSON line about every job, and one at the end.

    Args:
        write: Receives every line.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        self.write = write

    def __call__(self, event: Event) -> None:
        """Write the line of an event, if it has one."""
        if isinstance(event, JobFinished):
            self.write(item_line(event.result))
        elif isinstance(event, BatchEnded):
            self.write(summary_line(event))
