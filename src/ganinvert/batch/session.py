"""The contract between a request, which is data, and the session that does its jobs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from ganinvert.batch.job import Job, Product

if TYPE_CHECKING:
    from ganinvert.optimize import Step

P = TypeVar("P")
Watch = Callable[["Step"], None]
"""Receives every step of an optimisation."""


@dataclass(frozen=True)
class RunOptions:
    """Options of a batch.

    Attributes:
        overwrite: Replace existing results.
        fail_fast: Stop at the first job that fails.
        dry_run: Write nothing.
        report: Path of the HTML report, or None for no report.
    """

    overwrite: bool = False
    fail_fast: bool = False
    dry_run: bool = False
    report: Path | None = None


class Session(ABC, Generic[P]):
    """A request with everything loaded that it needs; `P` is an input, read and made ready.

    Attributes:
        about: Sentence about what was loaded, for -v.
        reads_ahead: True to prepare the next job in a thread while the present one is in work. That pays while an
            accelerator computes; on the CPU a second thread that computes slows the first one (1.5 times, measured).
    """

    about: str = ""
    reads_ahead: bool = False

    @abstractmethod
    def prepare(self, job: Job) -> P:
        """Read the inputs of a job; in another thread if the session reads ahead.

        Raises:
            GanInvertError: An input cannot be used.
        """

    def completed(self, job: Job, prepared: P) -> Job:  # noqa: ARG002  (for those whose files depend on the input)
        """The job with all its files, of which some may be known only now."""
        return job

    @abstractmethod
    def identity(self, prepared: P) -> tuple[str, str]:
        """SHA-256 of the settings and of the inputs: with the same ones the result is the same."""

    @abstractmethod
    def run(self, batch: Sequence[tuple[Job, P]], watch: Watch) -> list[Product]:
        """Do several jobs together.

        Raises:
            InsufficientMemoryError: They do not fit into the memory together.
        """

    def recall(self, job: Job, prepared: P) -> Product | None:  # noqa: ARG002  (for those whose results say it)
        """Describe the result of a job that is up to date, for the report; None if the files do not tell."""
        return None

    @property
    def batch_size(self) -> int:
        """Number of jobs to do together next."""
        return 1


@dataclass(frozen=True)
class BatchRequest:
    """Request of a batch: plain data, which can be pickled. Subclasses add their fields.

    Attributes:
        command: Name of the command.
        verb: Past participle for the summary, for instance "inverted".
        session: Module and class of the session, which takes the request.
    """

    command: ClassVar[str]
    verb: ClassVar[str]
    session: ClassVar[str]

    def open(self) -> Session[Any]:
        """Load what the jobs need.

        Raises:
            GanInvertError: Something is missing or damaged.
        """
        module, _, name = self.session.partition(":")
        session: Session[Any] = getattr(import_module(module), name)(self)
        return session

    @property
    def device(self) -> str:
        """Device that a worker needs: "auto", "cuda" or "cpu"; "cpu" unless a subclass says otherwise."""
        return "cpu"

    def for_worker(self, number: int) -> BatchRequest:  # noqa: ARG002  (for those that use a device)
        """The request for one of several worker processes, which are numbered from 0."""
        return self
