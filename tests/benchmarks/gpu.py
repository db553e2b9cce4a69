"""Everything that is claimed or doubted about the CUDA path, in one run of under 8 minutes.

python tests/benchmarks/gpu.py [--device cuda] [--seconds 450] [--small]

All weights are random and of the official shapes, so nothing need be fetched. It prints, for PGGAN, StyleGAN2 and
MobileStyleGAN at 64, 256 and 1024 px: largest difference between captured and eager steps, in the first, the first five
and all, and between bfloat16 and float32; seconds until the first step, steps per second and peak memory, captured and
eager, for batches of 1, 4 and 16; images per second of a training. `--small` takes tiny networks, to try the script
itself on a CPU. A subject that fails is printed, and the others go on; the last line says how many failed.
"""

from __future__ import annotations

import argparse
import logging
import os
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image
from torch import Tensor

import ganinvert
from ganinvert.devices import peak_memory, resolve_precision, watch_memory
from ganinvert.generators import Generator, PGGANGenerator
from ganinvert.generators.mobilestylegan import MobileStyleGANArchitecture, MobileStyleGANGenerator
from ganinvert.generators.pggan import PGGANArchitecture
from ganinvert.generators.stylegan2 import StyleGAN2Architecture, StyleGAN2Generator
from ganinvert.methods import method_of
from ganinvert.optimize import Step, optimizers, solve
from ganinvert.settings import InversionSettings, preset_of
from ganinvert.subspaces import SubspacePartition

_FIRST = 5
"""Steps that do not count: they warm up, and capture."""


class Cost(NamedTuple):
    """Cost of an optimisation: seconds until its first step is done, seconds per step, and peak memory in GB."""

    start: float
    step: float
    memory: float

    def text(self, batch: int = 1) -> str:
        """The cost in words, for a batch of photos."""
        return f"{batch / self.step:.2f} photos·steps/s, {self.memory:.2f} GB, first step after {self.start:.1f} s"


def stylegan2(side: int) -> Generator:
    channels = tuple(min(32768 // (4 << n), 512) for n in range((side // 4).bit_length()))
    return StyleGAN2Generator.random(StyleGAN2Architecture((512,) * 9, channels))


def mobilestylegan(side: int) -> Generator:
    channels = (512,) * 10 + (256, 256, 128, 128, 64, 64)
    layers = 2 * (side // 8).bit_length()
    return MobileStyleGANGenerator.random(MobileStyleGANArchitecture((512,) * 9, 4, channels[:layers]))


def subjects(*, small: bool) -> Iterator[tuple[str, Callable[[], Generator]]]:
    """Names of the generators, and how to make them."""
    if small:
        channels = (16, 16, 16, 16, 16, 16, 12, 12, 8, 8)
        yield "PGGAN 16", lambda: PGGANGenerator.random(PGGANArchitecture(12, (10, 9, 8, 7, 6, 5)))
        yield "StyleGAN2 32", lambda: StyleGAN2Generator.random(StyleGAN2Architecture((12, 12, 12), (12, 8, 6, 6)))
        yield (
            "MobileStyleGAN 32",
            lambda: MobileStyleGANGenerator.random(MobileStyleGANArchitecture((12, 12, 12), 4, channels)),
        )
        return
    for side in (64, 256, 1024):
        yield f"PGGAN {side}", partial(PGGANGenerator.random, PGGANArchitecture.official(side))
        yield f"StyleGAN2 {side}", partial(stylegan2, side)
        yield f"MobileStyleGAN {side}", partial(mobilestylegan, side)


@contextmanager
def eagerly() -> Iterator[None]:
    """Steps are not captured."""
    kept = optimizers.uses_cuda_graph
    optimizers.uses_cuda_graph = lambda *_: False
    try:
        yield
    finally:
        optimizers.uses_cuda_graph = kept


def optimise(generator: Generator, y: Tensor, steps: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Cost]:
    """Losses (steps, b), and what the steps cost."""
    preset: InversionSettings = preset_of("auto", "invert", styled=generator.is_styled)
    channels = generator.layer_info(generator.edit_layer).channels
    times = [time.perf_counter()]

    def watch(step: Step) -> None:
        if step.index in (0, _FIRST, steps - 1):
            float(step.loss.sum())  # waits for the device
            times.append(time.perf_counter())

    watch_memory(y.device)
    solution = solve(
        generator,
        y,
        method=method_of(preset.method, SubspacePartition(torch.arange(channels) % 6, "given")),
        objective=preset.objective,
        optimization=replace(preset.optimization, steps=steps),
        dtype=dtype,
        callback=watch,
    )
    start, first, second = times[1] - times[0], *times[2:]
    return solution.losses, Cost(start, (second - first) / (steps - 1 - _FIRST), (peak_memory(y.device) or 0) / 1e9)


def measure(name: str, make: Callable[[], Generator], device: torch.device, *, small: bool) -> None:
    """Print what the steps of a generator cost, and how far they agree."""
    generator = make()
    generator.to(device)
    side, steps = generator.resolution, 8 if small else 40
    rng = torch.Generator().manual_seed(0)
    y = (torch.rand(2 if small else 16, 3, side, side, generator=rng) * 2 - 1).to(device)
    with eagerly():
        eager, cost = optimise(generator, y[:1], steps)
    print(f"{name}: eager, 1 photo: {cost.text()}", flush=True)
    for batch in (1, 2) if small else (1, 4, 16) if side < 1024 else (1, 4):
        losses, cost = optimise(generator, y[:batch], steps)
        print(f"{name}: {batch} photos: {cost.text(batch)}", flush=True)
        if batch == 1:
            off = (losses / eager - 1).abs()
            first, five, last = (float(off[:count].max()) for count in (1, 5, steps))
            print(f"{name}: captured − eager, losses: {first:.1e} {five:.1e} {last:.1e} relative", flush=True)
    fast = resolve_precision("auto", device, allows_bfloat16=generator.allows_bfloat16)
    if fast != torch.float32:
        losses, cost = optimise(generator, y[:1], steps, fast)
        off = float((losses[-1] / eager[-1] - 1).abs())
        print(f"{name}: {fast}, 1 photo: {cost.text()}, last loss off by {off:.1e}", flush=True)


def train(device: torch.device, *, small: bool) -> None:
    """Print the images per second of a training."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["GANINVERT_DATA_DIR"] = str(folder / "data")  # the trained network is no generator to keep
        (folder / "images").mkdir()
        for n in range(64):
            noise = torch.randint(256, (8, 8, 3), generator=torch.Generator().manual_seed(n), dtype=torch.uint8)
            Image.fromarray(noise.numpy()).resize((64, 64)).save(folder / "images" / f"{n}.png")
        for side in (16,) if small else (64,):
            settings = ganinvert.Training(
                resolution=side,
                images=48 if small else 20_000,
                phase_images=0,
                evaluations=1,
                batch=16 if small else 64,
            )
            times: list[tuple[float, int]] = []

            def watch(step: ganinvert.TrainingStep, times: list[tuple[float, int]] = times) -> None:
                if not times or step.images >= step.total:
                    float(step.losses["generator"])  # waits for the device
                    times.append((time.perf_counter(), step.images))

            ganinvert.train(
                folder / "images",
                folder / "trained.safetensors",
                settings=settings,
                device=str(device),
                callback=watch,
            )
            (started, first), (ended, last) = times
            print(f"training {side} px: {(last - first) / (ended - started):.1f} images/s", flush=True)


def main() -> None:
    """Measure everything until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seconds", type=float, default=450)
    parser.add_argument("--small", action="store_true")
    given = parser.parse_args()
    logging.basicConfig(format="%(message)s")
    logging.getLogger("ganinvert.optimize").setLevel(logging.INFO)  # tells of steps that cannot be captured
    device, started, failed = torch.device(given.device), time.perf_counter(), 0
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    print(f"{where}, torch {torch.__version__}, ganinvert {ganinvert.__version__}")
    work: dict[str, Callable[[], None]] = {
        name: partial(measure, name, make, device, small=given.small) for name, make in subjects(small=given.small)
    }
    work["training"] = lambda: train(device, small=given.small)
    for name, do in work.items():
        if time.perf_counter() - started > given.seconds:
            print(f"{name}: left out, the time is over")
            continue
        try:
            do()
        except Exception:
            failed += 1
            print(f"{name}: FAILED\n{traceback.format_exc()}", flush=True)
        if device.type == "cuda":
            torch.cuda.empty_cache()
    print(f"{failed} failed; {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
