"""Executors: where the workers of a batch run. A further one is a class with `opened`, here or elsewhere."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol

from ganinvert import files
from ganinvert.batch.events import Listener, Message, WorkEnded
from ganinvert.batch.job import Job, JobResult
from ganinvert.batch.session import BatchRequest, RunOptions, Session
from ganinvert.batch.worker import Worker, source_of
from ganinvert.errors import GanInvertError, InputError, OutputError, UsageError

Run = Callable[[Sequence[Job]], Iterator[JobResult]]
MOST_ATTEMPTS = 3
"""Times that a job is given to a worker process, if the process dies with it."""
_PATIENCE = 10.0
"""Seconds that worker processes have to end a step and their writing when the batch is stopped."""


class Executor(Protocol):
    """Opens workers for a request, and runs jobs on them."""

    def opened(self, request: BatchRequest, options: RunOptions, emit: Listener) -> AbstractContextManager[Run]:
        """Open the workers, and close them at the end, whatever happens.

        Args:
            request: Request of the batch.
            options: Options of the batch.
            emit: Receives messages and progress, in this process.

        Returns:
            A function that runs jobs and yields their results as they end.

        Raises:
            GanInvertError: The request cannot be opened.
        """


@dataclass(frozen=True)
class Serial:
    """One worker in this process, which does one batch after another.

    Attributes:
        session: Session of the request that is open already; None opens one.
    """

    session: Session[Any] | None = None

    @contextmanager
    def opened(self, request: BatchRequest, options: RunOptions, emit: Listener) -> Iterator[Run]:
        """Open the request here."""
        worker = Worker(request.open(), options, emit)
        yield lambda jobs: worker.run(source_of(jobs))


@dataclass(frozen=True)
class Pool:
    """Several worker processes on this machine: one for each device, or several on the CPU that share its cores.

    Results are those of `Serial` on a CPU whose number of threads is the same. A process that dies (for want of
    memory, for instance) is replaced; its jobs are given to another, three times at most.

    Attributes:
        workers: Number of processes, at least 1.
        threads: CPU threads of each process; 0 shares the cores among them.
    """

    workers: int
    threads: int = 0

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise UsageError(f"the number of workers cannot be {self.workers}", hint="choose at least 1")

    @contextmanager
    def opened(self, request: BatchRequest, options: RunOptions, emit: Listener) -> Iterator[Run]:
        """Start the processes, each of which opens the request."""
        threads = self.threads or max(1, available_cores() // self.workers)
        pool = _Pool(request, options, emit, threads)
        try:
            for each in [pool.start(number) for number in range(self.workers)]:
                pool.until_open(each)
            yield pool.run
        finally:
            pool.close()


def available_cores() -> int:
    """Number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass
class _Process:
    """A worker process as its parent sees it.

    Messages of the process: ("open", None) or ("open", error), once; ("next", wait), when it can take a job, with
    True if it has nothing to do until then; ("event", event); ("result", result); ("end", None), when it ends. Its
    parent answers "next" with a job or None.
    """

    process: multiprocessing.process.BaseProcess
    connection: Connection
    number: int
    jobs: list[Job] = field(default_factory=list)
    is_idle: bool = False
    is_done: bool = False


class _Pool:
    def __init__(self, request: BatchRequest, options: RunOptions, emit: Listener, threads: int) -> None:
        self.arguments = request, options, threads
        self.options, self.emit = options, emit
        self.context = multiprocessing.get_context("spawn")
        self.processes: list[_Process] = []
        self.attempts: Counter[str] = Counter()
        self.waiting: deque[Job] = deque()
        self.has_failed = False
        self.is_running = False

    def start(self, number: int) -> _Process:
        """Start one more process; one that takes the place of another has its number, and so its device."""
        ours, theirs = self.context.Pipe()
        process = self.context.Process(
            target=_serve, args=(theirs, number, *self.arguments), name=f"ganinvert-{number}", daemon=True
        )
        process.start()
        theirs.close()  # so that the end of the process ends the connection
        self.processes.append(_Process(process, ours, number))
        return self.processes[-1]

    def until_open(self, each: _Process) -> None:
        """Wait until a process has opened the request, and raise its error if it could not."""
        try:
            _, error = each.connection.recv()
        except (EOFError, OSError):
            each.process.join(_PATIENCE)
            error = InputError(
                f"a worker process ended before it began (exit code {each.process.exitcode})",
                hint="use fewer --workers: each needs memory for a generator",
            )
        if error is not None:
            raise error

    def run(self, jobs: Sequence[Job]) -> Iterator[JobResult]:
        """Hand out the jobs, and yield their results as they come."""
        self.waiting.extend(jobs)
        while active := [each for each in self.processes if not each.is_done]:
            for each in active:
                if each.is_idle:
                    self._answer(each, wait=True)
            for connection in wait([each.connection for each in active]):
                each = next(known for known in active if known.connection is connection)
                try:
                    kind, content = each.connection.recv()
                except (EOFError, OSError):
                    yield from self._bury(each)
                    continue
                if kind == "next":
                    self._answer(each, wait=content)
                elif kind == "result":
                    self.has_failed |= content.status == "failed"
                    self._forget(each, content.job)
                    yield content
                elif kind == "end":
                    self._replace(each)
                elif kind == "event":
                    self.emit(content)

    def close(self) -> None:
        """Let every process end what it is writing; end those by force that do not."""
        for each in self.processes:
            each.connection.close()  # whoever waits for a job, or tells of a step, ends
            if os.name == "posix" and not each.is_done:
                each.process.terminate()
        deadline = time.monotonic() + _PATIENCE
        for each in self.processes:
            each.process.join(max(0.0, deadline - time.monotonic()))
            if each.process.is_alive():
                each.process.kill()
                each.process.join()

    def _answer(self, each: _Process, *, wait: bool) -> None:
        """Send a job, or None if there is none; an idle process waits for jobs that others may give back."""
        # A job that may have killed a process is alone, so that no other is blamed for it.
        is_suspect = any(self.attempts[job.label] for job in (*list(self.waiting)[:1], *each.jobs))
        job = None
        if self.waiting and not self.is_stopped and not (each.jobs and is_suspect):
            job = self.waiting.popleft()
            each.jobs.append(job)
        each.is_idle = wait and job is None and not self.is_stopped and any(other.jobs for other in self.processes)
        if not each.is_idle:
            with suppress(OSError):  # a dead process is found by its connection
                each.connection.send(job)

    def _forget(self, each: _Process, job: Job) -> None:
        each.jobs = [held for held in each.jobs if held.label != job.label]  # errors are not equal after sending

    @property
    def is_stopped(self) -> bool:
        return self.has_failed and self.options.fail_fast

    def _replace(self, each: _Process) -> None:
        """Start a process in place of one that ended, if there are jobs that nobody has."""
        each.is_done, each.is_idle = True, False
        if self.waiting and not self.is_stopped:
            self.until_open(self.start(each.number))

    def _bury(self, each: _Process) -> Iterator[JobResult]:
        """Replace a process that died, and give its jobs to others unless they have had their attempts."""
        each.process.join(_PATIENCE)
        code = each.process.exitcode
        reason = f"signal {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit code {code}"
        self.emit(WorkEnded(each.number))
        for job in reversed(each.jobs):
            self.attempts[job.label] += 1
            if self.attempts[job.label] < MOST_ATTEMPTS:
                self.waiting.appendleft(job)
                continue
            self.has_failed = True
            if job.paths:
                with suppress(OutputError), files.claim(job.last):
                    pass  # clears away what the dead process left
            error = InputError(
                f"{job.label}: its worker process died {MOST_ATTEMPTS} times ({reason})",
                hint="the memory may be too small: use fewer --workers, or leave this input out",
            )
            yield JobResult(job, "failed", error=error)
        each.jobs = []
        self.emit(Message(f"a worker process died ({reason})", style="yellow"))
        self._replace(each)


def _serve(connection: Connection, number: int, request: BatchRequest, options: RunOptions, threads: int) -> None:
    """Body of a worker process."""
    # The terminal sends Ctrl-C to all processes; the parent alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda _signal, _frame: sys.exit(143))
    logging.captureWarnings(True)

    def emit(event: Any) -> None:
        try:
            connection.send(("event", event))
        except OSError:  # the parent has gone, or has stopped the batch
            sys.exit(0)

    def take(wait: bool) -> Job | None:
        connection.send(("next", wait))
        job: Job | None = connection.recv()
        return job

    with suppress(EOFError, OSError):  # the parent has gone: nobody waits for a result
        try:
            import torch

            torch.set_num_threads(threads)
            session = request.for_worker(number).open()
        except GanInvertError as error:
            connection.send(("open", error))
            return
        connection.send(("open", None))
        for result in Worker(session, options, emit, number=number).run(take):
            connection.send(("result", _portable(result)))
        connection.send(("end", None))


def _portable(result: JobResult) -> JobResult:
    """The result with the traceback of its error as a note, because tracebacks cannot be sent."""
    if result.error is not None:
        result.error.add_note("".join(traceback.format_exception(result.error)))
        result.error.__cause__ = None
    return result
