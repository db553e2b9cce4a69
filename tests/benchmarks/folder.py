"""A folder in one command, with one process and with two, and a shell loop: images per minute, ratios, peak memory.

Usage: python tests/benchmarks/folder.py PHOTOS --limit 60 --steps 30

All do the same photos with the same settings, one after the other in this one run. The bundles of one command and of
the loop are compared: on the CPU they hold the same bits. Worker processes share the cores, and with another number of
threads convolutions round differently. The ratio of processor time holds on a busy machine, too. Peak memory is the
resident set of a process at its largest.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from ganinvert.bundle import LatentBundle


@dataclass(frozen=True)
class Cost:
    """Cost of one or more calls: seconds by the clock and of the processor, and the largest resident set in bytes."""

    seconds: float
    processor: float
    peak: int


def run(photos: list[Path], out: Path, steps: int, *options: str) -> Cost:
    """Run one call."""
    command = [sys.executable, "-m", "ganinvert", "invert", *map(str, photos), "-o", str(out), "-q"]
    started = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--device", "cpu", "--steps", str(steps), *options], stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"a call ended with {os.waitstatus_to_exitcode(status)}")
    return Cost(time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def main() -> None:
    """Time both forms and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--limit", type=int, default=60)
    parser.add_argument("--steps", type=int, default=30)
    arguments = parser.parse_args()
    photos = sorted(path for path in arguments.photos.iterdir() if path.suffix == ".jpg")[: arguments.limit]
    with tempfile.TemporaryDirectory() as folder:
        together, alone = Path(folder, "together"), Path(folder, "alone")
        costs = {"one command": run(photos, together, arguments.steps)}
        costs["two workers"] = run(photos, Path(folder, "workers"), arguments.steps, "--workers", "2")
        calls = [run([photo], alone, arguments.steps) for photo in photos]
        costs["shell loop"] = Cost(
            sum(call.seconds for call in calls), sum(call.processor for call in calls), max(call.peak for call in calls)
        )
        same = all(
            torch.equal(tensor, LatentBundle.load(alone / path.name).tensors[name])
            for path in together.glob("*.pt")
            for name, tensor in LatentBundle.load(path).tensors.items()
        )
    print(f"{len(photos)} photos, {arguments.steps} steps, {torch.get_num_threads()} threads; the same bits: {same}")
    for form, cost in costs.items():
        print(f"{form}: {60 * len(photos) / cost.seconds:.1f} images/min, peak {cost.peak / 2**20:.0f} MiB")
    one = costs.pop("one command")
    for form, cost in costs.items():
        clock, processor = cost.seconds / one.seconds, cost.processor / one.processor
        print(f"{form} to one command: {clock:.2f} by the clock, {processor:.2f} of processor time")


if __name__ == "__main__":
    main()
