"""A folder in one command against a shell loop of single calls: images per minute, their ratio, and peak memory.

Usage: python tests/benchmarks/folder.py PHOTOS --limit 60 --steps 30

Both do the same photos with the same settings, one after the other in this one run, and their bundles are compared:
on the CPU they hold the same bits. Peak memory is the resident set of a process at its largest.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from ganinvert.bundle import LatentBundle


def run(photos: list[Path], out: Path, steps: int) -> int:
    """One call; its peak resident set in bytes."""
    command = [sys.executable, "-m", "ganinvert", "invert", *map(str, photos), "-o", str(out), "-q"]
    process = subprocess.Popen([*command, "--device", "cpu", "--steps", str(steps)], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"a call ended with {os.waitstatus_to_exitcode(status)}")
    return usage.ru_maxrss * 1024


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
        started = time.perf_counter()
        peaks = {"one command": run(photos, together, arguments.steps)}
        seconds = {"one command": time.perf_counter() - started}
        started = time.perf_counter()
        peaks["shell loop"] = max(run([photo], alone, arguments.steps) for photo in photos)
        seconds["shell loop"] = time.perf_counter() - started
        same = all(
            torch.equal(tensor, LatentBundle.load(alone / path.name).tensors[name])
            for path in together.glob("*.pt")
            for name, tensor in LatentBundle.load(path).tensors.items()
        )
    print(f"{len(photos)} photos, {arguments.steps} steps, {torch.get_num_threads()} threads; the same bits: {same}")
    for form, duration in seconds.items():
        print(f"{form}: {60 * len(photos) / duration:.1f} images/min, peak {peaks[form] / 2**20:.0f} MiB")
    print(f"ratio: {seconds['shell loop'] / seconds['one command']:.2f}")


if __name__ == "__main__":
    main()
