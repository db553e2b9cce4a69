"""Handing out jobs to workers, whatever carries the messages between them."""

from __future__ import annotations

import logging
import traceback
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from ganinvert import files
from ganinvert.batch.events import Listener, Message, WorkEnded
from ganinvert.batch.job import Job, JobResult
from ganinvert.batch.session import BatchRequest, RunOptions
from ganinvert.batch.worker import Worker
from ganinvert.errors import GanInvertError, InputError, OutputError

MOST_ATTEMPTS = 3
"""Times that a job is given to a worker, if the worker dies with it."""

Run = Callable[[Sequence[Job]], Iterator[JobResult]]


@dataclass(frozen=True)
class Death:
    """End of a worker that nobody asked for.

    Attributes:
        reason: Cause in a few words.
        blame: Share of an attempt that its jobs lose: 1, or less if something else is known to be the cause.
    """

    reason: str
    blame: float = 1.0


@dataclass(eq=False)
class Member(ABC):
    """A worker as its dispatcher sees it.

    Messages of a worker: ("open", None) or ("open", error), once; ("next", wait), when it can take a job, with True if
    it has nothing to do until then; ("event", event); ("result", result); ("end", None), when it ends; and of its
    carrier: ("death", death). "next" is answered with a job or None.
    """

    number: int
    jobs: list[Job] = field(default_factory=list, init=False)
    is_open: bool = field(default=False, init=False)
    is_idle: bool = field(default=False, init=False)
    is_done: bool = field(default=False, init=False)

    @abstractmethod
    def send(self, job: Job | None) -> None:
        """Answer a worker that can take a job; one that has died is found by its silence."""


class Dispatcher(ABC):
    """Gives jobs to workers one by one, and those of a dead worker to another, `MOST_ATTEMPTS` times at most."""

    def __init__(self, options: RunOptions, emit: Listener) -> None:
        self.options, self.emit = options, emit
        self.members: list[Member] = []
        self.attempts: Counter[str] = Counter()
        self.waiting: deque[Job] = deque()
        self.has_failed = False

    @abstractmethod
    def start(self, number: int) -> None:
        """Start one more worker; one that takes the place of another has its number, and so its device."""

    @abstractmethod
    def receive(self) -> Iterator[tuple[Member, str, Any]]:
        """Wait for messages, and yield them with their worker, their kind and their content."""

    @abstractmethod
    def close(self) -> None:
        """Let every worker end what it is writing; end those by force that do not."""

    def until_open(self) -> None:
        """Wait until the workers have opened the request.

        Raises:
            GanInvertError: They cannot.
        """
        while not self.is_ready:
            for each, kind, content in self.receive():
                if kind == "next":
                    each.is_idle = True  # it is answered once there are jobs
                else:
                    for _ in self._take(each, kind, content):
                        pass

    @property
    def is_ready(self) -> bool:
        """True if jobs can be handed out: all workers are open."""
        return all(each.is_open for each in self.members if not each.is_done)

    @property
    def is_stopped(self) -> bool:
        """True if no further job is to begin."""
        return self.has_failed and self.options.fail_fast

    def run(self, jobs: Sequence[Job]) -> Iterator[JobResult]:
        """Hand out the jobs, and yield their results as they come."""
        self.waiting.extend(jobs)
        while self.is_busy:
            for each in self.members:
                if each.is_idle:
                    self._answer(each, wait=True)
            for each, kind, content in self.receive():
                yield from self._take(each, kind, content)

    @property
    def is_busy(self) -> bool:
        """True if a worker is open, or is being opened for a job that waits."""
        is_wanted = bool(self.waiting) and not self.is_stopped
        return any(not each.is_done and (each.is_open or is_wanted) for each in self.members)

    def next_job(self, each: Member) -> Job | None:  # noqa: ARG002  (for those that pack files for a worker)
        """Take the next job for a worker; None if there is none now."""
        return self.waiting.popleft() if self.waiting else None

    def receive_result(self, each: Member, result: JobResult) -> JobResult:  # noqa: ARG002
        """Take a result over; by default it is complete."""
        return result

    def open_failed(self, each: Member, error: GanInvertError) -> None:  # noqa: ARG002
        """Deal with a worker that cannot open the request; by default no worker can."""
        raise error

    def _take(self, each: Member, kind: str, content: Any) -> Iterator[JobResult]:
        if kind == "open" and content is None:
            each.is_open = True
        elif kind == "open":
            each.is_done = True
            self.open_failed(each, content)
        elif kind == "next":
            self._answer(each, wait=content)
        elif kind == "result":
            result = self.receive_result(each, content)
            self.has_failed |= result.status == "failed"
            each.jobs = [job for job in each.jobs if job.label != result.job.label]  # sent errors are not equal
            yield result
        elif kind == "event":
            self.emit(content)
        elif kind == "end":
            self._replace(each)
        elif kind == "death":
            yield from self._bury(each, content)

    def _answer(self, each: Member, *, wait: bool) -> None:
        """Send a job, or None if there is none; an idle worker waits for jobs that others may give back."""
        # A job that may have killed a worker is alone, so that no other is blamed for it.
        is_suspect = any(self.attempts[job.label] for job in (*([self.waiting[0]] if self.waiting else []), *each.jobs))
        job = None
        if not self.is_stopped and not (each.jobs and is_suspect) and (job := self.next_job(each)) is not None:
            each.jobs.append(job)
        may_come = bool(self.waiting) or any(other.jobs for other in self.members)
        each.is_idle = wait and job is None and not self.is_stopped and may_come
        if not each.is_idle:
            each.send(job)

    def _replace(self, each: Member) -> None:
        """Start a worker in place of one that ended, if there are jobs that nobody has."""
        each.is_done, each.is_idle = True, False
        if self.waiting and not self.is_stopped:
            self.start(each.number)

    def _bury(self, each: Member, death: Death) -> Iterator[JobResult]:
        """Replace a worker that died, and give its jobs to others unless they have had their attempts."""
        self.emit(WorkEnded(each.number))
        jobs, each.jobs = each.jobs, []
        for job in reversed(jobs):
            self.attempts[job.label] += death.blame  # type: ignore[assignment]  # a share of an attempt
            if self.attempts[job.label] < MOST_ATTEMPTS - 1e-6:
                self.waiting.appendleft(job)
                continue
            self.has_failed = True
            if job.paths:
                with suppress(OutputError), files.claim(job.last):
                    pass  # clears away what the dead worker left
            error = InputError(
                f"{job.label}: its worker process died {MOST_ATTEMPTS} times ({death.reason})",
                hint="the memory may be too small: use fewer --workers, or leave this input out",
            )
            yield JobResult(job, "failed", error=error)
        self.emit(Message(f"a worker process died ({death.reason})", style="yellow"))
        self._replace(each)


class Channel(Protocol):
    """The end of a connection that a worker has; both methods raise EOFError or OSError when nobody listens."""

    def send(self, message: tuple[str, Any], /) -> None:
        """Send a message; see `Member`."""

    def recv(self) -> Any:
        """Wait for an answer."""


def serve(channel: Channel, number: int, request: BatchRequest, options: RunOptions, threads: int) -> None:
    """Do the work of worker `number`: open the request with so many CPU threads, and do jobs until there are none."""
    logging.captureWarnings(True)

    def emit(event: Any) -> None:
        try:
            channel.send(("event", event))
        except OSError as error:  # nobody listens, or the batch was stopped
            raise SystemExit(0) from error

    def take(wait: bool) -> Job | None:
        channel.send(("next", wait))
        job: Job | None = channel.recv()
        return job

    with suppress(EOFError, OSError):  # nobody waits for a result
        try:
            import torch

            torch.set_num_threads(threads)
            session = request.for_worker(number).open()
        except GanInvertError as error:
            channel.send(("open", _portable(error)))
            return
        channel.send(("open", None))
        for result in Worker(session, options, emit, number=number).run(take):
            if result.error is not None:
                _portable(result.error)
            channel.send(("result", result))
        channel.send(("end", None))


def _portable(error: GanInvertError) -> GanInvertError:
    """Turn the traceback of an error into a note, because tracebacks cannot be sent."""
    error.add_note("".join(traceback.format_exception(error)))
    error.__cause__ = None
    return error
