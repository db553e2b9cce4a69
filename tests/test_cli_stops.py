"""Whatever stops a run, and whenever: whole results only, and the same command ends with the same ones."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import typer

from ganinvert import files
from ganinvert.batch import worker
from ganinvert.batch.inputs import Input
from ganinvert.batch.job import Job, Product
from ganinvert.batch.outputs import SUFFIXES, plan_outputs
from ganinvert.batch.session import Watch
from ganinvert.batch.signals import postponed
from ganinvert.bundle import LatentBundle
from ganinvert.optimize import Step

from .commandline import QUICK, names, photo, run
from .standins import FunctionSession, run_jobs

forked = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork, to be quick")


def in_a_child(work: Callable[[], object]) -> int:
    """Run it in a forked process, quietly and on one thread, and return the process."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    try:
        torch.set_num_threads(1)  # the threads of OpenMP do not survive a fork
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        work()
    finally:
        os._exit(0)


def has_ended(child: int) -> bool:
    return os.waitpid(child, os.WNOHANG)[0] != 0


def contents(folder: Path) -> dict[str, object]:
    """Every file, hidden ones too; of bundles all but the time."""
    found: dict[str, object] = {}
    for path in folder.iterdir():
        if path.suffix == ".pt":
            bundle = LatentBundle.load(path)
            provenance = {key: value for key, value in bundle.provenance.items() if key != "created"}
            tensors = {name: tensor.numpy().tobytes() for name, tensor in bundle.tensors.items()}
            found[path.name] = provenance, tensors, bundle.losses.tolist(), dict(bundle.metrics)
        else:
            found[path.name] = path.read_bytes()
    return found


@pytest.fixture
def bundle(generator: list[str], tmp_path: Path) -> LatentBundle:
    run("invert", photo(tmp_path / "a.png"), "-o", tmp_path / "made", *generator, *QUICK)
    return LatentBundle.load(tmp_path / "made" / "a.invert.pt")


@forked
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # fork beside threads, from Python 3.12
@pytest.mark.usefixtures("bundle")  # made in this process, it loads what every child then has at hand
def test_twenty_photos_survive_kills_at_random_moments(generator: list[str], tmp_path: Path) -> None:
    for n in range(20):
        photo(tmp_path / "in" / f"{n}.png", (16 + n, 20))
    command = ["invert", tmp_path / "in", "--checkpoint-every", 1, *generator, *QUICK]
    started = time.monotonic()
    os.waitpid(in_a_child(lambda: run(*command, "-o", tmp_path / "calm")), 0)
    duration = time.monotonic() - started
    assert len(names(tmp_path / "calm")) == 40
    moments = random.Random(5)
    for _ in range(10):
        child = in_a_child(lambda: run(*command, "-o", tmp_path / "killed"))
        time.sleep(moments.uniform(0, duration / 3))
        if has_ended(child):
            break
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert all(LatentBundle.load(path) for path in (tmp_path / "killed").glob("*.pt"))
    os.waitpid(in_a_child(lambda: run(*command, "-o", tmp_path / "killed")), 0)
    assert contents(tmp_path / "killed") == contents(tmp_path / "calm")


def copying(bundle: LatentBundle) -> FunctionSession:
    """A session that leaves a checkpoint on its way to results: of the picture a text, of the bundle a copy."""
    hashes = bundle.provenance["settings_hash"], bundle.provenance["input_sha256"]
    product = Product({"image": b"picture", "bundle": bundle.encode()}, metrics={"psnr": 30.0})

    def make(batch: Sequence[tuple[Job, Job]], _watch: Watch) -> list[Product]:
        for job, _ in batch:
            files.write_atomically(files.beside(job.last, files.CHECKPOINT), b"halfway")
        return [product] * len(batch)

    return FunctionSession(make, lambda _: hashes)


@forked
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_two_processes_share_a_folder(bundle: LatentBundle, tmp_path: Path) -> None:
    """Every result is made once, and whole; both processes end well."""
    made = tmp_path / "made.txt"
    made.touch()

    def share() -> None:
        def slowly(batch: Sequence[tuple[Job, Job]], watch: Watch) -> list[Product]:
            time.sleep(0.02)
            with made.open("a") as file:
                file.write(f"{batch[0][0].label}\n")
            return session.make(batch, watch)

        session = copying(bundle)
        run_jobs(items(tmp_path / "out", 10), replace(session, make=slowly))
        (tmp_path / f"{os.getpid()}.ended").touch()

    children = [in_a_child(share) for _ in range(2)]
    for child in children:
        os.waitpid(child, 0)
    assert sorted(made.read_text().split(), key=int) == [str(n) for n in range(10)]
    assert len(list(tmp_path.glob("*.ended"))) == 2
    assert names(tmp_path / "out") == sorted(f"{n}.invert.{end}" for n in range(10) for end in ("png", "pt"))


def items(folder: Path, count: int = 1) -> list[Job]:
    suffixes = {kind: SUFFIXES[kind] for kind in ("image", "bundle")}
    return plan_outputs([[Input(str(n), folder / str(n), str(n))] for n in range(count)], folder, task="invert",
                suffixes=suffixes)  # fmt: skip


@forked
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_kill_at_any_touch_of_the_disk_loses_nothing(bundle: LatentBundle, tmp_path: Path, overwrite: bool) -> None:
    """Every call of Python that changes a folder is an audit event: the process kills itself at the n-th of them."""
    touches = ("open", "os.rename", "os.remove", "os.mkdir", "fcntl.flock")
    calm = tmp_path / "calm"
    run_jobs(items(calm), copying(bundle))
    expected, moments = contents(calm), 0
    for moment in range(100):
        folder = tmp_path / str(moment)
        if overwrite:
            files.write_together({folder / "0.invert.png": b"old", folder / "0.invert.pt": b"old"})

        def until_killed(folder: Path = folder, moment: int = moment) -> None:
            left = moment

            def count(event: str, arguments: tuple[object, ...]) -> None:
                nonlocal left
                if event in touches and str(folder) in str(arguments):
                    left -= 1
                    if left < 0:
                        os.kill(os.getpid(), signal.SIGKILL)

            sys.addaudithook(count)
            run_jobs(items(folder), copying(bundle), overwrite=overwrite)

        _, status = os.waitpid(in_a_child(until_killed), 0)
        if not os.WIFSIGNALED(status):
            break
        moments += 1
        run_jobs(items(folder), copying(bundle), overwrite=overwrite)
        assert contents(folder) == expected, moment
    assert moments >= 10


def test_a_half_written_result_of_ours_is_no_obstacle_but_a_strange_file_is(
    bundle: LatentBundle, tmp_path: Path
) -> None:
    [item] = items(tmp_path / "out")
    files.write_atomically(item.paths["image"], b"somebody's picture")
    with pytest.raises(typer.Exit):
        run_jobs([item], copying(bundle))
    assert item.paths["image"].read_bytes() == b"somebody's picture"
    files.beside(item.last, "unfinished").touch()
    run_jobs([item], copying(bundle))
    assert names(tmp_path / "out") == ["0.invert.png", "0.invert.pt"]


@pytest.mark.parametrize(("stop", "code"), [(KeyboardInterrupt(), 130), (SystemExit(143), 143)])
def test_a_stop_keeps_what_is_done_and_says_so(
    stop: BaseException,
    code: int,
    generator: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In the second step of the second photo."""
    steps = 0

    def count(_watch: object, _step: object) -> None:
        nonlocal steps
        steps += 1
        if steps == 6:
            raise stop

    monkeypatch.setattr(worker.StepWatch, "__call__", count)
    pictures = [photo(tmp_path / f"{name}.png") for name in "abc"]
    result = run("invert", *pictures, "-o", tmp_path / "out", "--json", *generator, *QUICK)
    assert result.exit_code == code
    assert names(tmp_path / "out") == ["a.invert.png", "a.invert.pt"]
    assert "1 inverted, 0 skipped, 0 failed, 2 unfinished" in result.stderr
    summary = json.loads(result.stdout.splitlines()[-1])
    assert (summary["done"], summary["unfinished"], summary["exit_code"]) == (1, 2, code)


def test_a_signal_waits_for_the_end_of_a_write() -> None:
    written = []

    def write() -> None:
        with postponed():
            signal.raise_signal(signal.SIGINT)
            written.append("all")

    with pytest.raises(KeyboardInterrupt):
        write()
    assert written == ["all"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_disk_that_is_full_leaves_the_old_result(
    bundle: LatentBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_jobs(items(tmp_path / "out"), copying(bundle))
    before = contents(tmp_path / "out")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(typer.Exit) as caught:
        run_jobs(items(tmp_path / "out"), copying(bundle), overwrite=True)
    assert caught.value.exit_code == 1
    assert contents(tmp_path / "out") == before


@pytest.fixture
def read_only() -> Iterator[Path]:
    """A folder that may not be written; root becomes nobody, because permissions do not bind root."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o555)
    user = os.geteuid() if hasattr(os, "geteuid") else None
    if user == 0:
        os.seteuid(65534)
    yield folder
    if user == 0:
        os.seteuid(0)
    folder.rmdir()


@pytest.mark.skipif(os.name != "posix", reason="folders have no such permissions there")
def test_a_read_only_folder_is_found_before_the_work(read_only: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(*_: object) -> list[Product]:
        raise AssertionError("there was work")

    with pytest.raises(typer.Exit):
        run_jobs(items(read_only), FunctionSession(refuse))
    message = capsys.readouterr().err
    assert "cannot be written: Permission denied" in message
    assert "hint: check the free space and the permissions" in message


@pytest.mark.parametrize("steps", [3, 6])
def test_a_stopped_optimisation_goes_on_to_the_same_bits(
    steps: int, generator: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The perceptual gradient is kept for four steps, so that 3 and 6 stand in the midst of its life."""
    command = ["invert", photo(tmp_path / "a.png"), "--checkpoint-every", steps, *generator, *QUICK, "--steps", 11]
    seen: list[int] = []

    def stopping_at(last: int) -> Callable[[object, Step], None]:
        def look(_watch: object, step: Step) -> None:
            seen.append(step.index)
            if step.index == last:
                raise KeyboardInterrupt

        return look

    monkeypatch.setattr(worker.StepWatch, "__call__", stopping_at(99))
    assert run(*command, "-o", tmp_path / "calm").exit_code == 0
    assert len(names(tmp_path / "calm")) == 2
    monkeypatch.setattr(worker.StepWatch, "__call__", stopping_at(7))
    assert run(*command, "-o", tmp_path / "out").exit_code == 130
    assert [Path(name).suffix for name in names(tmp_path / "out")] == [".checkpoint"]
    seen.clear()
    monkeypatch.setattr(worker.StepWatch, "__call__", stopping_at(99))
    assert run(*command, "-o", tmp_path / "out").exit_code == 0
    assert seen[0] == 6
    assert contents(tmp_path / "out") == contents(tmp_path / "calm")


def test_a_checkpoint_of_something_else_or_damaged_is_not_used(
    generator: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = photo(tmp_path / "a.png")
    command = ["invert", picture, "-o", tmp_path / "out", "--checkpoint-every", 2, *generator, *QUICK]
    seen: list[int] = []

    def look(_watch: object, step: Step) -> None:
        seen.append(step.index)
        if step.index == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(worker.StepWatch, "__call__", look)
    checkpoint = files.beside(tmp_path / "out" / "a.invert.pt", files.CHECKPOINT)
    for spoil in (
        lambda: None,  # there is none yet
        lambda: checkpoint.write_bytes(b"damaged"),
        lambda: torch.save({"format": "other"}, checkpoint),
        lambda: torch.save([1], checkpoint),
    ):
        spoil()
        assert run(*command).exit_code == 130
    assert seen == [0, 1, 2] * 4
    seen.clear()
    run(*command)
    assert seen == [2]
    seen.clear()
    run(*command, "--seed", 1)
    assert seen[0] == 0
    seen.clear()
    photo(picture, (30, 16))
    run(*command)
    assert seen[0] == 0
