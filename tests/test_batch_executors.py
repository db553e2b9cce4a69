"""Every executor does the same jobs with the same results, whatever happens to its workers."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

import ganinvert
from ganinvert import files
from ganinvert.batch.dispatch import MOST_ATTEMPTS, Run
from ganinvert.batch.events import BatchEnded, BatchStarted, Event, JobFinished, Listener, Progress, WorkStarted
from ganinvert.batch.executors import Executor, Pool, Serial
from ganinvert.batch.inputs import Input
from ganinvert.batch.job import Job, JobResult, Product
from ganinvert.batch.outputs import plan_outputs
from ganinvert.batch.ray import RayExecutor
from ganinvert.batch.requests import PhotoRequest
from ganinvert.batch.runner import run_batch
from ganinvert.batch.session import BatchRequest, RunOptions, Session, Watch
from ganinvert.batch.worker import Worker, source_of
from ganinvert.bundle import LatentBundle
from ganinvert.cli._reporter import executor_for
from ganinvert.errors import ImageError, InputError, UsageError, WeightsError
from ganinvert.settings import InversionSettings, Optimization, PmSFC, Request

from .commandline import names, photo, program, run, wait_until
from .standins import FunctionSession, SessionRequest, run_jobs

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")


@dataclass(frozen=True)
class InAThread:
    """A further executor: all it takes is one class."""

    @contextmanager
    def opened(self, request: BatchRequest, options: RunOptions, emit: Listener) -> Iterator[Run]:
        worker = Worker(request.open(), options, emit)

        def run(jobs: Sequence[Job]) -> Iterator[JobResult]:
            results: list[JobResult] = []
            thread = threading.Thread(target=lambda: results.extend(worker.run(source_of(jobs))))
            thread.start()
            thread.join()
            yield from results

        yield run


EXECUTORS = {"serial": Serial(), "pool": Pool(2, threads=1), "thread": InAThread()}
each_executor = pytest.mark.parametrize("executor", EXECUTORS.values(), ids=EXECUTORS)


@dataclass(frozen=True)
class Writing(BatchRequest):
    """Writes the label of its job; some labels are orders to the worker."""

    command: ClassVar[str] = "invert"
    verb: ClassVar[str] = "written"
    session: ClassVar[str] = f"{__name__}:WritingSession"
    attempts: str  # as a path it would be a file of the request, and travel


class WritingSession(Session[str]):
    def __init__(self, request: Writing) -> None:
        self.attempts = Path(request.attempts)

    def prepare(self, job: Job) -> str:
        if job.label.startswith("broken"):
            raise ImageError(f"{job.label}: is no image", hint="take another")
        return job.label

    def identity(self, prepared: str) -> tuple[str, str]:
        return "s", prepared

    def run(self, batch: Sequence[tuple[Job, str]], watch: Watch) -> list[Product]:
        for job, label in batch:
            with (self.attempts / job.label).open("a") as file:
                file.write("x")
            first = (self.attempts / job.label).stat().st_size == 1
            if label.startswith("poison") or (label.startswith("unlucky") and first):
                os.kill(os.getpid(), signal.SIGKILL)
            if label.startswith("patient"):
                wait_until((self.attempts / "last").exists)
            if label.startswith(("slow", "brief")):
                for n in range(1200 if label.startswith("slow") else 10):
                    watch(Step(n))  # type: ignore[arg-type]
                    time.sleep(0.05)
        return [Product({"bundle": label.encode()}, metrics={"psnr": 30.0}) for _, label in batch]


class Step:
    """A step of an optimisation, as far as a worker looks at it."""

    steps = 200
    loss = psnr = torch.zeros(1)

    def __init__(self, index: int) -> None:
        self.index = index


def jobs(folder: Path, *labels: str) -> list[Job]:
    groups = [[Input(label, folder / label, label)] for label in labels]
    return plan_outputs(groups, folder / "out", task="invert", suffixes={"bundle": ".pt"})


@pytest.fixture
def request_(tmp_path: Path) -> Writing:
    (tmp_path / "attempts").mkdir()
    return Writing(str(tmp_path / "attempts"))


@each_executor
def test_results_are_the_same_bits(executor: Executor, small_file: Path, tmp_path: Path) -> None:
    settings = InversionSettings(PmSFC(subspaces=1, codes=2), Optimization(steps=3))
    request = PhotoRequest(Request(settings=settings, generator=small_file, device="cpu", dtype="float32", align="off"))
    pictures = [photo(tmp_path / f"{name}.png", (20 + n, 16)) for n, name in enumerate("abcd")]
    found: dict[str, dict[str, torch.Tensor]] = {}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for name, chosen in (("serial", Serial()), ("other", executor)):
        plan = plan_outputs(
            [[Input(str(path), path, path.stem)] for path in pictures],
            tmp_path / name,
            task="invert",
            suffixes={"image": ".png", "bundle": ".pt"},
        )
        results, end = run_batch(request, plan, executor=chosen)
        assert {result.status for result in results} == {"done"}
        assert (end.exit_code, end.counts["done"]) == (0, 4)
        for path in (tmp_path / name).glob("*.pt"):
            found.setdefault(path.name, {})[name] = LatentBundle.load(path).tensors["z"]
        again, _ = run_batch(request, plan, executor=chosen)
        assert {result.status for result in again} == {"skipped"}
    torch.set_num_threads(threads)
    assert len(found) == 4
    assert all(torch.equal(pair["serial"], pair["other"]) for pair in found.values())
    for path in (tmp_path / "serial").glob("*.png"):
        assert path.read_bytes() == (tmp_path / "other" / path.name).read_bytes()


@each_executor
def test_a_failed_job_does_not_stop_the_others(executor: Executor, request_: Writing, tmp_path: Path) -> None:
    seen: list[Event] = []
    results, end = run_batch(
        request_, jobs(tmp_path, "a", "broken", "b", "c"), executor=executor, listeners=[seen.append]
    )
    assert sorted(result.status for result in results) == ["done", "done", "done", "failed"]
    [failed] = [result for result in results if result.error]
    assert (failed.error.message, failed.error.hint) == ("broken: is no image", "take another")  # type: ignore[union-attr]
    assert repr(failed) == "<JobResult broken: failed, is no image>"
    assert (end.exit_code, end.unfinished) == (1, 0)
    assert names(tmp_path / "out") == ["a.invert.pt", "b.invert.pt", "c.invert.pt"]
    assert isinstance(seen[0], BatchStarted)
    assert isinstance(seen[-1], BatchEnded)
    assert sum(isinstance(event, JobFinished) for event in seen) == 4


@each_executor
def test_the_first_failure_stops_a_batch_that_is_to_fail_fast(
    executor: Executor, request_: Writing, tmp_path: Path
) -> None:
    labels = ["broken", *(f"{n}" for n in range(20))]
    _, end = run_batch(request_, jobs(tmp_path, *labels), executor=executor, options=RunOptions(fail_fast=True))
    assert end.counts["failed"] == 1
    assert end.unfinished >= 15


def test_a_poisoned_job_is_given_up_and_the_others_are_done(request_: Writing, tmp_path: Path) -> None:
    labels = ["a", "poison", "b", "unlucky", "c", "d"]
    results, end = run_batch(request_, jobs(tmp_path, *labels), executor=Pool(2, threads=1))
    statuses = {result.job.label: result.status for result in results}
    assert statuses == {**dict.fromkeys(labels, "done"), "poison": "failed"}
    assert (tmp_path / "attempts" / "poison").stat().st_size == MOST_ATTEMPTS
    [error] = [result.error for result in results if result.error]
    assert "died 3 times (signal SIGKILL)" in error.message
    assert (end.exit_code, end.unfinished) == (1, 0)
    assert len(names(tmp_path / "out")) == 5


def test_a_pool_ends_with_jobs_that_cannot_be_read_or_are_locked_elsewhere(request_: Writing, tmp_path: Path) -> None:
    plan = jobs(tmp_path, "locked", "closed", "a", "b", "c")
    closed = replace(plan[1].inputs[0], problem=InputError("closed: cannot be looked into"))
    plan[1] = replace(plan[1], inputs=(closed,))
    results: list[JobResult] = []
    with files.claim(plan[0].last):
        release = threading.Event()

        def tell(event: Event) -> None:
            if isinstance(event, JobFinished) and event.result.job.label == "c":
                release.set()

        threading.Thread(
            target=lambda: results.extend(run_batch(request_, plan, executor=Pool(2, threads=1), listeners=[tell])[0])
        ).start()
        assert release.wait(60)
    wait_until(lambda: len(results) == 5)
    statuses = {result.job.label: result.status for result in results}
    assert statuses == {**dict.fromkeys(("locked", "a", "b", "c"), "done"), "closed": "failed"}


def test_a_process_that_takes_the_place_of_another_has_its_number(request_: Writing, tmp_path: Path) -> None:
    seen: list[Event] = []
    run_batch(request_, jobs(tmp_path, "unlucky", "b"), executor=Pool(1, threads=1), listeners=[seen.append])
    assert {event.worker for event in seen if isinstance(event, WorkStarted)} == {0}


def test_a_failure_keeps_nothing_of_its_job_in_memory_and_its_claim_ends(tmp_path: Path) -> None:
    plan, seen = jobs(tmp_path, "a", "b", "c"), []
    plan[0].last.parent.mkdir()
    plan[0].last.write_text("in the way")

    class Large:
        pass

    def make(batch: Sequence[tuple[Job, str]], _watch: Watch) -> list[Product]:
        large = Large()
        seen.append(weakref.ref(large))
        with files.claim(plan[0].last) as is_free:
            assert is_free
        if batch[0][1] == "b":
            raise MemoryError
        return [Product({"bundle": b"c"})]

    results, _ = run_batch(SessionRequest(FunctionSession(make)), plan)
    assert [result.status for result in results] == ["failed", "failed", "done"]
    assert "MemoryError" in str(results[1].error)
    assert seen[0]() is None


def test_the_summary_has_the_exit_code_of_an_error_that_ends_the_batch(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Ending:
        @contextmanager
        def opened(self, request: BatchRequest, options: RunOptions, emit: Listener) -> Iterator[Run]:
            yield lambda _jobs: (_ for _ in ()).throw(WeightsError("gone"))

    seen: list[Any] = []
    with pytest.raises(WeightsError):
        run_batch(Writing(str(tmp_path)), jobs(tmp_path, "a"), executor=Ending(), listeners=[seen.append])
    assert seen[-1].exit_code == 3


def test_auto_takes_no_more_workers_than_jobs_and_one_for_a_device_that_was_named() -> None:
    assert executor_for("auto", "cpu", 1) == Serial()
    assert executor_for("5", "cpu", 3) == Pool(3)
    assert executor_for("auto", "mps", 3) == executor_for("auto", "cuda:1", 3) == Serial()


def test_a_slow_worker_keeps_no_job_from_the_others(request_: Writing, tmp_path: Path) -> None:
    results, _ = run_batch(request_, jobs(tmp_path, "patient", "a", "b", "last"), executor=Pool(2, threads=1))
    assert [result.job.label for result in results] == ["a", "b", "last", "patient"]


def test_workers_on_ray_are_asked_for_by_name_or_address() -> None:
    assert executor_for("ray", "auto", 3) == RayExecutor("", 3)
    asked = executor_for("ray://head:10001", "auto", 5, "cpu=2,gpu=0.5,memory=2G")
    assert asked == RayExecutor("ray://head:10001", 5, {"cpu": 2, "gpu": 0.5, "memory": 2 * 1024**3})
    for wrong in ("cpu", "cpu=-1", "cpu=many"):
        with pytest.raises(UsageError, match="is no resource"):
            executor_for("ray", "auto", 3, wrong)
    with pytest.raises(UsageError, match="workers on Ray"):
        executor_for("2", "auto", 3, "cpu=2")
    with pytest.raises(UsageError, match="a worker cannot have -1 of gpu"):
        RayExecutor(resources={"gpu": -1})


def test_workers_on_ray_need_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    result = run("invert", photo(tmp_path / "a.png"), "-o", tmp_path, "--workers", "ray")
    assert result.exit_code == 2
    assert "Ray, which is not installed here" in result.stderr
    assert "pip install 'ganinvert[ray]'" in result.stderr


def test_ctrl_c_ends_all_workers_soon_and_keeps_what_is_done(request_: Writing, tmp_path: Path) -> None:
    stopped = []

    def stop(event: Event) -> None:
        if isinstance(event, Progress):
            stopped.append(time.monotonic())
            raise KeyboardInterrupt

    results, end = run_batch(request_, jobs(tmp_path, "a", "slow", "b"), executor=Pool(2, threads=1), listeners=[stop])
    assert time.monotonic() - stopped[0] < 30  # the slow one takes a minute
    assert end.exit_code == 130
    assert {result.job.label for result in results} <= {"a", "b"}
    assert end.unfinished >= 1
    # A worker may have written a result that nobody asked it for any more; half of one is never there.
    assert set(names(tmp_path / "out")) >= {f"{result.job.label}.invert.pt" for result in results}
    assert all(path.read_text() == path.name.split(".")[0] for path in (tmp_path / "out").glob("*.pt"))


@pytest.mark.parametrize("executor", [Serial(), Pool(2, threads=1)], ids=["serial", "pool"])
def test_a_request_that_cannot_be_opened_is_an_error_before_any_job(executor: Executor, tmp_path: Path) -> None:
    request = PhotoRequest(Request(generator=tmp_path / "missing.safetensors"))
    seen: list[Event] = []
    with pytest.raises(Exception, match=r"missing\.safetensors"):
        run_batch(request, jobs(tmp_path, "a"), executor=executor, listeners=[seen.append])
    assert not any(isinstance(event, BatchStarted) for event in seen)


def test_the_next_job_is_read_but_not_claimed_while_one_is_in_work(tmp_path: Path) -> None:
    plan, was_read = jobs(tmp_path, "a", "b"), threading.Event()
    seen: list[tuple[str, bool, bool]] = []

    def read(job: Job) -> str:
        if job.label == "b":
            was_read.set()
        return job.label

    def make(batch: Sequence[tuple[Job, str]], _watch: Watch) -> list[Product]:
        [(_, label)] = batch
        with files.claim(plan[1].last) as is_free:
            seen.append((label, was_read.wait(10), is_free))
        return [Product({"bundle": label.encode()})]

    run_jobs(plan, FunctionSession(make, read=read))
    assert seen == [("a", True, True), ("b", True, False)]


def test_a_pool_needs_a_worker() -> None:
    with pytest.raises(UsageError, match="the number of workers cannot be 0"):
        Pool(0)


def test_the_command_takes_workers(small_file: Path, tmp_path: Path) -> None:
    pictures = [photo(tmp_path / f"{name}.png") for name in "ab"]
    options = [
        "-g",
        small_file,
        "-R",
        1,
        "-K",
        1,
        "--steps",
        2,
        "--align",
        "off",
        "--workers",
        2,
        "-o",
        tmp_path / "out",
    ]
    process = program("invert", *pictures, *options)
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    assert "2 inverted, 0 skipped, 0 failed" in stderr
    assert len(stdout.splitlines()) == 4
    assert names(tmp_path / "out") == ["a.invert.png", "a.invert.pt", "b.invert.png", "b.invert.pt"]


def test_the_library_does_many_photos_as_the_command_does(small_file: Path, tmp_path: Path) -> None:
    for name in "ab":
        photo(tmp_path / "in" / f"{name}.png")
    settings = InversionSettings(PmSFC(subspaces=1, codes=1), Optimization(steps=2))
    seen: list[Event] = []
    results = ganinvert.invert_many(
        [tmp_path / "in", tmp_path / "missing.png"],
        tmp_path / "out",
        generator=small_file,
        settings=settings,
        align="off",
        listeners=[seen.append],
    )
    assert [result.status for result in results] == ["done", "done", "failed"]
    assert results[0].outputs["bundle"] == tmp_path / "out" / "a.invert.pt"
    assert results[0].metrics["psnr"] > 0
    assert "a.png: done, psnr" in repr(results[0])
    assert any(isinstance(event, Progress) for event in seen)
    photos, out = [tmp_path / "in" / "a.png"], tmp_path / "out"
    common: dict[str, Any] = {"generator": small_file, "settings": settings, "align": "off", "save": "image"}
    ganinvert.colorize_many(photos, out, task=ganinvert.ColorizeTask("lab"), **common)
    ganinvert.upscale_many(photos, out, task=ganinvert.UpscaleTask(2), square=True, **common)
    ganinvert.inpaint_many(photos, out, task=ganinvert.InpaintTask(box=(4, 4, 8, 8)), **common)
    assert {f"a.{task}.png" for task in ("invert", "colorize", "upscale", "inpaint")} <= set(names(out))
    one = ganinvert.invert_many(str(photos[0]), tmp_path / "one", method=PmSFC(subspaces=1, codes=2), **common)
    assert [result.status for result in one] == ["done"]
