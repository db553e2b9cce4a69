"""A thousand kills at random moments of batches, downloads and trainings: nothing half-written, nothing lost.

Usage: python -m tests.benchmarks.kills --kills 1000 [--only download]

Each work is done once undisturbed. Then it is begun, killed (SIGKILL) after a random time, looked at, and begun again
in the same folder until it ends by itself; its results must equal the undisturbed ones, without any other file left.
This is repeated until the kills are used up. After every kill, bundles, pictures and checkpoints must be whole.
Children are forks of this process, which has loaded everything. The exit code is 1, and the
difference is told, if anything was lost.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from PIL import Image
from tests import weights_server
from tests.commandline import photo, run
from tests.test_cli_stops import contents, has_ended, in_a_child
from tests.test_training import SMALL, draw_shapes

import ganinvert.cli.train  # noqa: F401  (it is changed below)
from ganinvert.bundle import LatentBundle
from ganinvert.generators import PGGANGenerator
from ganinvert.generators.pggan import PGGANArchitecture
from ganinvert.settings import Discovery, Training
from ganinvert.training import loop
from ganinvert.training.checkpoint import FILE_NAME, Checkpoint
from ganinvert.training.job import run_folder
from ganinvert.weights import TensorFile
from ganinvert.weights.download import download

PHOTOS, PIECES = 6, 64


@dataclass(frozen=True)
class Work:
    """Something that can be killed: what it does in a folder, its results there, and a look at what a kill left."""

    do: Callable[[Path], object]
    results: Callable[[Path], object]
    look: Callable[[Path], object]


def batch(base: Path) -> Work:
    """Six photos, whose optimisations keep a checkpoint at every step."""
    generator = PGGANGenerator.random(PGGANArchitecture(12, (10, 9, 8, 7, 6, 5)), seed=1)
    TensorFile(generator.state_dict()).save(base / "small.safetensors")
    for n in range(PHOTOS):
        photo(base / "in" / f"{n}.png", (16 + n, 20))
    command = ["invert", base / "in", "--checkpoint-every", 1, "-g", base / "small.safetensors"]
    command += ["-R", 1, "-K", 2, "--steps", 4, "--device", "cpu"]

    def look(folder: Path) -> None:
        for path in folder.glob("[!.]*"):
            if path.suffix == ".pt":
                LatentBundle.load(path)
            else:
                with Image.open(path) as image:
                    image.load()

    return Work(lambda folder: run(*command, "-o", folder), contents, look)


def slow(handler: weights_server.Handler, content: bytes) -> None:
    """Send what is wanted in pieces, a millisecond apart."""
    start = handler.wanted() or 0
    handler.send_response(206 if start else 200)
    if start:
        handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
    handler.send_header("ETag", '"v1"')
    handler.send_header("Content-Length", str(len(content) - start))
    handler.end_headers()
    step = len(content) // PIECES
    for at in range(start, len(content), step):
        handler.wfile.write(content[at : at + step])
        time.sleep(1e-3)
    handler.close_connection = True


@contextmanager
def fetching(_base: Path) -> Iterator[Work]:
    """A file of 4 MB from a slow server on this machine."""
    with weights_server.running() as server:
        server.content, server.otherwise = random.Random(0).randbytes(4 << 20), slow
        expected = hashlib.sha256(server.content).hexdigest()

        def do(folder: Path) -> None:
            folder.mkdir(exist_ok=True)
            download([server.url], folder / "part", expected=expected, watch=lambda _: None)
            os.replace(folder / "part", folder / "net.pth")

        def look(folder: Path) -> None:
            for part in folder.glob("part"):
                if not server.content.startswith(part.read_bytes()):
                    raise AssertionError("the part is not the beginning of the file")

        def results(folder: Path) -> object:
            return [path.read_bytes() for path in folder.glob("net.pth")]

        yield Work(do, results, look)


def training(base: Path) -> Work:
    """A training of ten steps of a network of 16 px, with a checkpoint after each."""
    shapes = draw_shapes(base / "shapes", 60)
    module = sys.modules["ganinvert.cli.train"]
    module.DEFAULT = replace(Training(), evaluation_images=16, evaluations=1)
    module.DISCOVERY["default"] = replace(Discovery(), steps=5)
    loop.SAVE_SECONDS = 0
    loop.TrainingLoop.draw = lambda _self: None  # type: ignore[method-assign]
    command = ["train", shapes, "--device", "cpu"]

    def do(folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        os.environ["GANINVERT_DATA_DIR"] = str(folder / "data")  # where networks are registered by their names
        target = folder / "net.safetensors"
        begun = (run_folder(target) / FILE_NAME).exists()
        run(*command, "-o", target, *(["--resume"] if begun else [*SMALL, "--features", 0, "--images", 80]))

    def look(folder: Path) -> None:
        path = run_folder(folder / "net.safetensors") / FILE_NAME
        if path.exists():
            Checkpoint.load(path, Training)

    def results(folder: Path) -> object:
        tensors = TensorFile.load(folder / "net.safetensors").tensors
        return {name: tensor.numpy().tobytes() for name, tensor in tensors.items()}

    return Work(do, results, look)


def survive(work: Work, base: Path, kills: int, seed: int) -> tuple[int, float]:
    """Kill the work that many times; return how often it ended, and the seconds of the undisturbed one."""
    work.do(base / "first")  # loads what every child then has at hand
    start = time.monotonic()
    os.waitpid(in_a_child(lambda: work.do(base / "calm")), 0)
    duration, calm = time.monotonic() - start, work.results(base / "calm")
    if not calm:
        raise AssertionError("the undisturbed work has no results")
    moments, killed, ended = random.Random(seed), 0, 0
    while killed < kills:
        folder = base / f"killed-{ended}"
        while True:
            child = in_a_child(partial(work.do, folder))
            time.sleep(moments.uniform(0, duration / 2))
            if has_ended(child):
                break
            if killed == kills:
                os.waitpid(child, 0)
                break
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            killed += 1
            work.look(folder)
        if work.results(folder) != calm:
            raise AssertionError(f"{folder} differs from the undisturbed results")
        ended += 1
    return ended, duration


def main() -> int:
    """Print a line for each kind of work."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--only", choices=("batch", "download", "training"))
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    makers = {"batch": batch, "download": fetching, "training": training}
    chosen = {name: make for name, make in makers.items() if arguments.only in (None, name)}
    lost = 0
    with tempfile.TemporaryDirectory() as folder:
        os.environ["GANINVERT_DATA_DIR"] = f"{folder}/data"
        for name, make in chosen.items():
            base, start = Path(folder, name), time.monotonic()
            base.mkdir()
            try:
                made = make(base)
                if isinstance(made, Work):
                    ended, duration = survive(made, base, arguments.kills // len(chosen), arguments.seed)
                else:
                    with made as work:
                        ended, duration = survive(work, base, arguments.kills // len(chosen), arguments.seed)
            except AssertionError as error:
                print(f"{name}: {error}", flush=True)
                lost += 1
                continue
            print(
                f"{name}: {arguments.kills // len(chosen)} kills, {ended} times at its end with the same results"
                f" ({duration:.1f} s undisturbed, {time.monotonic() - start:.0f} s in all)",
                flush=True,
            )
    return lost


if __name__ == "__main__":
    sys.exit(main())
