"""Workers on a Ray cluster of three nodes on this machine: faults, rates, overhead per job, and memory of the driver.

Usage: python tests/benchmarks/cluster.py faults|rates|overhead|memory PHOTOS [--limit 60] [--steps 4]

`faults` inverts photos (portraits-64, Adam without L-BFGS, one thread) in one process and on the cluster: left alone,
with a node killed at random ten times, and with the driver killed and started again; all must have the same bits.
`rates` does the same photos in one process, with one worker and with two. `overhead` runs jobs of 1 ms that write
nothing. `memory` plans up to 100,000 jobs, and looks at the resident memory of the driver after 200 of them are done.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]
os.environ["PYTHONPATH"] = os.pathsep.join([*sys.path[:2], os.environ.get("PYTHONPATH", "")])

import ray  # noqa: E402
import torch  # noqa: E402
from ray.cluster_utils import Cluster  # noqa: E402

from ganinvert.batch.events import Event, JobFinished, Message  # noqa: E402
from ganinvert.batch.executors import Executor, Pool, Serial  # noqa: E402
from ganinvert.batch.inputs import Input  # noqa: E402
from ganinvert.batch.job import Job, Product  # noqa: E402
from ganinvert.batch.outputs import plan_outputs  # noqa: E402
from ganinvert.batch.ray import RayExecutor, connect  # noqa: E402
from ganinvert.batch.requests import PhotoRequest  # noqa: E402
from ganinvert.batch.runner import run_batch  # noqa: E402
from ganinvert.batch.session import BatchRequest, Session, Watch  # noqa: E402
from ganinvert.bundle import LatentBundle  # noqa: E402
from ganinvert.settings import InversionSettings, Optimization, PmSFC, Request  # noqa: E402

NODE = {"num_cpus": 1, "object_store_memory": 80_000_000, "include_dashboard": False}
KILLS = 10


@dataclass(frozen=True)
class Waiting(BatchRequest):
    """Jobs of 1 ms whose files hold a letter."""

    command: ClassVar[str] = "invert"
    verb: ClassVar[str] = "done"
    session: ClassVar[str] = "tests.benchmarks.cluster:WaitingSession"


class WaitingSession(Session[str]):
    """Waits."""

    def __init__(self, request: Waiting) -> None:
        self.request = request

    def prepare(self, job: Job) -> str:
        """Read nothing."""
        return job.label

    def identity(self, prepared: str) -> tuple[str, str]:
        """Tell the label."""
        return "s", prepared

    def run(self, batch: Sequence[tuple[Job, str]], watch: Watch) -> list[Product]:
        """Wait 1 ms for each."""
        time.sleep(0.001 * len(batch))
        return [Product(dict.fromkeys(job.kinds, b"x")) for job, _ in batch]


@contextmanager
def three_nodes(folder: Path) -> Iterator[Cluster]:
    """Start three nodes with a CPU each, and connect to them."""
    os.environ.update(
        RAY_TMPDIR=str(folder), RAY_USAGE_STATS_ENABLED="0", RAY_AUTH_MODE="disabled", RAY_worker_niceness="0"
    )
    cluster = Cluster()
    try:
        for _ in range(3):
            cluster.add_node(**NODE)
        connect(cluster.address, logs=False)
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()


def plan(photos: Sequence[Path], folder: Path) -> list[Job]:
    """Plan the inversions of photos."""
    groups = [[Input(str(path), path, path.stem)] for path in photos]
    return plan_outputs(groups, folder, task="invert", suffixes={"image": ".png", "bundle": ".pt"})


def inversions(steps: int) -> PhotoRequest:
    """Request few steps."""
    settings = InversionSettings(PmSFC(subspaces=1, codes=2), Optimization(steps=steps))
    return PhotoRequest(Request(settings=settings, device="cpu", dtype="float32", align="off"))


def differences(folder: Path, other: Path) -> int:
    """Count the results that are missing or other."""
    wrong = 0
    for path in sorted(folder.glob("*.pt")):
        theirs = other / path.name
        if not theirs.exists():
            wrong += 1
            continue
        a, b = LatentBundle.load(path).tensors, LatentBundle.load(theirs).tensors
        pictures = [each.with_suffix(".png").read_bytes() for each in (path, theirs)]
        wrong += any(not torch.equal(a[name], b[name]) for name in a) or pictures[0] != pictures[1]
    return wrong


def timed(name: str, request: BatchRequest, jobs: list[Job], executor: Executor, tell: Any = None) -> None:
    """Run a batch, and print the time from its start without opening, and what became of the jobs."""
    labels: list[str] = []

    def note(event: Event) -> None:
        if isinstance(event, JobFinished):
            labels.append(event.result.job.label)
        if isinstance(event, Message) and event.level == 0 and "skipped" not in event.text:
            print("  ", event.text)
        if tell is not None:
            tell(event)

    before = time.process_time()
    _, end = run_batch(request, jobs, executor=executor, listeners=[note])
    own, twice = time.process_time() - before, len(labels) - len(set(labels))
    print(f"{name}: {end.seconds:.1f} s for {len(jobs)} jobs, {dict(end.counts)}, {twice} reported twice;", end=" ")
    print(f"{own:.1f} s of CPU time in the driver", flush=True)


def faults(photos: list[Path], steps: int, folder: Path) -> None:
    """Compare the results of one process with those of a cluster that suffers."""
    timed("one process", inversions(steps), plan(photos, folder / "serial"), Serial())
    with three_nodes(folder / "r") as cluster:
        timed("three nodes", inversions(steps), plan(photos, folder / "calm"), RayExecutor())
        print("   different from one process:", differences(folder / "serial", folder / "calm"), flush=True)
        draw, kills, every = random.Random(0), 0, max(1, len(photos) // (KILLS + 2))
        finished = 0

        def kill(event: Event) -> None:
            nonlocal kills, finished
            if not isinstance(event, JobFinished):
                return
            finished += 1
            if finished % every == 0 and kills < KILLS:
                kills += 1
                node = draw.choice(sorted(cluster.worker_nodes, key=lambda each: each.unique_id))
                cluster.remove_node(node, allow_graceful=False)
                cluster.add_node(**NODE, wait=False)

        timed("a node killed at random", inversions(steps), plan(photos, folder / "killed"), RayExecutor(), kill)
        print(f"   {kills} kills; different:", differences(folder / "serial", folder / "killed"), flush=True)
        script = (
            f"import sys; from tests.benchmarks.cluster import driver; driver({str(folder)!r}, {steps}, sys.argv[1:])"
        )
        command = [sys.executable, "-c", script, *map(str, photos)]
        environment = {**os.environ, "RAY_ADDRESS": cluster.address}
        for share in (0.2, 0.5):
            process = subprocess.Popen(command, env=environment, cwd=ROOT)
            while process.poll() is None and len(list((folder / "resumed").glob("*.pt"))) < share * len(photos):
                time.sleep(0.05)
            process.send_signal(signal.SIGKILL)
            process.wait()
            print(f"driver killed with {len(list((folder / 'resumed').glob('*.pt')))} results", flush=True)
        subprocess.run(command, env=environment, cwd=ROOT, check=True)
        print("   different:", differences(folder / "serial", folder / "resumed"), flush=True)


def driver(folder: str, steps: int, photos: list[str]) -> None:
    """Invert photos on the cluster of RAY_ADDRESS, in a process of its own."""
    jobs = plan([Path(path) for path in photos], Path(folder, "resumed"))
    timed("driver started again", inversions(steps), jobs, RayExecutor())


def rates(photos: list[Path], steps: int, folder: Path) -> None:
    """Time one process, and one and two workers."""
    timed("one process", inversions(steps), plan(photos, folder / "serial"), Serial())
    with three_nodes(folder / "r"):
        for workers in (1, 2):
            jobs = plan(photos, folder / f"ray{workers}")
            timed(f"Ray, {workers} workers", inversions(steps), jobs, RayExecutor(workers=workers))
    timed("Pool, 2 workers", inversions(steps), plan(photos, folder / "pool"), Pool(2, threads=1))


def piped(count: int) -> list[Job]:
    """Plan jobs that write no file."""
    photo = ROOT / "docs" / "examples" / "face.jpg"
    return [Job((Input(f"{n}", photo, f"{n}"),), {}, is_piped=True) for n in range(count)]


def overhead(folder: Path) -> None:
    """Time jobs of 1 ms, which cost a single process 1 ms each."""
    jobs = piped(2000)
    timed("one process", Waiting(), jobs, Serial())
    timed("Pool, 1 worker", Waiting(), jobs, Pool(1, threads=1))
    with three_nodes(folder / "r"):
        for workers in (1, 2):
            timed(f"Ray, {workers} workers", Waiting(), jobs, RayExecutor(workers=workers))


def memory(folder: Path) -> None:
    """Look at the driver while few of many planned jobs are done."""

    def resident() -> float:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6

    with three_nodes(folder / "r"):
        for count in (1_000, 10_000, 100_000):
            before, done = resident(), 0
            paths = [ROOT / "docs" / "examples" / f"{n}.jpg" for n in range(count)]
            jobs, planned = plan(paths, folder / f"{count}"), resident()

            def stop(event: Event) -> None:
                nonlocal done
                if isinstance(event, JobFinished):
                    done += 1
                    if done == 200:
                        raise KeyboardInterrupt

            started = time.monotonic()
            run_batch(Waiting(), jobs, executor=RayExecutor(workers=1), listeners=[stop])
            print(
                f"{count} jobs: {before:.0f} MB before, {planned:.0f} planned, {resident():.0f} after 200,"
                f" {time.monotonic() - started:.1f} s",
                flush=True,
            )


def main() -> None:
    """Run one of the parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["faults", "rates", "overhead", "memory"])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--limit", type=int, default=60)
    parser.add_argument("--steps", type=int, default=4)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    photos = sorted(path for path in arguments.photos.iterdir() if path.suffix == ".jpg")[: arguments.limit]
    with tempfile.TemporaryDirectory(prefix="gr") as name:
        folder = Path(name)
        if arguments.part in ("faults", "rates"):
            {"faults": faults, "rates": rates}[arguments.part](photos, arguments.steps, folder)
        else:
            {"overhead": overhead, "memory": memory}[arguments.part](folder)


if __name__ == "__main__":
    main()
