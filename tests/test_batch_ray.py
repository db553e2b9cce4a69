"""Workers on a Ray cluster of three nodes on this machine: the results of one process, whatever happens to workers."""

from __future__ import annotations

import json
import os
import pickle
import re
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import ganinvert
from ganinvert import files
from ganinvert.batch import cluster as dispatching
from ganinvert.batch.desk import Desk
from ganinvert.batch.dispatch import Dispatcher
from ganinvert.batch.events import BatchStarted, Event, JobFinished, Message, Progress
from ganinvert.batch.executors import Pool, Serial
from ganinvert.batch.inputs import Input
from ganinvert.batch.job import Job
from ganinvert.batch.luggage import Mark, Parcel
from ganinvert.batch.outputs import SUFFIXES, plan_outputs
from ganinvert.batch.ray import RayExecutor, connect
from ganinvert.batch.requests import PhotoRequest
from ganinvert.batch.runner import run_batch
from ganinvert.batch.session import RunOptions
from ganinvert.bundle import LatentBundle
from ganinvert.errors import UsageError
from ganinvert.settings import InpaintTask, InversionSettings, Optimization, PmSFC, Request, RestoreTask
from ganinvert.subspaces import SelfExpression, store

from .commandline import names, photo, program, run, wait_until
from .test_batch_executors import Writing, jobs
from .test_cli_evaluate import rows
from .test_whole_photos import face_file, two_faces  # noqa: F401  (a fixture)

ray = pytest.importorskip("ray", reason="needs the extra ganinvert[ray]")
pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="several nodes on one machine need Linux"),
    pytest.mark.filterwarnings("ignore"),  # Ray's own
]
ROOT = Path(__file__).parents[1]
NODE = {"num_cpus": 1, "object_store_memory": 80_000_000, "include_dashboard": False}
ONE = RayExecutor(workers=1)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Three nodes, of which the first has no room for a worker."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="ray") as folder:
        patch.setenv("RAY_TMPDIR", folder)
        patch.setenv("TMPDIR", folder)
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_AUTH_MODE", "disabled")
        patch.setenv("RAY_worker_niceness", "0")
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]))
        started = Cluster()
        try:
            for cpus in (0, 1, 1):
                started.add_node(**{**NODE, "num_cpus": cpus})
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

    monkeypatch.setattr(dispatching, "mark", foreign)


def mask_file(path: Path, size: tuple[int, int]) -> Path:
    path.parent.mkdir(exist_ok=True)
    mask = Image.new("L", size, 0)
    mask.paste(255, (4, 4, 9, 9))
    mask.save(path)
    return path


def plan(pictures: Sequence[Path], folder: Path, *kinds: str) -> list[Job]:
    suffixes = {kind: SUFFIXES[kind] for kind in kinds or ("image", "bundle")}
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
    monkeypatch.setattr(dispatching.Cluster, "is_ready", Dispatcher.is_ready)  # the first worker waits for the second
    here = [Path(path.name) for path in pictures]
    seen: list[Event] = []
    results, end = run_batch(
        inversions(Path(small_file.name)), plan(here, Path("ray")), executor=executor, listeners=[seen.append]
    )
    assert (end.exit_code, end.counts["done"]) == (0, 6)
    assert {result.job.inputs[0].path for result in results} == set(here)
    assert len({event.worker for event in seen if isinstance(event, Progress)}) > 1
    require_equal(tmp_path / "serial", tmp_path / "ray")
    again, _ = run_batch(inversions(Path(small_file.name)), plan(here, Path("ray")), executor=ONE)
    assert {result.status for result in again} == {"skipped"}


@pytest.mark.usefixtures("executor", "elsewhere", "one_thread")
def test_files_travel_to_workers_that_do_not_have_them(
    expression: SelfExpression, small_file: Path, tmp_path: Path
) -> None:
    store(expression)
    pictures = [photo(tmp_path / "in" / f"{n}.png", (20 + n, 16)) for n in range(3)]
    masks = [mask_file(tmp_path / "masks" / f"{n}.png", (20 + n, 16)) for n in (1, 2)]
    settings = InversionSettings(PmSFC(subspaces=2, codes=1), Optimization(steps=2))
    request = PhotoRequest(Request(InpaintTask(mask=masks[0].parent), settings, small_file, align="off", device="cpu"))
    for name, chosen in (("serial", Serial()), ("ray", ONE)):
        results, end = run_batch(request, plan(pictures, tmp_path / name), executor=chosen)
        assert (end.counts["done"], end.counts["failed"]) == (2, 1), [str(each.error) for each in results]
        [error] = [result.error for result in results if result.error]
        assert error.message.startswith(f"{pictures[0]}: no mask 0.*")
    require_equal(tmp_path / "serial", tmp_path / "ray")
    kept, other = plan(pictures[1:], tmp_path / "ray")
    other = replace(other, inputs=(replace(kept.inputs[0], label="other"),))
    again, _ = run_batch(request, [kept, other], executor=ONE)
    assert {result.job.label: result.status for result in again} == {kept.label: "skipped", "other": "failed"}
    assert str(other.paths["image"]) in next(str(result.error) for result in again if result.error)


@pytest.fixture
def group(face_file: Path, tmp_path: Path) -> tuple[PhotoRequest, Path]:
    """Two samples of both faces of a photo."""
    two_faces().save(tmp_path / "group.png")
    settings = InversionSettings(PmSFC(subspaces=1, codes=1, candidates=2), Optimization(steps=2))
    return PhotoRequest(Request(RestoreTask(gray=True), settings, face_file, device="cpu"), samples=2), tmp_path


@pytest.mark.usefixtures("executor", "elsewhere", "one_thread")
def test_all_faces_and_samples_of_a_photo_come_home(group: tuple[PhotoRequest, Path]) -> None:
    request, folder = group
    for name, chosen in (("serial", Serial()), ("pool", Pool(1, threads=1)), ("ray", ONE)):
        _, end = run_batch(request, plan([folder / "group.png"], folder / name), executor=chosen)
        assert end.counts["done"] == 1
        require_equal(folder / "serial", folder / name)
    pictures = {f"group.invert.{part}.png" for part in ("1", "2", "mean", "samples")}
    bundles = {f"group.invert{face}.{n}.pt" for n in (1, 2) for face in ("", ".2")}
    assert {*names(folder / "ray")} == pictures | bundles


@pytest.mark.parametrize("kinds", [("image", "comparison"), ("image", "bundle")], ids=["pictures", "bundles"])
def test_a_parcel_tells_that_all_of_a_result_is_up_to_date(
    group: tuple[PhotoRequest, Path], kinds: tuple[str, ...]
) -> None:
    request, folder = group
    [job] = plan([folder / "group.png"], folder / "out", *kinds)
    run_batch(request, [job], executor=Serial())
    arrived = pickle.loads(pickle.dumps(Parcel.pack(job))).unpack(folder / "elsewhere")
    results, _ = run_batch(request, [arrived], executor=Serial())
    assert [(result.status, str(result.error)) for result in results] == [("skipped", "None")]


@pytest.mark.usefixtures("one_thread")
def test_a_desk_lays_out_a_parcel_and_leaves_no_folder(
    request_: Writing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp" / "ganinvert-worker-of-one-that-died" / "cache").mkdir(parents=True)
    [job] = jobs(tmp_path, "brief")
    desk = Desk((0, request_, RunOptions(), 1), {}, None, bytes)
    assert [desk.exchange(), desk.exchange()] == [[("open", None)], [("next", True)]]
    messages = desk.exchange(Parcel.pack(job))
    while messages[-1] != ("next", True):
        messages += desk.exchange()
    *events, (kind, result) = messages[:-1]
    assert {kind for kind, _ in events} == {"event"}
    assert kind == "result"
    assert (result.job, result.product.files) == (job, {"bundle": b"brief"})
    assert not job.last.exists()
    assert desk.exchange(None) == [("end", None)]
    assert len(names(tmp_path / "tmp")) == 1
    desk.close()
    assert names(tmp_path / "tmp") == []


@pytest.mark.parametrize("travel", [False, True], ids=["shared", "elsewhere"])
def test_a_poisoned_job_is_given_up_and_the_others_are_done(
    executor: RayExecutor, request_: Writing, tmp_path: Path, travel: bool, request: pytest.FixtureRequest
) -> None:
    labels = ["a", "poison", "b", "unlucky", "c", "broken", "d"]
    if travel:
        request.getfixturevalue("elsewhere")
    results, end = run_batch(request_, jobs(tmp_path, *labels), executor=ONE if travel else executor)
    statuses = {result.job.label: result.status for result in results}
    assert statuses == {**dict.fromkeys(labels, "done"), "poison": "failed", "broken": "failed"}
    assert len(results) == len(labels)
    assert (tmp_path / "attempts" / "poison").stat().st_size == 3
    assert any("died 3 times" in str(result.error) for result in results)
    assert (end.exit_code, end.unfinished) == (1, 0)
    assert names(tmp_path / "out") == [f"{label}.invert.pt" for label in ("a", "b", "c", "d", "unlucky")]


@pytest.mark.usefixtures("executor")
def test_a_lost_node_loses_no_job_and_is_no_fault_of_its_job(
    cluster: Any, request_: Writing, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    labels = ["brief0", "brief1", "brief2"]
    messages: list[str] = []
    finished: list[str] = []

    def tell(event: Event) -> None:
        if isinstance(event, Message):
            messages.append(event.text)
        if isinstance(event, JobFinished):
            finished.append(event.result.job.label)
        if isinstance(event, Progress) and finished == ["brief0"] and not messages:
            free = ray._private.state.available_resources_per_node()
            [node] = [each for each in cluster.worker_nodes if not free.get(each.node_id, {}).get("CPU")]
            messages.append("the node of the worker is killed")
            cluster.remove_node(node, allow_graceful=False)
            cluster.add_node(**NODE, wait=False)

    again = RunOptions(overwrite=True)  # these results do not tell that they are up to date
    results, end = run_batch(request_, jobs(tmp_path, *labels), executor=ONE, options=again, listeners=[tell])
    assert finished == labels
    assert {result.status for result in results} == {"done"}, [str(each.error) for each in results]
    assert end.exit_code == 0
    assert names(tmp_path / "out") == [f"{label}.invert.pt" for label in labels]
    assert any("is gone" in text for text in messages), messages
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("executor", "elsewhere")
def test_files_that_another_process_has_come_last(request_: Writing, tmp_path: Path) -> None:
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
    _, end = run_batch(request_, planned, executor=ONE, listeners=[tell])
    assert (end.counts["done"], results[-1]) == (3, "locked")


@pytest.mark.usefixtures("executor")
def test_the_first_failure_stops_a_batch_that_is_to_fail_fast(request_: Writing, tmp_path: Path) -> None:
    labels = ["broken", *(f"brief{n}" for n in range(20))]
    _, end = run_batch(request_, jobs(tmp_path, *labels), executor=ONE, options=RunOptions(fail_fast=True))
    assert end.counts["failed"] == 1
    assert end.unfinished >= 10


@pytest.mark.usefixtures("executor")
def test_ctrl_c_ends_all_workers_soon_and_keeps_what_is_done(request_: Writing, tmp_path: Path) -> None:
    def stop(event: Event) -> None:
        if isinstance(event, Progress):
            raise KeyboardInterrupt

    results, end = run_batch(request_, jobs(tmp_path, "a", "slow", "b"), executor=ONE, listeners=[stop])
    assert end.exit_code == 130
    assert {result.job.label for result in results} <= {"a", "b"}
    assert set(names(tmp_path / "out")) <= {"a.invert.pt", "b.invert.pt"}


@pytest.mark.usefixtures("one_thread")
def test_a_driver_that_was_killed_goes_on_with_what_is_not_done(cluster: Any, small_file: Path, tmp_path: Path) -> None:
    pictures = [photo(tmp_path / "in" / f"{n}.png") for n in range(5)]
    arguments: list[object] = ["invert", tmp_path / "in", "-g", small_file, "-R", 1, "-K", 1, "--align", "off"]
    arguments += ["--steps", 40, "--device", "cpu"]
    environment = {**os.environ, "RAY_ADDRESS": cluster.address}
    command = [*arguments, "-o", tmp_path / "ray", "--workers", "ray"]
    first = program(*command, env=environment)
    wait_until(lambda: list((tmp_path / "ray").glob("*.pt")))
    first.send_signal(signal.SIGKILL)
    first.communicate()
    with program(*command, env=environment) as process:
        stopper = threading.Timer(300, process.kill)
        stopper.start()
        _, stderr = process.communicate()
        stopper.cancel()
    assert process.returncode == 0, stderr
    assert "0 failed" in stderr
    assert " 0 skipped" not in stderr
    assert len(list((tmp_path / "ray").glob("*.pt"))) == len(pictures)
    assert run(*arguments, "-o", tmp_path / "serial").exit_code == 0
    require_equal(tmp_path / "serial", tmp_path / "ray")


def test_a_command_without_a_cluster_starts_one_of_which_only_bars_are_seen(small_file: Path, tmp_path: Path) -> None:
    """One bar per worker and one over all with the time that remains; stdout has results alone."""
    for n in range(4):
        photo(tmp_path / "in" / f"{n}.png")
    command: list[object] = ["invert", tmp_path / "in", "-g", small_file, "-R", 1, "-K", 1, "--align", "off"]
    command += ["--steps", 120, "--device", "cpu", "-o", tmp_path / "out", "--workers", "ray", "--json"]
    terminal, theirs = os.openpty()
    with tempfile.TemporaryDirectory(prefix="ray") as folder:
        environment = {**os.environ, "RAY_TMPDIR": folder, "TMPDIR": folder, "COLUMNS": "120", "TERM": "xterm"}
        environment.pop("RAY_ADDRESS", None)
        process = program(*command, env=environment, stderr=theirs)
        os.close(theirs)
        shown = b""
        with suppress(OSError), open(terminal, "rb", buffering=0) as screen:  # ends with an error, as terminals do
            while piece := screen.read(4096):
                shown += piece
        stdout, _ = process.communicate()
        left = [name for name in os.listdir(folder) if name.startswith("ganinvert")]
    assert process.returncode == 0, shown
    assert [json.loads(line)["event"] for line in stdout.splitlines()] == ["item"] * 4 + ["summary"]
    assert left == []
    lines = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", shown).decode().replace("\r", "\n").splitlines()
    bars = {line.split()[0] for line in lines if "━" in line}
    assert bars == {"all", *(f"{n}.png" for n in range(4))}
    assert any(re.match(r"all .* [1-3]/4 +0:0\d:\d\d", line) for line in lines)
    assert [line for line in lines if re.search("ray|pid=", line, re.IGNORECASE)] == []
    assert "4 inverted, 0 skipped, 0 failed" in lines


def test_another_version_on_the_workers_is_refused(
    executor: RayExecutor, request_: Writing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = ganinvert.__version__
    monkeypatch.setattr(ganinvert, "__version__", "99.0")
    seen: list[Event] = []
    with pytest.raises(UsageError, match=f"has ganinvert {ours} .*and this machine has 99.0"):
        run_batch(request_, jobs(tmp_path, "a"), executor=executor, listeners=[seen.append])
    assert not any(isinstance(event, BatchStarted) for event in seen)


@pytest.mark.usefixtures("executor")
def test_a_request_that_cannot_be_opened_is_an_error_before_any_job(tmp_path: Path) -> None:
    seen: list[Event] = []
    with pytest.raises(Exception, match=r"missing\.safetensors"):
        run_batch(inversions(tmp_path / "missing.safetensors"), [], executor=ONE, listeners=[seen.append])
    assert not any(isinstance(event, BatchStarted) for event in seen)


def test_a_cluster_without_room_for_a_worker_says_so_in_seconds(
    cluster: Any, executor: RayExecutor, small_file: Path
) -> None:
    request = inversions(small_file)
    on_gpu = replace(request, request=replace(request.request, device="cuda"))

    def require_refusal(wanted: PhotoRequest, chosen: RayExecutor, reason: str) -> str:
        started = time.monotonic()
        with pytest.raises(UsageError, match=reason) as raised:
            run_batch(wanted, [], executor=chosen)
        assert time.monotonic() - started < 20
        return str(raised.value.hint)

    require_refusal(on_gpu, executor, "it has 0 GPU")
    require_refusal(request, RayExecutor(resources={"cpu": 64}), "it has 2 CPU")
    require_refusal(request, RayExecutor(resources={"tpu": 1}), "it has 0 tpu")
    with ExitStack() as started:

        def occupy(**resources: float) -> None:
            started.callback(ray.cancel, ray.remote(**resources)(lambda: time.sleep(600)).remote(), force=True)

        occupy(num_cpus=1)
        occupy(num_cpus=1)
        wait_until(lambda: not ray.available_resources().get("CPU"))
        require_refusal(request, executor, "no CPU is free on the cluster: 0 of 2 are left")
        started.callback(cluster.remove_node, cluster.add_node(**NODE, num_gpus=1))
        occupy(num_cpus=0, num_gpus=1)
        wait_until(lambda: ray.cluster_resources().get("GPU") and not ray.available_resources().get("GPU"))
        hint = require_refusal(on_gpu, executor, "no GPU is free on the cluster: 0 of 1 are left")
        assert "gpu=0.5" in hint


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
def test_the_library_and_commands_on_bundles_and_many_methods(small_file: Path, tmp_path: Path) -> None:
    settings = InversionSettings(PmSFC(subspaces=1, codes=1), Optimization(steps=2))
    [result] = ganinvert.invert_many(
        photo(tmp_path / "a.png"), tmp_path, generator=small_file, settings=settings, align="off", executor=ONE
    )
    assert result.status == "done"
    bundle, generator = tmp_path / "a.invert.pt", ["-g", small_file, "--device", "cpu"]
    evaluate = ["evaluate", tmp_path / "a.png", "--method", "pmsfc-random", "-R", 1, "-K", 1, "--steps", 2, *generator]
    commands: dict[str, list[object]] = {
        "render": ["render", bundle, "-g", small_file, "--json"],
        "swap": ["swap", bundle, bundle, "--subspaces", 1, "--json", *generator],
        "evaluate": evaluate,
    }
    for name, command in commands.items():
        on_ray = run(*command, "-o", tmp_path / "ray" / name, "--workers", "ray")
        assert on_ray.exit_code == 0, on_ray.output
        if "--json" in command:
            assert [json.loads(line)["event"] for line in on_ray.stdout.splitlines()] == ["item", "summary"]
        assert run(*command, "-o", tmp_path / "serial" / name).exit_code == 0
    for name in ("render", "swap"):
        require_equal(tmp_path / "serial" / name, tmp_path / "ray" / name)
    tables = [rows(tmp_path / place / "evaluate" / "invert.csv") for place in ("serial", "ray")]
    assert tables[0] == tables[1]
