"""Running a batch: jobs to an executor, results and events to listeners."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence

from ganinvert.batch.events import BatchEnded, BatchStarted, Event, JobFinished, Listener
from ganinvert.batch.executors import Executor, Serial
from ganinvert.batch.job import Job, JobResult, Status
from ganinvert.batch.report import HtmlReport
from ganinvert.batch.session import BatchRequest, RunOptions
from ganinvert.errors import GanInvertError


def run_batch(
    request: BatchRequest,
    jobs: Sequence[Job],
    *,
    executor: Executor | None = None,
    options: RunOptions | None = None,
    listeners: Iterable[Listener] = (),
) -> tuple[list[JobResult], BatchEnded]:
    """Do jobs, and tell listeners of everything that happens.

    Args:
        request: Request of the batch.
        jobs: Inputs and the files that become of them.
        executor: Place of the workers; by default this process.
        options: Options of the batch.
        listeners: Functions that receive every event, in this order.

    Returns:
        The results in the order in which they ended, and the last event, which has the exit code. After Ctrl-C the
        results are those that were made until then.

    Raises:
        GanInvertError: The request cannot be opened; failures of single jobs are results.
        SystemExit: A signal ended the process.
    """
    options = options or RunOptions()
    receivers = list(listeners)
    if options.report is not None and not options.dry_run:
        receivers.insert(0, HtmlReport(options.report, title=f"ganinvert {request.command}"))

    def tell(event: Event) -> None:
        for receive in receivers:
            receive(event)

    results: list[JobResult] = []
    counts: Counter[Status] = Counter()
    with (executor or Serial()).opened(request, options, tell) as run:
        started, code = time.monotonic(), 0
        tell(BatchStarted(len(jobs)))
        try:
            for result in run(jobs):
                results.append(result)
                counts[result.status] += 1
                if result.error is not None:
                    code = max(code, 3 if result.error.exit_code == 3 else 1)
                tell(JobFinished(result))
        except KeyboardInterrupt:
            code = 130
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
            raise
        except Exception as error:
            code = error.exit_code if isinstance(error, GanInvertError) else 1
            raise
        finally:
            seconds = round(time.monotonic() - started, 3)
            end = BatchEnded(request.command, request.verb, len(jobs), counts, seconds, code)
            tell(end)
    return results, end
