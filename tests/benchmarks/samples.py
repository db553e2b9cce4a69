"""Several results of one photo, and their mean, where the truth is known: the study behind docs/explanation/tasks.md.

Usage: python tests/benchmarks/samples.py PHOTOS --limit 20 --samples 16 -o samples.json --sheets FOLDER

Every photo of the folder (the first in sorted order) is fitted to the generator's square, degraded as `evaluate` does
it, and restored with as many seeds. For N = 1, 4, 16 … of the results it prints PSNR and LPIPS (at most 256 pixels) of
single results and of their mean, the diversity (mean LPIPS of all pairs, and the standard deviation of pixels over the
results, in levels), and in the first row what the degraded photo shows by itself. A sheet shows photo, that, the mean,
and the first results.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ganinvert import images
from ganinvert.benchmark.protocol import EvaluationProtocol
from ganinvert.benchmark.truth import degrade, read_truth, visible_image
from ganinvert.metrics import lpips_features, psnr
from ganinvert.settings import ColorizeTask, InpaintTask, RestoreTask, UpscaleTask
from ganinvert.tasks import Inverter

TRIALS = {task.name: task.trial() for task in (UpscaleTask, ColorizeTask, InpaintTask, RestoreTask)}
SIDE = 256


def unit(levels: Tensor) -> Tensor:
    """Images (3, r, r) uint8 as (1, 3, s, s) in [0, 1], averaged to at most 256 pixels."""
    x = levels[None].float() / 255
    return F.adaptive_avg_pool2d(x, SIDE) if x.shape[-1] > SIDE else x


def figures(results: list[Tensor], truth: Tensor) -> dict[str, float]:
    """Numbers of the first results of a photo, (1, 3, s, s) each, against the truth."""
    mean = torch.stack(results).mean(dim=0)
    vectors = [lpips_features(each) for each in (truth, mean, *results)]
    distances = [float((vector - vectors[0]).square().sum()) for vector in vectors]
    pairs = [float((a - b).square().sum()) for a, b in combinations(vectors[2:], 2)]
    spread = torch.cat(results).std(dim=0).square().mean().sqrt() if len(results) > 1 else torch.zeros(())
    return {
        "psnr": sum(float(psnr(each, truth)) for each in results) / len(results),
        "lpips": sum(distances[2:]) / len(results),
        "psnr of the mean": float(psnr(mean, truth)),
        "lpips of the mean": distances[1],
        "diversity": sum(pairs) / len(pairs) if pairs else 0.0,
        "deviation": 255 * float(spread),
    }


def restore(inverter: Inverter, protocol: EvaluationProtocol, path: Path, count: int) -> dict[str, list[Tensor]]:
    """Truth, what the degraded photo shows, and results with as many seeds; (1, 3, s, s) each."""
    truth = read_truth(path, inverter, protocol)
    prepared = degrade(truth, protocol)
    results = []
    for seed in range(count):
        drawn = replace(inverter, request=replace(inverter.request, seed=seed))
        results.append(unit(torch.from_numpy(images.to_array(drawn.run([prepared])[0].image))))
    shown = visible_image(prepared.measurement, inverter.generator.resolution)
    return {"truth": [unit(truth.levels)], "input": [unit(shown)], "results": results}


def sheet(rows: list[dict[str, list[Tensor]]], shown: int = 5) -> Image.Image:
    """Photo, input, mean and the first results, one row for each photo."""
    cells = []
    for row in rows:
        mean = torch.stack(row["results"]).mean(dim=0)
        cells.append(
            [images.to_pil(each[0].numpy()) for each in (*row["truth"], *row["input"], mean, *row["results"][:shown])]
        )
    labels = ["photo", "given", "mean", *(str(n) for n in range(1, len(cells[0]) - 2))]
    return images.grid(cells, column_labels=labels)


def main() -> None:
    """Restore, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--limit", type=int, default=20)
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--task", choices=TRIALS, default="upscale")
    parser.add_argument("--generator", default="portraits-64")
    parser.add_argument("--method", default="auto")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--init", help="initial codes, instead of the preset's")
    parser.add_argument("-o", "--output", type=Path, default=Path("samples.json"))
    parser.add_argument("--sheets", type=Path)
    arguments = parser.parse_args()
    protocol = EvaluationProtocol(TRIALS[arguments.task])
    options = {"task": protocol.task, "align": "off", "device": "cpu"}
    inverter = Inverter.load(arguments.generator, arguments.method, **options)
    if arguments.steps:
        optimization = replace(inverter.settings.optimization, steps=arguments.steps)
        inverter = replace(inverter, settings=replace(inverter.settings, optimization=optimization))
    if arguments.init:
        method = replace(inverter.settings.method, init=arguments.init)
        if arguments.init == "random" and "sigma" in vars(method):
            method = replace(method, sigma=1.0)
        inverter = replace(inverter, settings=replace(inverter.settings, method=method))
    paths = sorted(path for path in arguments.photos.iterdir() if path.suffix in (".jpg", ".png"))[: arguments.limit]
    start, rows = time.perf_counter(), []
    for path in paths:
        rows.append(restore(inverter, protocol, path, arguments.samples))
    print(f"{(time.perf_counter() - start) / len(paths) / arguments.samples:.1f} s for each result")
    table = {"input": [figures(row["input"], row["truth"][0]) for row in rows]}
    counts = [count for count in (1, 4, 16, 64) if count < arguments.samples] + [arguments.samples]
    table |= {str(n): [figures(row["results"][:n], row["truth"][0]) for row in rows] for n in counts}
    for label, photos in table.items():
        means = {name: sum(photo[name] for photo in photos) / len(photos) for name in photos[0]}
        print(f"{label:>6}  " + "  ".join(f"{name} {value:.3f}" for name, value in means.items()), flush=True)
    arguments.output.write_text(json.dumps(table, indent=1))
    if arguments.sheets:
        arguments.sheets.mkdir(parents=True, exist_ok=True)
        sheet(rows[:8]).save(arguments.sheets / f"{arguments.task}.png")


if __name__ == "__main__":
    main()
