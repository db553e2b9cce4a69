"""Batches on the console: messages and bars on stderr, paths or JSON lines on stdout."""

from __future__ import annotations

import re
import sys
from collections.abc import Container, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import typer

from ganinvert.batch import events
from ganinvert.batch.inputs import BUNDLES
from ganinvert.batch.job import Job, JobResult
from ganinvert.batch.session import BatchRequest, RunOptions
from ganinvert.cli._console import Show, output
from ganinvert.cli._options import number_of
from ganinvert.errors import BundleError, GanInvertError, UsageError
from ganinvert.files import open_input

if TYPE_CHECKING:
    from ganinvert.batch.executors import Executor


class ConsoleReporter:
    """Listener that shows a batch on the console; it prints no paths if stdout has JSON lines."""

    def __init__(self, *, quiet_stdout: bool) -> None:
        self.quiet_stdout = quiet_stdout
        self._titles: dict[int, str] = {}
        self._bars: dict[tuple[int, str], tuple[ExitStack, Show]] = {}
        """Bars by worker and phase, "" for the steps."""
        self._all = ExitStack()

    def __call__(self, event: Any) -> None:
        """Show an event."""
        match event:
            case events.BatchStarted(jobs):
                self._all.enter_context(output.overall(jobs))
            case events.Message(text, level, style):
                output.say(text, level=level, style=style)
            case events.WorkStarted(worker, title):
                self._titles[worker] = title
            case events.Progress(worker, done, steps, loss, psnr) if worker in self._titles:
                self._bar(worker)(done, steps, lambda: f"loss {loss:.4f}  PSNR {psnr:.1f} dB")
            case events.Phase(worker, name, done, total) if worker in self._titles:
                self._bar(worker, name)(done, total, lambda: "")
            case events.WorkEnded(worker) if worker in self._titles:
                self._close(worker)
                del self._titles[worker]
            case events.JobFinished(result):
                self._show(result)
            case events.BatchEnded():
                self._end(event)

    def _bar(self, worker: int, phase: str = "") -> Show:
        """The bar of a worker's steps or of a phase; a new one takes the place of the one before."""
        if (worker, phase) not in self._bars:
            self._close(worker)
            title, unit = (f"{self._titles[worker]}: {phase}", "images") if phase else (self._titles[worker], "step")
            stack = ExitStack()
            self._bars[worker, phase] = stack, stack.enter_context(output.steps(title, unit=unit))
        return self._bars[worker, phase][1]

    def _close(self, worker: int) -> None:
        for key in [key for key in self._bars if key[0] == worker]:
            self._bars.pop(key)[0].close()

    def _show(self, result: JobResult) -> None:
        job, product = result.job, result.product
        if result.status == "done" and product is not None:
            if job.is_piped:
                sys.stdout.buffer.write(product.files["image"])
                sys.stdout.buffer.flush()
            for note in product.notes:
                output.say(f"{job.label}: {note}")
            if product.verdict:
                output.say(f"{job.label}: {product.verdict}", style="green")
            if product.warning:
                output.say(f"{job.label}: warning: {product.warning}", style="yellow")
        if result.error is not None:
            output.error(result.error)
        output.advance()
        if not self.quiet_stdout and result.status in ("done", "planned"):
            for path in job.paths.values():
                output.data(str(path))

    def _end(self, end: events.BatchEnded) -> None:
        for stack, _ in self._bars.values():
            stack.close()
        self._all.close()
        for error in end.errors:
            output.error(error)
        if end.report is not None and not self.quiet_stdout:
            output.data(end.report)
        if end.jobs > 1 or end.unfinished:
            counts = end.counts
            words = [f"{counts['done']} {end.verb}", f"{counts['skipped']} skipped", f"{counts['failed']} failed"]
            more = {"planned": counts["planned"], "unfinished": end.unfinished}
            output.say(", ".join([*words, *(f"{number} {word}" for word, number in more.items() if number)]))


def run_command(
    request: BatchRequest,
    jobs: list[Job],
    options: RunOptions,
    *,
    as_json: bool = False,
    executor: Executor | None = None,
    accepted: Container[int] = (0,),
) -> list[JobResult]:
    """Run a batch for a command, show it, and return its results, or end with its exit code unless that is accepted.

    Raises:
        UsageError: JSON lines and a picture are both to go to stdout.
        typer.Exit: A job failed (code 1, or 3 for missing weights), or Ctrl-C came (130).
    """
    if as_json and any(job.is_piped for job in jobs):
        raise UsageError("stdout cannot take both the picture and --json", hint="give a folder with -o")
    from ganinvert.batch.runner import run_batch

    listeners: list[events.Listener] = [ConsoleReporter(quiet_stdout=as_json)]
    if as_json:
        listeners.append(events.JsonLines(output.data))
    results, end = run_batch(request, jobs, executor=executor, options=options, listeners=listeners)
    if end.exit_code not in accepted:
        raise typer.Exit(end.exit_code)
    return results


def require_readable_job(jobs: Sequence[Job], *, are_bundles: bool = False) -> None:
    """Raise an error unless all files of at least one job can be opened and begin as they should.

    So nothing heavy is loaded for a batch of which nothing can come. The error is the last job's; the others' are
    shown.
    """
    from ganinvert.images import require_picture

    errors: list[GanInvertError] = []
    for job in jobs:
        try:
            for each in job.inputs:
                if each.problem:
                    raise each.problem
                if are_bundles or each.path.suffix.lower() in BUNDLES:
                    with open_input(each.path, BundleError, name=each.label):
                        pass
                else:
                    require_picture(each.path, name=each.label)
            return
        except GanInvertError as caught:
            errors.append(caught)
    for error in errors[:-1]:
        output.error(error)
    if errors:
        raise errors[-1]


def executor_for(workers: str, device: str, jobs: int, resources: str = "") -> Executor:
    """The executor that `--workers` asks for, a number, "auto" or a cluster of Ray, with no more workers than jobs."""
    from ganinvert.batch.executors import Pool, Serial, available_cores

    if workers == "ray" or workers.startswith("ray://"):
        from ganinvert.batch.ray import RayExecutor

        address = "" if workers == "ray" else workers
        return RayExecutor(address, max(jobs, 1), _resources_of(resources), logs=output.verbosity > 0)
    if resources:
        raise UsageError("--worker-resources are those of workers on Ray", hint="add --workers ray, or leave it out")
    if (count := number_of("--workers", workers)) is None:
        import torch

        chosen = "cuda" if device == "auto" and torch.cuda.is_available() else device
        count = {"auto": available_cores(), "cpu": available_cores(), "cuda": torch.cuda.device_count()}.get(chosen, 1)
    count = min(count, jobs)
    return Serial() if count <= 1 else Pool(count)


def _resources_of(text: str) -> dict[str, float]:
    """Parse cpu=2,gpu=0.5,memory=8G; units of bytes are K, M, G and T, of 1024."""
    resources: dict[str, float] = {}
    for part in filter(None, text.split(",")):
        found = re.fullmatch(r"\s*([\w:.-]+)=(\d+(?:\.\d+)?)([KMGT]?)\s*", part)
        if found is None:
            raise UsageError(
                f"--worker-resources {part!r} is no resource", hint="for instance --worker-resources cpu=2,gpu=0.5"
            )
        resources[found[1]] = float(found[2]) * 1024 ** " KMGT".index(found[3] or " ")
    return resources
