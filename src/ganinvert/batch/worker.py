"""A worker: it reads, claims, does and writes jobs, one batch after another."""

from __future__ import annotations

import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Generic

from ganinvert import files, progress
from ganinvert.batch.events import Listener, Message, Phase, Progress, WorkEnded, WorkStarted
from ganinvert.batch.job import Job, JobResult, Product
from ganinvert.batch.session import P, RunOptions, Session
from ganinvert.batch.signals import postponed
from ganinvert.errors import GanInvertError, InputError, InsufficientMemoryError, OutputError

if TYPE_CHECKING:
    from ganinvert.optimize import Step

PROGRESS_SECONDS = 0.2
"""Pause between two events of progress: reading a loss makes the device wait."""


JobSource = Callable[[bool], Job | None]
"""Gives the next job. If there is none at the moment, True waits for one, and None says that there are no more."""


def source_of(jobs: Iterable[Job]) -> JobSource:
    """A source of jobs that are known from the start."""
    remaining = iter(jobs)
    return lambda _wait: next(remaining, None)


@dataclass(frozen=True)
class _Ready(Generic[P]):
    job: Job
    prepared: P
    hashes: tuple[str, str]


class Worker(Generic[P]):
    """Does jobs with one session. A failed job does not stop the others.

    Args:
        session: Session of the request.
        options: Options of the batch.
        emit: Receives messages and progress.
        number: Number of this worker, from 0.
    """

    def __init__(self, session: Session[P], options: RunOptions, emit: Listener, *, number: int = 0) -> None:
        self.session, self.options, self.emit, self.number = session, options, emit, number
        self.batch_limit = sys.maxsize
        """Most jobs that have fitted into the memory together since it was short."""
        self._locked_elsewhere: deque[_Ready[P]] = deque()
        self._stopped = False

    @property
    def batch_size(self) -> int:
        """Number of jobs of the next batch."""
        return max(1, min(self.session.batch_size, self.batch_limit))

    def run(self, source: JobSource) -> Iterator[JobResult]:
        """Do all jobs of a source, in batches; those that another process is doing come last.

        If the session allows it, the next job is read while the present ones are in work. It is not claimed before it
        is its turn, so another process may do it meanwhile.
        """
        if self.session.about and self.number == 0:
            self.emit(Message(self.session.about, level=1))
        with ThreadPoolExecutor(1, thread_name_prefix="ganinvert-reader") as reader:
            ahead: deque[tuple[Job, Callable[[], _Ready[P]]]] = deque()

            def fetch(*, wait: bool) -> bool:
                if not ahead and (job := source(wait)) is not None:
                    in_thread = self.session.reads_ahead
                    read = reader.submit(self._read, job).result if in_thread else partial(self._read, job)
                    ahead.append((job, read))
                return bool(ahead)

            while not self._stopped and fetch(wait=not self._locked_elsewhere):
                with ExitStack() as claims:
                    batch: list[_Ready[P]] = []
                    size = self.batch_size
                    while (
                        len(batch) < size and not self._stopped and fetch(wait=not batch and not self._locked_elsewhere)
                    ):
                        yield from self._claim(*ahead.popleft(), claims, batch)
                    if batch and not self._stopped and self.session.reads_ahead:
                        fetch(wait=False)
                    yield from self._finish(batch)
            reader.shutdown(cancel_futures=True)
        while self._locked_elsewhere and not self._stopped:
            with ExitStack() as claims:  # one at a time: nobody waits while holding what others wait for
                batch = []
                waiting = self._locked_elsewhere.popleft()
                yield from self._check(waiting, claims, batch, wait=True)
                yield from self._finish(batch)

    def _read(self, job: Job) -> _Ready[P]:
        for each in job.inputs:
            if each.problem is not None:
                raise each.problem
        prepared = self.session.prepare(job)
        return _Ready(self.session.completed(job, prepared), prepared, self.session.identity(prepared))

    def _claim(
        self, job: Job, read: Callable[[], _Ready[P]], claims: ExitStack, batch: list[_Ready[P]]
    ) -> Iterator[JobResult]:
        """Add a job to the batch once it is read, unless there is nothing to do for it now."""
        try:
            ready = read()
        except Exception as error:  # whatever it is, it is no reason to stop the others
            yield self._failure(job, error)
        else:
            yield from self._check(ready, claims, batch)

    def _check(
        self, ready: _Ready[P], claims: ExitStack, batch: list[_Ready[P]], *, wait: bool = False
    ) -> Iterator[JobResult]:
        job, overwrite = ready.job, self.options.overwrite
        own = claims.enter_context(ExitStack())
        try:
            if job.paths:
                if self.options.dry_run:
                    up_to_date = job.is_up_to_date(*ready.hashes, overwrite=overwrite)
                else:
                    up_to_date = False
                    with suppress(OutputError):  # an obstacle may be half of what another process is writing
                        up_to_date = job.is_up_to_date(*ready.hashes, overwrite=overwrite) and not files.has_companions(
                            job.last
                        )
                    if not up_to_date:
                        if not own.enter_context(files.claim(job.last, wait=wait)):
                            self.emit(Message(f"{job.label}: another process is at it", level=1))
                            self._locked_elsewhere.append(ready)
                            return
                        if up_to_date := job.is_up_to_date(*ready.hashes, overwrite=overwrite):
                            files.tidy(job.last)
                if up_to_date:
                    own.close()  # others may wait for it
                    self.emit(Message(f"{job.label}: up to date, skipped"))
                    product = self.session.recall(job, ready.prepared) if self.options.report else None
                    yield JobResult(job, "skipped", ready.hashes, product)
                    return
        except Exception as error:
            own.close()
            yield self._failure(job, error, ready.hashes)
            return
        if self.options.dry_run:
            yield JobResult(job, "planned", ready.hashes)
        else:
            batch.append(ready)

    def _finish(self, batch: Sequence[_Ready[P]]) -> Iterator[JobResult]:
        """Do and write a batch, or its halves when the memory is short."""
        if not batch:
            return
        started = time.monotonic()
        names = [Path(each.label).name for each in batch[0].job.inputs]
        self.emit(WorkStarted(self.number, " + ".join(names) if len(batch) == 1 else f"{len(batch)} photos"))
        products: Sequence[Product] | None = None
        failures: list[JobResult] = []
        watch = StepWatch(self.emit, self.number)
        try:
            with progress.listening(watch.on_phase):
                products = self.session.run([(each.job, each.prepared) for each in batch], watch)
        except Exception as error:
            if len(batch) == 1 or not isinstance(error, InsufficientMemoryError):
                failures = [self._failure(each.job, error, each.hashes) for each in batch]
        finally:
            self.emit(WorkEnded(self.number))
        if failures:
            yield from failures
            return
        if products is None:  # not before the error is gone, whose traceback holds what filled the memory
            half = self.batch_limit = len(batch) // 2
            self.emit(Message(f"memory is short: going on with {half} together", style="yellow"))
            for start in range(0, len(batch), half):
                yield from self._finish(batch[start : start + half])
            return
        seconds = round((time.monotonic() - started) / len(batch), 3)
        for ready, product in zip(batch, products, strict=True):
            try:
                with postponed():
                    product = self._write(ready.job, product)
            except Exception as error:
                yield self._failure(ready.job, error, ready.hashes)
            else:
                yield JobResult(ready.job, "done", ready.hashes, product, seconds)

    def _write(self, job: Job, product: Product) -> Product:
        """Write the files; only the picture for stdout stays in the product."""
        if not product.files:
            raise InputError(f"{job.label}: nothing was written", hint=product.warning)
        if not job.paths:
            return product if job.is_piped else replace(product, files={})
        files.write_together({path: product.files[kind] for kind, path in job.paths.items()})
        files.tidy(job.last)
        return replace(product, files={})

    def _failure(self, job: Job, error: Exception, hashes: tuple[str, str] | None = None) -> JobResult:
        self._stopped = self.options.fail_fast
        cause: BaseException | None = error
        while cause is not None:  # results outlive their jobs: their tracebacks are not to hold what fills the memory
            traceback.clear_frames(cause.__traceback__)
            cause = cause.__cause__ or cause.__context__
        if not isinstance(error, GanInvertError):
            known = InputError(
                f"{job.label}: unexpected {type(error).__name__}: {error}",
                hint="this is a fault of ganinvert: please report it, with the output of -vv and `ganinvert doctor`",
            )
            known.__cause__ = error
            error = known
        # Messages name the file that was read; people know it by its label, which differs for stdin.
        error.message = error.message.replace(str(job.inputs[0].path), job.inputs[0].label)
        if not any(each.label in error.message for each in job.inputs):
            error.message = f"{job.label}: {error.message}"
        return JobResult(job, "failed", hashes, error=error)


class StepWatch:
    """Makes events of steps, as the callback of the loop, and of phases: at most one in 0.2 s, and the last step's."""

    def __init__(self, emit: Listener, worker: int) -> None:
        self.emit, self.worker = emit, worker
        self.last = -PROGRESS_SECONDS
        self._phase = ""

    def __call__(self, step: Step) -> None:
        """Make an event of a step, if it is time."""
        now, done = time.monotonic(), step.index + 1
        if done == step.steps or now - self.last >= PROGRESS_SECONDS:
            self.last = now
            self.emit(Progress(self.worker, done, step.steps, float(step.loss.mean()), float(step.psnr.mean())))

    def on_phase(self, name: str, done: int, total: int) -> None:
        """Make an event of a phase, if it is new or it is time."""
        now = time.monotonic()
        if name != self._phase or now - self.last >= PROGRESS_SECONDS:
            self._phase, self.last = name, now
            self.emit(Phase(self.worker, name, done, total))
