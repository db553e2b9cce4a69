"""Results at 1024 pixels on real photos: inversions by space, restorations, and subspaces against random ones.

python tests/benchmarks/faces_1024.py invert|restore|subspaces OUT PHOTO… — the generator is `ffhq-1024`, photos are
square and aligned. Every result is written to OUT as a picture, and a line per photo and the means are printed. The
subspaces of layer 5 must have been discovered for the third: `ganinvert discover -g ffhq-1024 --layer 5`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ganinvert import images, load_generator
from ganinvert.degradations import Degradation, Downsample, Grayscale, Identity, Mask
from ganinvert.devices import peak_memory, watch_memory
from ganinvert.generators import Generator
from ganinvert.methods import FineTuning, method_of
from ganinvert.metrics import color_auc, image_metrics, to_unit
from ganinvert.optimize import solve
from ganinvert.settings import InversionSettings, PmSFC, preset_of, refinement
from ganinvert.settings.common import Refinement
from ganinvert.subspaces import SubspacePartition, find_partition

METHODS = (("bdinvert", None), ("bdinvert", "pti"), ("image2stylegan", None), ("stylegan2-projector", None))
CPU = torch.device("cpu")


def read(path: Path, side: int) -> Tensor:
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB").resize((side, side), Image.Resampling.LANCZOS))
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1


def measures(x: Tensor, y: Tensor, *sides: int) -> list[float]:
    """PSNR and LPIPS of images averaged to the sides."""
    rows = [image_metrics(*(F.interpolate(each, (side, side), mode="area") for each in (x, y)))[0] for side in sides]
    return [row[name] for row in rows for name in ("psnr", "lpips")]


def run(
    generator: Generator,
    y: Tensor,
    settings: InversionSettings,
    partition: SubspacePartition,
    degradation: Degradation,
    refine: Refinement | None = None,
) -> tuple[Tensor, list[float]]:
    """The image, and seconds by the clock and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    solution = solve(
        generator,
        y,
        method=method_of(settings.method, partition),
        degradation=degradation,
        objective=settings.objective,
        optimization=settings.optimization,
        fine_tuning=FineTuning(refinement(refine, styled=True)) if refine else None,
    )
    with torch.no_grad():
        image = solution.code.render(generator)
    return image, [time.perf_counter() - clock, time.process_time() - processor]


def report(name: str, rows: Sequence[Sequence[float]], titles: str) -> None:
    mean, low = np.mean(rows, axis=0), np.min(rows, axis=0)
    print(f"{name} ({len(rows)} photos; {titles}): {np.round(mean, 3).tolist()}, least {np.round(low, 3).tolist()}")


def invert(generator: Generator, out: Path, photos: Sequence[Path]) -> None:
    whole = SubspacePartition.whole(generator.layer_info(generator.edit_layer).channels)
    for method, refine in METHODS:
        watch_memory(CPU)
        rows, settings, name = [], preset_of(method, "invert", styled=True), f"{method}-{refine}" if refine else method
        for path in photos:
            y = read(path, generator.resolution)
            image, seconds = run(generator, y, settings, whole, Identity(), refine)
            images.to_pil(to_unit(image)[0].numpy()).save(out / f"{name}-{path.stem}.png")
            rows.append([*measures(image, y, 256, generator.resolution), *seconds])
            print(name, path.stem, np.round(rows[-1], 3).tolist(), flush=True)
        report(name, rows, "PSNR, LPIPS at 256, at full size; seconds, of the processor")
        print(f"peak memory {(peak_memory(CPU) or 0) / 1e9:.2f} GB")


def restore(generator: Generator, out: Path, photos: Sequence[Path]) -> None:
    r = generator.resolution
    known = torch.ones(1, 1, r, r, dtype=torch.bool)
    known[..., r // 4 : -r // 4, r // 4 : -r // 4] = False
    tasks: dict[str, tuple[str, Callable[[], Degradation]]] = {
        **{f"from {side}": ("upscale", lambda side=side: Downsample(r, side)) for side in (128, 64, 32)},  # type: ignore[misc]
        "gray": ("colorize", Grayscale),
        "hole": ("inpaint", lambda: Mask(known)),
    }
    whole = SubspacePartition.whole(generator.layer_info(generator.edit_layer).channels)
    for name, (task, make) in tasks.items():
        rows = []
        for path in photos:
            truth, degradation = read(path, r), make()
            y = ((degradation(truth) + 1) * 127.5).round() / 127.5 - 1
            image, seconds = run(generator, y, preset_of("bdinvert", task, styled=True), whole, degradation)
            given, result = degradation.guess(y).expand(-1, 3, -1, -1), degradation.project(image, y)
            images.to_pil(to_unit(result)[0].numpy()).save(out / f"{task}-{name.split()[-1]}-{path.stem}.png")
            rows.append([*measures(given, truth, 256), *measures(result, truth, 256), *seconds])
            if isinstance(degradation, Grayscale):
                rows[-1] += [float(color_auc(to_unit(x), to_unit(truth))) for x in (given, result)]
            if isinstance(degradation, Downsample):
                degradation.detail = 0.65
                rows[-1] += measures(degradation.project(image, y), truth, 256)
            print(task, name, path.stem, np.round(rows[-1], 3).tolist(), flush=True)
        report(f"{task} {name}", rows, "PSNR, LPIPS given and restored; seconds; with detail .65, or colour AuC")


def subspaces(generator: Generator, out: Path, photos: Sequence[Path]) -> None:
    found = find_partition(generator, 5, 6, affinity="thresholded")
    settings = preset_of("pmsfc", "invert", styled=True)
    settings = replace(settings, optimization=replace(settings.optimization, steps=60))
    one = replace(settings, method=PmSFC(**{**vars(settings.method), "subspaces": 1, "codes": 30}))
    variants = {"discovered": (settings, found), "random": (settings, found.shuffled()), "R = 1": (one, found)}
    rows: dict[str, list[list[float]]] = {name: [] for name in variants}
    for path in photos:
        y = read(path, generator.resolution)
        for name, (chosen, partition) in variants.items():
            image, _ = run(generator, y, chosen, partition, Identity())
            images.to_pil(to_unit(image)[0].numpy()).save(out / f"{name.replace(' ', '')}-{path.stem}.png")
            rows[name].append(measures(image, y, 256))
            print(name, path.stem, np.round(rows[name][-1], 3).tolist(), flush=True)
    for name in variants:
        report(name, rows[name], "PSNR, LPIPS at 256")
        difference = np.array(rows["discovered"]) - np.array(rows[name])
        if name != "discovered":
            error = 1.96 * difference.std(axis=0, ddof=1) / len(difference) ** 0.5
            print(f"discovered - {name}: {np.round(difference.mean(axis=0), 3)} ± {np.round(error, 3)} (95 %)")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", choices=("invert", "restore", "subspaces"))
    parser.add_argument("out", type=Path)
    parser.add_argument("photos", type=Path, nargs="+")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    studies = {"invert": invert, "restore": restore, "subspaces": subspaces}
    studies[given.study](load_generator("ffhq-1024"), given.out, given.photos)
