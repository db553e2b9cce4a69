"""The dispatcher of workers that are actors of a Ray cluster."""

from __future__ import annotations

import hashlib
import re
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ganinvert import files
from ganinvert.batch.actor import PROBE, actor_class, difference
from ganinvert.batch.desk import PATIENCE, environment_of
from ganinvert.batch.dispatch import MOST_ATTEMPTS, Death, Dispatcher, Member
from ganinvert.batch.events import Listener, Message
from ganinvert.batch.job import Job, JobResult
from ganinvert.batch.luggage import (
    Mark,
    Parcel,
    Piece,
    absolute,
    files_of,
    mark,
    move_paths,
    one_per_file_system,
    renamed,
)
from ganinvert.batch.session import BatchRequest, RunOptions
from ganinvert.batch.signals import postponed
from ganinvert.errors import GanInvertError, InputError, OutputError, UsageError

_POLL = 0.5
"""Seconds after which jobs that another process has are looked at again."""
_ROOM = 60.0
"""Seconds that a worker may wait for a machine when there is no other one."""
_INNOCENT = 1 / 3
"""Share of an attempt that a job loses when its whole machine goes."""


@dataclass(eq=False)
class _Actor(Member):
    actor: Any
    reply: Any
    stage: str = "look"
    answers: list[Any] = field(default_factory=list)
    about: Mapping[str, Any] = field(default_factory=dict)
    shares_files: bool | None = None

    def send(self, job: Job | None) -> None:
        answer = None if job is None else _moved(job) if self.shares_files else Parcel.pack(_moved(job))
        if self.reply is None:
            self.answers.append(answer)  # the next question takes it along
        else:
            self.actor.put.remote(answer)


def _moved(job: Job) -> Job:
    """The job with absolute paths."""
    inputs = tuple(replace(each, path=absolute(each.path)) for each in job.inputs)
    return replace(job, inputs=inputs, paths={kind: absolute(path) for kind, path in job.paths.items()})


class Cluster(Dispatcher):
    """Workers that are actors with so many of Ray's resources each; `ray` is its module."""

    members: list[_Actor]  # type: ignore[assignment]  # no others are added

    def __init__(
        self, ray: Any, request: BatchRequest, options: RunOptions, emit: Listener, needs: Mapping[str, float]
    ) -> None:
        super().__init__(options, emit)
        self.ray, self.needs, self.request = ray, dict(needs), move_paths(request, absolute)
        self.files = files_of(self.request)
        self.marks = [mark(path) for path in self.files.values()]
        self._pieces: list[Piece] | None = None
        self._actors = ray.remote(actor_class())
        self._landmarks: list[Mark] = []
        self._probes = ExitStack()
        self._claims: dict[str, ExitStack] = {}
        self._refused: list[tuple[Member, JobResult]] = []
        self._unborn: defaultdict[int, float] = defaultdict(float)
        self._since = time.monotonic()

    def start(self, number: int) -> None:
        """Start an actor; one in its place is ended, which frees its resources."""
        for each in self.members:
            if each.number == number:
                self._kill(each)
        needs = {**self.needs}
        options = {"num_cpus": needs.pop("CPU"), "num_gpus": needs.pop("GPU", 0), "memory": needs.pop("memory", None)}
        actor = self._actors.options(
            **options, resources=needs, max_concurrency=4, scheduling_strategy="SPREAD"
        ).remote()
        self.members.append(_Actor(number, actor, actor.look.remote(self.marks)))
        self._since = time.monotonic()

    @property
    def is_ready(self) -> bool:
        """True if a worker is open; others may wait for a machine."""
        return any(each.is_open and not each.is_done for each in self.members)

    def open_failed(self, each: Member, error: GanInvertError) -> None:  # noqa: ARG002
        """Go on without the worker if there is another one."""
        if all(other.is_done for other in self.members):
            raise error
        self.emit(Message(f"a worker is left out: {error.message}", style="yellow"))

    def run(self, jobs: Sequence[Job]) -> Iterator[JobResult]:
        """Hand out the jobs, and yield their results as they come."""
        self._landmarks = self._find_landmarks(jobs)
        yield from super().run(jobs)

    def receive(self) -> Iterator[tuple[Member, str, Any]]:
        """Wait a moment for messages, and yield them."""
        while self._refused:
            each, result = self._refused.pop()
            yield each, "result", result
        asked = {each.reply: each for each in self.members if not each.is_done}
        try:
            ready, _ = self.ray.wait(list(asked), timeout=_POLL) if asked else ([], [])
            if ready:
                ready, _ = self.ray.wait(list(asked), num_returns=len(asked), timeout=0)
        except ConnectionError as error:
            hint = "give the same command again: what is done is skipped"
            raise UsageError(f"the connection to the Ray cluster is lost: {error}", hint=hint) from error
        if not ready and all(each.stage == "look" for each in asked.values()):
            self._require_room()
        for reply in ready:
            each = asked[reply]
            try:
                content = self.ray.get(reply)
            except self.ray.exceptions.ActorUnavailableError:  # Ray itself does not know yet what has happened
                each.stage, each.reply = "lost", each.actor.sees.remote([])
            except self.ray.exceptions.RayError as error:
                yield from self._mourn(each, self._cause(each, error))
            else:
                yield from self._hear(each, content)

    def next_job(self, each: Member) -> Job | None:
        """Take the next job; of those whose files are written here, one that no other process has."""
        assert isinstance(each, _Actor)
        if each.shares_files is None:
            with suppress(self.ray.exceptions.RayError):
                each.shares_files = self.ray.get(each.actor.sees.remote(self._landmarks), timeout=PATIENCE)
        for _ in range(len(self.waiting)):
            job = self.waiting.popleft()
            if each.shares_files or self.options.dry_run or not job.paths:
                return job
            try:
                if self._claim(job):
                    return job
            except OutputError as error:
                self._refused.append((each, JobResult(job, "failed", error=error)))
                return None
            self.waiting.append(job)
        return None

    def receive_result(self, each: Member, result: JobResult) -> JobResult:
        """Write the files of a result that came from elsewhere."""
        planned = next((job for job in each.jobs if job.label == result.job.label), result.job)
        result = renamed(result, planned)
        job = result.job
        with self._claims.pop(job.label, ExitStack()):
            if result.status != "done" or result.product is None or not (job.paths and result.product.files):
                return result
            try:
                with postponed():
                    files.write_together({path: result.product.files[kind] for kind, path in job.paths.items()})
                    files.tidy(job.last)
            except OutputError as error:
                return replace(result, status="failed", product=None, seconds=None, error=error)
            return replace(result, product=replace(result.product, files={}))

    def close(self) -> None:
        """Let every worker end what it is writing, and end all actors."""
        with suppress(self.ray.exceptions.RayError, ConnectionError):
            if ends := [each.actor.close.remote() for each in self.members if each.stage == "work"]:
                self.ray.wait(ends, num_returns=len(ends), timeout=PATIENCE)
        for each in self.members:
            self._kill(each)
        for stack in (*self._claims.values(), self._probes):
            stack.close()

    def _kill(self, each: _Actor) -> None:
        with suppress(self.ray.exceptions.RayError, ConnectionError):
            self.ray.kill(each.actor)

    def _hear(self, each: _Actor, content: Any) -> Iterator[tuple[Member, str, Any]]:
        """Go on to the next stage of a worker that is being opened, or pass its messages on."""
        each.reply = None
        if each.stage == "look":
            each.about, each.stage = content, "open"
            if (problem := difference(content)) is not None:
                self._kill(each)
                yield each, "open", problem
                return
            work = each.number, self.request, self.options, max(1, int(self.needs["CPU"]))
            shared = content["sees"] and bool(self.marks)
            pieces = None if shared else self._packed()
            each.reply = each.actor.open.remote(work, self.needs.get("GPU", 0), environment_of(shared=shared), pieces)
            return
        if each.stage == "lost":  # what it said meanwhile may be lost
            yield from self._mourn(each, Death(f"{each.about.get('host')} was out of reach", _INNOCENT))
            return
        for kind, message in content if each.stage == "work" else ():
            if kind == "death":
                yield from self._mourn(each, message)
                return
            yield each, kind, message
        each.stage = "work"
        if not each.is_done:
            answers, each.answers = each.answers, []
            each.reply = each.actor.exchange.remote(*answers)

    def _mourn(self, each: _Actor, death: Death) -> Iterator[tuple[Member, str, Any]]:
        """Say that a worker died; one that was not open yet is started anew, unless that has failed again and again."""
        self._kill(each)
        for label in [job.label for job in each.jobs if job.label in self._claims]:
            self._claims.pop(label).close()
        if each.is_open:
            yield each, "death", death
            return
        self._unborn[each.number] += death.blame
        if self._unborn[each.number] < MOST_ATTEMPTS:
            each.is_done = True
            self.start(each.number)
        else:
            hint = "each needs memory for a generator; -v shows Ray's log"
            yield each, "open", InputError(f"a worker ended before it began ({death.reason})", hint=hint)

    def _cause(self, each: _Actor, error: Exception) -> Death:
        """The cause of the silence of an actor; a machine that went is no fault of its jobs."""
        host = each.about.get("host", "a machine")
        alive = {node["NodeID"] for node in self.ray.nodes() if node["Alive"]}
        if each.about.get("node", "") not in alive or "node has died" in str(error):
            return Death(f"{host} is gone", _INNOCENT)
        exit_type = re.search(r"Worker exit type: (\w+)", str(error))
        return Death(f"on {host}: {exit_type[1] if exit_type else type(error).__name__}")

    def _require_room(self) -> None:
        if time.monotonic() - self._since > _ROOM:
            described = ", ".join(f"{amount:g} {name}" for name, amount in self.needs.items())
            raise UsageError(
                f"the cluster has had no room for a worker ({described}) for {_ROOM:.0f} seconds",
                hint="give the same command again when it has: what is done is skipped",
            )

    def _claim(self, job: Job) -> bool:
        """Claim the files of a job, which are written here."""
        with ExitStack() as stack:
            if not stack.enter_context(files.claim(job.last)):
                return False
            self._claims[job.label] = stack.pop_all()
        return True

    def _packed(self) -> list[Piece]:
        """The files of the request, put into the object store at the first time."""
        if self._pieces is None:
            self._pieces = []
            for (key, path), each in zip(self.files.items(), self.marks, strict=True):
                content = path.read_bytes()
                self._pieces.append(Piece(key, each, hashlib.sha256(content).hexdigest(), self.ray.put(content)))
        return self._pieces

    def _find_landmarks(self, jobs: Sequence[Job]) -> list[Mark]:
        """Marks of a file on each file system of the jobs: by these a worker tells if it has them, too."""
        marks = [mark(path) for path in one_per_file_system(each.path for job in jobs for each in job.inputs)]
        if self.options.dry_run:
            return marks
        folders = {absolute(job.last.parent): None for job in jobs if job.paths}
        return marks + [self._probe(folder) for folder in one_per_file_system(folders)]

    def _probe(self, folder: Path) -> Mark:
        """Write a file into a folder of results until the batch ends, and return its mark."""
        probe = folder / PROBE
        try:
            folder.mkdir(parents=True, exist_ok=True)
            probe.touch()
            self._probes.callback(probe.unlink, missing_ok=True)
            return mark(probe)
        except OSError:
            return str(probe), 0, 0  # nobody sees it, and every job says why
