"""Damaged files of every kind, thousands of them: each is read, or refused by an error of ours, soon, without a trace.

Usage: python -m tests.benchmarks.fuzz --cases 10000 [--first 0] [--kind checkpoint]

Case n is made from n alone, by the damages of tests/test_hostile_files.py on files of every format: pictures, masks,
bundles, checkpoints (those of `tests/checkpoints.py`, and in the developers' tree those that real programs wrote),
and the wheel of an OpenVINO network, damaged as a whole or in one of its files. Every case runs in a process that
may hold 2 GB more than it has at its start. A fault is another exception than `GanInvertError`, one without a hint,
more than 10 seconds of the processor or 60 by the clock, more than 2 GB, the death of the process, or a file left
behind. A line for each fault and a table by kind are printed; the exit code is 1 if there was a fault.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import random
import resource
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from zipfile import ZipFile

import torch
from tests import openvino_files
from tests.checkpoints import FORMATS, network, write
from tests.conftest import SHARED
from tests.test_hostile_files import a_bundle, damaged, tampered, whole_images

from ganinvert.bundle import LatentBundle
from ganinvert.errors import GanInvertError
from ganinvert.generators import PGGANGenerator, load_generator
from ganinvert.generators.mobilestylegan.layout import from_openvino
from ganinvert.generators.pggan import PGGANArchitecture
from ganinvert.images import fit, read, read_mask
from ganinvert.weights.openvino import Graph
from ganinvert.weights.wheel import read_files

SECONDS, BYTES, CHUNK = 10, 2 << 30, 100
Case = tuple[str, bytes, Callable[[Path], object]]


class Cases:
    """All cases by their numbers; the kinds take turns."""

    def __init__(self, folder: Path, only: str | None) -> None:
        self.small = PGGANGenerator.random(PGGANArchitecture(12, (10, 9, 8, 7, 6, 5)), seed=1)
        self.pictures = whole_images()
        self.bundle = a_bundle(self.small).encode()
        self.content = torch.load(io.BytesIO(self.bundle), weights_only=True)
        wholes = [write(form, network(16), folder / form) for form in FORMATS]
        wholes += sorted(path for path in SHARED.glob("assets/formats/*/*") if path.suffix in (".pt", ".pth", ".pkl"))
        self.checkpoints = [path.read_bytes() for path in wholes]
        self.files = openvino_files.files(openvino_files.tiny().state_dict())
        self.wheel = openvino_files.wheel(folder / "random_face-2021.7.21.1-py3-none-any.whl", self.files).read_bytes()
        kinds: dict[str, Callable[[int], Case]] = {
            "picture": lambda n: ("a.png", damaged(self.pictures, n), self.see),
            "mask": lambda n: ("a.png", damaged(self.pictures, n), lambda path: read_mask(path, (32, 24))),
            "bundle": lambda n: ("a.pt", damaged([self.bundle], n), self.render),
            "bundle's content": lambda n: ("a.pt", tampered(self.content, n), self.render),
            "checkpoint": lambda n: ("a.pth", damaged(self.checkpoints, n), load_generator),
            "wheel": lambda n: ("a.whl", damaged([self.wheel], n), self.unpack),
            "graphs": lambda n: ("a.whl", self.rewritten(n, folder), self.build),
        }
        self.kinds = {name: make for name, make in kinds.items() if only in (None, name)}

    def see(self, path: Path) -> object:
        """Decode a picture, and fit small ones."""
        picture = read(path)
        return fit(picture, 16) if picture.rgb.width * picture.rgb.height < 1_000_000 else picture

    def render(self, path: Path) -> object:
        """Read and render a bundle."""
        return LatentBundle.load(path).render(self.small)

    def unpack(self, path: Path) -> dict[str, bytes]:
        """Take the files out of a wheel, and compare their digests."""
        return read_files(path, dict(openvino_files.digests(self.files)))

    def build(self, path: Path) -> object:
        """Find the network in the graphs of a wheel, whatever the digests of its files."""
        files = read_files(path, {name: hashlib.sha256(ZipFile(path).read(name)).hexdigest() for name in self.files})
        names = ("MappingNetwork", "SynthesisNetwork")
        data = openvino_files.DATA
        return from_openvino(*(Graph(files[f"{data}{name}.xml"], files[f"{data}{name}.bin"]) for name in names))

    def rewritten(self, n: int, folder: Path) -> bytes:
        """A whole wheel with one damaged file."""
        name = random.Random(n).choice(sorted(self.files))
        path = folder / "again.whl"
        return openvino_files.wheel(path, {**self.files, name: damaged([self.files[name]], n)}).read_bytes()

    def kind(self, n: int) -> str:
        """The kind of a case."""
        return list(self.kinds)[n % len(self.kinds)]

    def run(self, n: int, place: Path) -> str:
        """Do one case in an empty folder; the outcome is "read", "refused" or the text of a fault."""
        name, content, use = self.kinds[self.kind(n)](n)
        path = place / name
        path.write_bytes(content)
        start = time.process_time()
        try:
            use(path)
            outcome = "read"
        except GanInvertError as error:
            outcome = "refused" if error.hint else f"no hint: {error}"
        except Exception as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            outcome = f"{type(error).__name__} in {Path(frame.filename).name}:{frame.lineno}: {str(error)[:150]}"
        if (seconds := time.process_time() - start) > SECONDS:
            outcome = f"{seconds:.0f} s"
        path.unlink()
        if left := sorted(each.name for each in place.iterdir()):
            outcome = f"left behind: {', '.join(left)}"
            shutil.rmtree(place)
            place.mkdir()
        return outcome


def work(cases: Cases, numbers: Sequence[int], place: Path, pipe: Connection) -> None:
    """Do cases in a child process, and tell each outcome with the growth of its largest memory, in bytes."""
    os.chdir(place)
    tempfile.tempdir = str(place)
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + BYTES, held + BYTES))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libtiff's complaints
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for n in numbers:
        outcome = cases.run(n, place)
        pipe.send((n, outcome, 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)))


def outcomes(cases: Cases, first: int, count: int) -> Iterator[tuple[int, str, int]]:
    """Outcomes of all cases; a process that dies or hangs costs the one case that it was at."""
    context, n, last = get_context("fork"), first, first + count
    while n < last:
        with tempfile.TemporaryDirectory() as place:
            ours, theirs = context.Pipe(duplex=False)
            numbers = range(n, min(last, n + CHUNK))
            child = context.Process(target=work, args=(cases, numbers, Path(place), theirs))
            child.start()
            theirs.close()
            while n in numbers:
                try:
                    told = ours.recv() if ours.poll(6 * SECONDS) else (n, "hangs", 0)
                except EOFError:
                    child.join()
                    told = (n, f"the process ended with {child.exitcode}", 0)
                yield told
                n += 1
                if told[1] == "hangs" or told[1].startswith("the process"):
                    break
            child.kill()
            child.join()


def main() -> int:
    """Print faults and the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--kind")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    table, peak, start = Counter[tuple[str, str]](), 0, time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        cases = Cases(Path(folder), arguments.kind)
        for n, outcome, grown in outcomes(cases, arguments.first, arguments.cases):
            peak = max(peak, grown)
            if grown > BYTES:
                outcome = f"{grown / 1e9:.1f} GB"
            known = outcome in ("read", "refused")
            table[cases.kind(n), outcome if known else "fault"] += 1
            if not known:
                print(f"case {n} ({cases.kind(n)}): {outcome}", flush=True)
    print(f"{'':20s}{'read':>8s}{'refused':>9s}{'faults':>8s}")
    for kind in cases.kinds:
        print(f"{kind:20s}{table[kind, 'read']:8d}{table[kind, 'refused']:9d}{table[kind, 'fault']:8d}")
    faults = sum(count for (_, outcome), count in table.items() if outcome == "fault")
    print(f"{arguments.cases} cases in {time.perf_counter() - start:.0f} s, memory grew by at most {peak / 1e6:.0f} MB")
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
