"""Stand-ins for requests of batches: sessions made of functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ganinvert.batch.job import Job, Product
from ganinvert.batch.session import BatchRequest, RunOptions, Session, Watch
from ganinvert.cli._reporter import run_command


@dataclass
class FunctionSession(Session[Any]):
    """Does what its functions do."""

    make: Callable[[Sequence[tuple[Job, Any]], Watch], list[Product]]
    hashes: Callable[[Any], tuple[str, str]] = lambda prepared: ("s", str(prepared))
    read: Callable[[Job], Any] = lambda job: job.label
    size: int = 1
    reads_ahead: bool = True

    def prepare(self, job: Job) -> Any:
        return self.read(job)

    def identity(self, prepared: Any) -> tuple[str, str]:
        return self.hashes(prepared)

    def run(self, batch: Sequence[tuple[Job, Any]], watch: Watch) -> list[Product]:
        return self.make(batch, watch)

    @property
    def batch_size(self) -> int:
        return self.size


@dataclass(frozen=True)
class SessionRequest(BatchRequest):
    """Opens a session that is there already."""

    opened: Session[Any]
    command = "invert"
    verb = "done"

    def open(self) -> Session[Any]:
        return self.opened


def run_jobs(jobs: list[Job], session: Session[Any], **options: Any) -> None:
    """Run jobs as a command does."""
    run_command(SessionRequest(session), jobs, RunOptions(**options))
