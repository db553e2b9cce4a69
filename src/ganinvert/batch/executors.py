"""Executors: where the workers of a batch run. A further one is a class with `opened`, here or elsewhere."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Protocol

from ganinvert.batch.dispatch import Death, Dispatcher, Member, Run, serve
from ganinvert.batch.events import Listener
from ganinvert.batch.job import Job
from ganinvert.batch.session import BatchRequest, RunOptions, Session
from ganinvert.batch.worker import Worker, source_of
from ganinvert.errors import InputError, UsageError

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
            for number in range(self.workers):
                pool.start(number)
            pool.until_open()
            yield pool.run
        finally:
            pool.close()


def available_cores() -> int:
    """Number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(eq=False)
class _Process(Member):
    process: BaseProcess
    connection: Connection

    def send(self, job: Job | None) -> None:
        with suppress(OSError):  # a dead process is found by its connection
            self.connection.send(job)


class _Pool(Dispatcher):
    members: list[_Process]  # type: ignore[assignment]  # no others are added

    def __init__(self, request: BatchRequest, options: RunOptions, emit: Listener, threads: int) -> None:
        super().__init__(options, emit)
        self.arguments = request, options, threads
        self.context = multiprocessing.get_context("spawn")

    def start(self, number: int) -> None:
        ours, theirs = self.context.Pipe()
        process = self.context.Process(
            target=_serve, args=(theirs, number, *self.arguments), name=f"ganinvert-{number}", daemon=True
        )
        process.start()
        theirs.close()  # so that the end of the process ends the connection
        self.members.append(_Process(number, process, ours))

    def receive(self) -> Iterator[tuple[Member, str, Any]]:
        active = [each for each in self.members if not each.is_done]
        for connection in wait([each.connection for each in active]):
            each = next(known for known in active if known.connection is connection)
            try:
                yield each, *each.connection.recv()
            except (EOFError, OSError):
                yield each, "death", self._death(each)

    def close(self) -> None:
        for each in self.members:
            each.connection.close()  # whoever waits for a job, or tells of a step, ends
            if os.name == "posix" and not each.is_done:
                each.process.terminate()
        deadline = time.monotonic() + _PATIENCE
        for each in self.members:
            each.process.join(max(0.0, deadline - time.monotonic()))
            if each.process.is_alive():
                each.process.kill()
                each.process.join()

    def _death(self, each: _Process) -> Death:
        each.process.join(_PATIENCE)
        code = each.process.exitcode
        if not each.is_open:
            raise InputError(
                f"a worker process ended before it began (exit code {code})",
                hint="use fewer --workers: each needs memory for a generator",
            )
        return Death(f"signal {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit code {code}")


def _serve(connection: Connection, number: int, request: BatchRequest, options: RunOptions, threads: int) -> None:
    """Body of a worker process."""
    # The terminal sends Ctrl-C to all processes; the parent alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda _signal, _frame: sys.exit(143))
    serve(connection, number, request, options, threads)
