"""Workers on a Ray cluster of three nodes on this machine: the results of one process, whatever happens to workers."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import ganinvert
from ganinvert import files
from ganinvert.batch import actors
from ganinvert.batch.events import BatchStarted, Event, JobFinished, Message, Progress
from ganinvert.batch.executors import Serial
from ganinvert.batch.inputs import Input
from ganinvert.batch.job import Job, JobResult
from ganinvert.batch.luggage import Mark
from ganinvert.batch.outputs import plan_outputs
from ganinvert.batch.ray import RayExecutor, connect
from ganinvert.batch.requests import PhotoRequest
from ganinvert.batch.runner import run_batch
from ganinvert.batch.session import RunOptions
from ganinvert.bundle import LatentBundle
from ganinvert.errors import UsageError
from ganinvert.settings import InpaintTask, InversionSettings, Optimization, PmSFC, Request
from ganinvert.subspaces import SelfExpression, store

from .commandline import names, photo, program, run
from .test_batch_executors import Writing, jobs

ray = pytest.importorskip("ray", reason="needs the extra ganinvert[ray]")
pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="several nodes on one machine need Linux"),
    pytest.mark.filterwarnings("ignore"),  # Ray's own
]
ROOT = Path(__file__).parents[1]
NODE = {"num_cpus": 1, "object_store_memory": 80_000_000, "include_dashboard": False}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="ray") as folder:
        patch.setenv("RAY_TMPDIR", folder)
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_worker_niceness", "0")
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]))
        started = Cluster()
        try:
            for _ in range(3):
                started.add_node(**NODE)
            yield started
        finally:
            ray.shutdown()
            started.shutdown()


@pytest.fixture
def executor(cluster: Any) -> RayExecutor:
    connect(cluster.address, logs=False)
    return RayExecutor()


@pytest.fixture
def request_(tmp_path: Path) -> Writing:
    (tmp_path / "attempts").mkdir()
    return Writing(str(tmp_path / "attempts"))


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """No worker recognises a file of this machine."""

    def foreign(path: Path) -> Mark:
        return str(path), 0, 1

    monkeypatch.setattr(actors, "mark", foreign)


def plan(pictures: Sequence[Path], folder: Path) -> list[Job]:
    suffixes = {"image": ".png", "bundle": ".pt"}
    groups = [[Input(str(path), path, path.stem)] for path in pictures]
    return plan_outputs(groups, folder, task="invert", suffixes=suffixes)


def inversions(generator: Path) -> PhotoRequest:
    settings = InversionSettings(PmSFC(subspaces=1, codes=2), Optimization(steps=3))
    return PhotoRequest(Request(settings=settings, generator=generator, device="cpu", dtype="float32", align="off"))


def require_equal(folder: Path, other: Path) -> None:
    assert names(folder) == names(other) != []
    for path in folder.glob("*.pt"):
        tensors, theirs = LatentBundle.load(path).tensors, LatentBundle.load(other / path.name).tensors
        assert all(torch.equal(tensors[name], theirs[name]) for name in tensors)
    for path in folder.glob("*.png"):
        assert path.read_bytes() == (other / path.name).read_bytes()


@pytest.fixture
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("one_thread")
def test_results_are_the_same_bits_where_workers_have_the_files(
    executor: RayExecutor, small_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = [photo(tmp_path / f"{n}.png", (20 + n, 16)) for n in range(6)]
    run_batch(inversions(small_file), plan(pictures, tmp_path / "serial"), executor=Serial())
    monkeypatch.chdir(tmp_path)  # paths are those of the driver's working directory
    here = [Path(path.name) for path in pictures]
    seen: list[Event] = []
    results, end = run_batch(
        inversions(Path(small_file.name)), plan(here, Path("ray")), executor=executor, listeners=[seen.append]
    )
    assert (end.exit_code, end.counts["done"]) == (0, 6)
    assert {result.job.inputs[0].path for result in results} == set(here)
    assert len({event.worker for event in seen if isinstance(event, Progress)}) > 1
    require_equal(tmp_path / "serial", tmp_path / "ray")
    again, _ = run_batch(inversions(Path(small_file.name)), plan(here, Path("ray")), executor=executor)
    assert {result.status for result in again} == {"skipped"}


@pytest.mark.usefixtures("elsewhere", "one_thread")
def test_files_travel_to_workers_that_do_not_have_them(
    executor: RayExecutor,
    expression: SelfExpression,
    small_file: Path,
    tmp_path: Path,
) -> None:
    store(expression)
    pictures = [photo(tmp_path / "in" / f"{n}.png", (20 + n, 16)) for n in range(3)]
    masks = [photo(tmp_path / "masks" / f"{n}.png", (20 + n, 16)) for n in (1, 2)]
    settings = InversionSettings(PmSFC(subspaces=2, codes=1), Optimization(steps=2))
    request = PhotoRequest(Request(InpaintTask(mask=masks[0].parent), settings, small_file, align="off", device="cpu"))
    for name, chosen in (("serial", Serial()), ("ray", executor)):
        results, end = run_batch(request, plan(pictures, tmp_path / name), executor=chosen)
        assert (end.counts["done"], end.counts["failed"]) == (2, 1)
        [error] = [result.error for result in results if result.error]
        assert error.message.startswith(f"{pictures[0]}: no mask 0.*")
    require_equal(tmp_path / "serial", tmp_path / "ray")
    again, _ = run_batch(request, plan(pictures[1:], tmp_path / "ray"), executor=executor)
    assert {result.status for result in again} == {"skipped"}
    others = plan(pictures[1:], tmp_path / "ray")
    others = [replace(job, inputs=tuple(reversed(others))[n].inputs) for n, job in enumerate(others)]
    refused, _ = run_batch(request, others, executor=executor)
    assert {result.status for result in refused} == {"failed"}
    assert str(others[0].paths["image"]) in str(
        next(each.error for each in refused if each.job.label == others[0].label)
    )


@pytest.mark.parametrize("travel", [False, True], ids=["shared", "elsewhere"])
def test_a_poisoned_job_is_given_up_and_the_others_are_done(
    executor: RayExecutor, request_: Writing, tmp_path: Path, travel: bool, request: pytest.FixtureRequest
) -> None:
    if travel:
        request.getfixturevalue("elsewhere")
    labels = ["a", "poison", "b", "unlucky", "c", "broken", "d"]
    results, end = run_batch(request_, jobs(tmp_path, *labels), executor=executor)
    statuses = {result.job.label: result.status for result in results}
    assert statuses == {**dict.fromkeys(labels, "done"), "poison": "failed", "broken": "failed"}
    assert len(results) == len(labels)
    assert (tmp_path / "attempts" / "poison").stat().st_size == 3
    assert any("died 3 times" in str(result.error) for result in results)
    assert (end.exit_code, end.unfinished) == (1, 0)
    assert names(tmp_path / "out") == [f"{label}.invert.pt" for label in ("a", "b", "c", "d", "unlucky")]


def test_a_lost_node_loses_no_job_and_is_no_fault_of_its_job(
    cluster: Any, executor: RayExecutor, request_: Writing, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    labels = [f"brief{n}" for n in range(12)]
    messages: list[str] = []
    left = 2

    def tell(event: Event) -> None:
        nonlocal left
        if isinstance(event, Message):
            messages.append(event.text)
        if isinstance(event, JobFinished) and left:
            left -= 1
            cluster.remove_node(cluster.worker_nodes and sorted(cluster.worker_nodes, key=str)[0], allow_graceful=False)
            cluster.add_node(**NODE, wait=False)

    results, end = run_batch(request_, jobs(tmp_path, *labels), executor=executor, listeners=[tell])
    assert sorted(result.job.label for result in results) == sorted(labels)
    assert {result.status for result in results} <= {"done", "skipped"}
    assert end.exit_code == 0
    assert names(tmp_path / "out") == sorted(f"{label}.invert.pt" for label in labels)
    assert any("is gone" in text for text in messages), messages
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("elsewhere")
def test_files_that_another_process_has_come_last(executor: RayExecutor, request_: Writing, tmp_path: Path) -> None:
    planned, results = jobs(tmp_path, "locked", "a", "b"), []
    release = threading.Event()

    def tell(event: Event) -> None:
        if isinstance(event, JobFinished):
            results.append(event.result.job.label)
            if len(results) == 2:
                release.set()

    def hold() -> None:
        with files.claim(planned[0].last):
            held.set()
            release.wait(60)

    held = threading.Event()
    threading.Thread(target=hold).start()
    assert held.wait(10)
    _, end = run_batch(request_, planned, executor=executor, listeners=[tell])
    assert (end.counts["done"], results[-1]) == (3, "locked")


def test_the_first_failure_stops_a_batch_that_is_to_fail_fast(
    executor: RayExecutor, request_: Writing, tmp_path: Path
) -> None:
    labels = ["broken", *(f"brief{n}" for n in range(20))]
    _, end = run_batch(request_, jobs(tmp_path, *labels), executor=executor, options=RunOptions(fail_fast=True))
    assert end.counts["failed"] == 1
    assert end.unfinished >= 10


def test_ctrl_c_ends_all_workers_soon_and_keeps_what_is_done(
    executor: RayExecutor, request_: Writing, tmp_path: Path
) -> None:
    def stop(event: Event) -> None:
        if isinstance(event, Progress):
            raise KeyboardInterrupt

    results, end = run_batch(request_, jobs(tmp_path, "a", "slow", "b"), executor=executor, listeners=[stop])
    assert end.exit_code == 130
    assert {result.job.label for result in results} <= {"a", "b"}
    assert set(names(tmp_path / "out")) <= {"a.invert.pt", "b.invert.pt"}


@pytest.mark.usefixtures("one_thread")
def test_a_driver_that_was_killed_goes_on_with_what_is_not_done(cluster: Any, small_file: Path, tmp_path: Path) -> None:
    pictures = [photo(tmp_path / "in" / f"{n}.png") for n in range(8)]
    arguments: list[object] = ["invert", tmp_path / "in", "-g", small_file, "-R", 1, "-K", 1, "--align", "off"]
    arguments += ["--steps", 40, "--device", "cpu"]
    environment = {**os.environ, "RAY_ADDRESS": cluster.address}
    command = [*arguments, "-o", tmp_path / "ray", "--workers", "ray"]
    first = program(*command, env=environment)
    deadline = time.monotonic() + 120
    while not list((tmp_path / "ray").glob("*.pt")) and time.monotonic() < deadline:
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    process = program(*command, env=environment)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    assert "0 failed" in stderr
    assert " 0 skipped" not in stderr
    assert len(list((tmp_path / "ray").glob("*.pt"))) == len(pictures)
    assert run(*arguments, "-o", tmp_path / "serial").exit_code == 0
    require_equal(tmp_path / "serial", tmp_path / "ray")


def test_another_version_on_the_workers_is_refused(
    executor: RayExecutor, request_: Writing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = ganinvert.__version__
    monkeypatch.setattr(ganinvert, "__version__", "99.0")
    seen: list[Event] = []
    with pytest.raises(UsageError, match=f"has ganinvert {ours} .*and this machine has 99.0"):
        run_batch(request_, jobs(tmp_path, "a"), executor=executor, listeners=[seen.append])
    assert not any(isinstance(event, BatchStarted) for event in seen)


def test_a_request_that_cannot_be_opened_is_an_error_before_any_job(executor: RayExecutor, tmp_path: Path) -> None:
    seen: list[Event] = []
    with pytest.raises(Exception, match=r"missing\.safetensors"):
        run_batch(inversions(tmp_path / "missing.safetensors"), [], executor=executor, listeners=[seen.append])
    assert not any(isinstance(event, BatchStarted) for event in seen)


def test_a_cluster_without_room_for_a_worker_says_so_in_seconds(executor: RayExecutor, small_file: Path) -> None:
    request = inversions(small_file)
    on_gpu = replace(request, request=replace(request.request, device="cuda"))
    started = time.monotonic()
    for chosen, wanted, reason in (
        (executor, on_gpu, "it has 0 GPU"),
        (RayExecutor(resources={"cpu": 64}), request, "it has 3 CPU"),
        (RayExecutor(resources={"tpu": 1}), request, "it has 0 tpu"),
    ):
        with pytest.raises(UsageError, match=reason):
            run_batch(wanted, [], executor=chosen)
    busy = ray.remote(num_cpus=1)(time.sleep)
    running = [busy.remote(30) for _ in range(3)]
    time.sleep(1)
    with pytest.raises(UsageError, match="no CPU is free on the cluster: 0 of 3 are left"):
        run_batch(request, [], executor=executor)
    for each in running:
        ray.cancel(each, force=True)
    assert time.monotonic() - started < 25


def test_a_cluster_that_cannot_be_reached_is_an_error_in_seconds() -> None:
    ray.shutdown()
    started = time.monotonic()
    for address, reason in (("ray://127.0.0.1:9", "Connection refused"), ("ray://", "is no address"), ("x:y", "is no")):
        with pytest.raises(UsageError, match=reason) as raised:
            connect(address, logs=False)
        assert raised.value.hint
    assert time.monotonic() - started < 10


def test_another_python_on_the_cluster_is_an_error(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ray.shutdown()
    monkeypatch.setattr("ray._private.utils.compute_version_info", lambda: (ray.__version__, "3.8.1"))
    with pytest.raises(UsageError, match=r"another version of Python or Ray: .*3\.8\.1"):
        connect(cluster.address, logs=False)


@pytest.mark.usefixtures("executor", "one_thread")
def test_results_of_the_library_and_of_bundles(small_file: Path, tmp_path: Path) -> None:
    pictures = [photo(tmp_path / f"{n}.png") for n in range(2)]
    settings = InversionSettings(PmSFC(subspaces=1, codes=1), Optimization(steps=2))
    results: list[JobResult] = ganinvert.invert_many(
        pictures, tmp_path, generator=small_file, settings=settings, align="off", executor=ganinvert.RayExecutor()
    )
    assert [result.status for result in results] == ["done", "done"]
    bundles = sorted(tmp_path.glob("*.invert.pt"))
    options = ["-g", small_file, "--json"]
    on_ray = run("render", *bundles, *options, "-o", tmp_path / "ray", "--workers", "ray")
    assert on_ray.exit_code == 0, on_ray.output
    assert [line.split('"')[3] for line in on_ray.stdout.splitlines()] == ["item", "item", "summary"]
    assert run("render", *bundles, *options, "-o", tmp_path / "serial").exit_code == 0
    require_equal(tmp_path / "serial", tmp_path / "ray")
