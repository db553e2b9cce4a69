"""Treating many items: what is shown, written, skipped and counted is the same in every command.

A command says what is to be done (`Work`) to which items (`_results.plan`), and `treat` does the rest: a failed item
does not stop the others, what is up to date is skipped, and a stop at any moment leaves whole results only.
"""

from __future__ import annotations

import sys
import time
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Generic

import typer

from ganinvert import files
from ganinvert.cli._console import Overall, output
from ganinvert.cli._events import Event, Status, Summary
from ganinvert.cli._report import entry, write_report
from ganinvert.cli._results import Item
from ganinvert.cli._signals import postponed
from ganinvert.cli._work import Conduct, Done, P, Work
from ganinvert.errors import GanInvertError, InputError, InsufficientMemoryError, OutputError, UsageError
from ganinvert.report import Entry


def treat(items: Sequence[Item], work: Work[P], conduct: Conduct, *, command: str) -> None:
    """Treat every item and say what became of it.

    Raises:
        UsageError: JSON lines and a picture are both to go to stdout.
        typer.Exit: With code 1 when an item failed, 3 when one failed for missing weights, or 130 after Ctrl-C.
    """
    if conduct.as_json and any(item.is_piped for item in items):
        raise UsageError("stdout cannot take both the picture and --json", hint="give a folder with -o")
    run = _Run(len(items), work, conduct)
    code = 0
    try:
        with output.overall(len(items)) as run.overall:
            run.treat(items)
        code = run.exit_code
    except KeyboardInterrupt:
        code = 130
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 1
        raise
    finally:
        code = max(code, run.report(command))
        run.summarise(command, code)
    if code:
        raise typer.Exit(code)


@dataclass(frozen=True)
class _Ready(Generic[P]):
    item: Item
    prepared: P
    hashes: tuple[str, str]


class _Run(Generic[P]):
    """The state of one `treat`."""

    overall: Overall

    def __init__(self, total: int, work: Work[P], conduct: Conduct) -> None:
        self.total, self.work, self.conduct = total, work, conduct
        self.most = sys.maxsize  # in a batch, since memory was short
        self.tally: Counter[Status] = Counter()
        self.exit_code = 0
        self.elsewhere: deque[Item] = deque()
        self.entries: list[Entry] = []
        self.written_report: Path | None = None
        self.started = time.monotonic()

    def treat(self, items: Sequence[Item]) -> None:
        """All of them, in batches; those that another process is at come last."""
        waiting = deque(items)
        while waiting and not self._stopped:
            with ExitStack() as claims:
                batch: list[_Ready[P]] = []
                size = min(self.work.batch_size(), self.most)
                while waiting and len(batch) < size and not self._stopped:
                    batch += self._ready(waiting.popleft(), claims)
                self._finish(batch)
        while self.elsewhere and not self._stopped:
            with ExitStack() as claims:  # one at a time: nobody waits while holding what others wait for
                self._finish(self._ready(self.elsewhere.popleft(), claims, wait=True))

    def summarise(self, command: str, code: int) -> None:
        """The last words."""
        unfinished = self.total - self.tally.total()
        counts = {"done": self.tally["done"], "skipped": self.tally["skipped"], "failed": self.tally["failed"]}
        more = {"planned": self.tally["planned"], "unfinished": unfinished}
        if self.total > 1 or unfinished:
            words = [f"{counts['done']} {self.work.done}", f"{counts['skipped']} skipped", f"{counts['failed']} failed"]
            output.say(", ".join([*words, *(f"{number} {word}" for word, number in more.items() if number)]))
        if self.conduct.as_json:
            seconds = round(time.monotonic() - self.started, 3)
            written = None if self.written_report is None else str(self.written_report)
            summary = Summary(command, **counts, **more, seconds=seconds, exit_code=code, report=written)
            output.data(summary.line())

    def report(self, command: str) -> int:
        """Write the page about what was treated; the exit code that follows."""
        if self.conduct.report is None or not self.entries:
            return 0
        try:
            with postponed():
                write_report(self.conduct.report, self.entries, command=command)
        except OutputError as error:
            output.error(error)
            return 1
        self.written_report = self.conduct.report
        if not self.conduct.as_json:
            output.data(str(self.conduct.report))
        return 0

    @property
    def _stopped(self) -> bool:
        return self.conduct.fail_fast and self.tally["failed"] > 0

    def _ready(self, item: Item, claims: ExitStack, *, wait: bool = False) -> list[_Ready[P]]:
        """The item, read and claimed; nothing when there is nothing to do for it now."""
        hashes: tuple[str, str] | None = None
        try:
            for each in item.inputs:
                if each.problem is not None:
                    raise each.problem
            prepared = self.work.prepare(item)
            hashes = self.work.identity(prepared)
            if self._is_done(item, prepared, hashes, claims, wait=wait):
                return []
        except Exception as error:  # whatever it is, it is no reason to stop the others
            self._fail(item, error, hashes)
            return []
        if self.conduct.dry_run:
            self._tell(item, "planned", hashes)
            return []
        return [_Ready(item, prepared, hashes)]

    def _is_done(self, item: Item, prepared: P, hashes: tuple[str, str], claims: ExitStack, *, wait: bool) -> bool:
        """Whether the item is up to date, or another process is at it; if not, it is claimed."""
        if not item.paths:
            return False
        overwrite = self.conduct.overwrite
        if self.conduct.dry_run:
            up_to_date = item.is_up_to_date(*hashes, overwrite=overwrite)
        else:
            up_to_date = False
            with suppress(OutputError):  # what is in the way may be half of what another process is writing
                up_to_date = item.is_up_to_date(*hashes, overwrite=overwrite) and not files.has_companions(item.last)
            if not up_to_date:
                if not claims.enter_context(files.claim(item.last, wait=wait)):
                    output.say(f"{item.label}: another process is at it", level=1)
                    self.elsewhere.append(item)
                    return True
                if up_to_date := item.is_up_to_date(*hashes, overwrite=overwrite):
                    files.tidy(item.last)
        if up_to_date:
            output.say(f"{item.label}: up to date, skipped")
            self._tell(item, "skipped", hashes, known=self.work.recall(item, prepared) if self.conduct.report else None)
        return up_to_date

    def _finish(self, batch: Sequence[_Ready[P]]) -> None:
        """Make and write the results of a batch, or of its halves when memory is short."""
        if not batch:
            return
        started = time.monotonic()
        names = [Path(each.label).name for each in batch[0].item.inputs]
        title = " + ".join(names) if len(batch) == 1 else f"{len(batch)} photos"
        results: Sequence[Done] | None = None
        try:
            with self.overall.steps(title) as show:
                results = self.work.run([(ready.item, ready.prepared) for ready in batch], show)
        except Exception as error:
            if len(batch) == 1 or not isinstance(error, InsufficientMemoryError):
                for ready in batch:
                    self._fail(ready.item, error, ready.hashes)
                return
        if results is None:  # not before the error is gone, whose traceback holds what filled the memory
            self._finish_halved(batch)
            return
        seconds = (time.monotonic() - started) / len(batch)
        for ready, result in zip(batch, results, strict=True):
            try:
                with postponed():
                    self._write(ready, result, seconds)
            except Exception as error:
                self._fail(ready.item, error, ready.hashes)

    def _finish_halved(self, batch: Sequence[_Ready[P]]) -> None:
        half = self.most = len(batch) // 2
        output.say(f"memory is short: going on with {half} together", style="yellow")
        for part in range(0, len(batch), half):
            self._finish(batch[part : part + half])

    def _write(self, ready: _Ready[P], result: Done, seconds: float) -> None:
        """The files, then the words about them."""
        item = ready.item
        if not result.files:
            raise InputError(f"{item.label}: nothing was written", hint=result.warning)
        if item.paths:
            files.write_together({path: result.files[kind]() for kind, path in item.paths.items()})
            files.tidy(item.last)
        elif item.is_piped:
            sys.stdout.buffer.write(result.files["image"]())
            sys.stdout.buffer.flush()
        for note in result.notes:
            output.say(f"{item.label}: {note}")
        if result.verdict:
            output.say(f"{item.label}: {result.verdict}", style="green")
        if result.warning:
            output.say(f"{item.label}: warning: {result.warning}", style="yellow")
        self._tell(item, "done", ready.hashes, result=result, seconds=round(seconds, 3))

    def _fail(self, item: Item, error: Exception, hashes: tuple[str, str] | None) -> None:
        if not isinstance(error, GanInvertError):
            known = InputError(
                f"{item.label}: unexpected {type(error).__name__}: {error}",
                hint="this is a fault of ganinvert: please report it, with the output of -vv and `ganinvert doctor`",
            )
            known.__cause__ = error
            error = known
        error.message = error.message.replace(*_spoken(item))
        output.error(error)
        self.exit_code = max(self.exit_code, 3 if error.exit_code == 3 else 1)
        self._tell(item, "failed", hashes, error=error)

    def _tell(
        self,
        item: Item,
        status: Status,
        hashes: tuple[str, str] | None,
        *,
        result: Done | None = None,
        known: Done | None = None,
        seconds: float | None = None,
        error: GanInvertError | None = None,
    ) -> None:
        """Count the item, and say on stdout what became of it."""
        self.tally[status] += 1
        self.overall.advance()
        if self.conduct.report and status != "planned":
            self.entries.append(entry(item.label, status, result or known, seconds=seconds, error=error))
        written = [] if status in ("failed", "skipped") else list(map(str, item.paths.values()))
        if not self.conduct.as_json:
            for path in written:
                output.data(path)
            return
        event = Event(
            inputs=[each.label for each in item.inputs],
            status=status,
            outputs={} if status == "failed" else {kind: str(path) for kind, path in item.paths.items()},
            metrics=dict(result.metrics) if result else {},
            outcome=result.outcome or None if result else None,
            notes=list(result.notes) if result else [],
            warning=result.warning or None if result else None,
            seconds=seconds,
            settings_hash=hashes[0] if hashes else None,
            input_sha256=hashes[1] if hashes else None,
            error=error.message if error else None,
            hint=error.hint or None if error else None,
        )
        output.data(event.line())


def _spoken(item: Item) -> tuple[str, str]:
    """What a message calls the file of an input, and what the user calls it: they differ for stdin."""
    return str(item.inputs[0].path), item.inputs[0].label
