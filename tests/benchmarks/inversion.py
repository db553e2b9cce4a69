"""Quality against time of inversion presets on a folder of photos: the study behind docs/explanation/optimisation.md.

Usage: python tests/benchmarks/inversion.py PHOTOS --limit 12 --variant default --variant paper -o study.jsonl

Every variant inverts the same photos (the first of the folder in sorted order) with seed 0 in one batch, in this one
process, so that the times compare. Each appends one JSON line: settings, seconds, metrics of every photo, and the
mean PSNR along the way. `--plot` draws what a file holds.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, replace
from pathlib import Path

import torch

from ganinvert.generators import PGGANGenerator, load_generator
from ganinvert.images import fit, read
from ganinvert.methods import Composition
from ganinvert.metrics import image_metrics
from ganinvert.optimize import Step, solve
from ganinvert.settings import InversionSettings, Objective, preset_of
from ganinvert.subspaces import find_partition

DEFAULT, PAPER = preset_of("pmsfc", "invert"), preset_of("pmsfc", "invert", "paper")


def _with(
    base: InversionSettings, *, steps: int | None = None, lr: float | None = None, **method: object
) -> InversionSettings:
    optimization = replace(base.optimization, steps=steps or base.optimization.steps, lr=lr or base.optimization.lr)
    return replace(base, optimization=optimization, method=replace(base.method, **method))


VARIANTS: dict[str, InversionSettings] = {
    "paper": PAPER,
    "paper, 3000 steps": _with(PAPER, steps=3000),
    "paper, N(0, I) start, 300 steps": _with(PAPER, steps=300, sigma=1.0),
    "default": DEFAULT,
    "default, 100 steps": _with(DEFAULT, steps=100),
    "default, 1000 steps": _with(DEFAULT, steps=1000),
    "default, lr 0.1": _with(DEFAULT, lr=0.1),
    "default, random start": _with(DEFAULT, init="random", sigma=1.0),
    "default, VGG every step": replace(DEFAULT, objective=replace(DEFAULT.objective, perceptual_every=1)),
    "default, no VGG": replace(DEFAULT, objective=Objective(perceptual=0.0)),
    "default, random masks": DEFAULT,
    "R=1 K=30, mGANprior's weights": _with(DEFAULT, subspaces=1, codes=30, weighting="linear", weight_rate=0.05),
    "R=1 K=30, eq. 6": _with(DEFAULT, subspaces=1, codes=30),
    "R=1 K=5, mGANprior's weights": _with(DEFAULT, subspaces=1, codes=5, weighting="linear", weight_rate=0.05),
}


def run(name: str, y: torch.Tensor, generator: PGGANGenerator, precision: torch.dtype) -> dict[str, object]:
    """Invert the photos with one variant."""
    settings = VARIANTS[name]
    partition = find_partition(
        generator, settings.method.layer, settings.method.subspaces, affinity=settings.method.affinity
    )
    if "random masks" in name:
        partition = partition.shuffled()
    curve: list[tuple[float, float]] = []
    start = time.perf_counter()

    def watch(step: Step) -> None:
        if step.index in (5, 10, 20, 35) or step.index % 50 == 49:
            curve.append((time.perf_counter() - start, float(step.psnr.mean())))

    method = Composition(settings.method, partition)
    solution = solve(
        generator,
        y,
        method=method,
        objective=settings.objective,
        optimization=settings.optimization,
        dtype=precision,
        callback=watch,
    )
    seconds = time.perf_counter() - start
    with torch.no_grad():
        metrics = image_metrics(solution.code.render(generator), y)
    means = {key: sum(row[key] for row in metrics) / len(metrics) for key in metrics[0]}
    print(
        f"{name:36s} {seconds:8.1f} s  " + "  ".join(f"{key} {value:.4f}" for key, value in means.items()), flush=True
    )
    return {
        "variant": name,
        "seconds": seconds,
        "threads": torch.get_num_threads(),
        "dtype": str(precision),
        "means": means,
        "photos": metrics,
        "curve": curve,
        "settings": asdict(settings),
    }


def plot(rows: list[dict[str, object]], target: Path) -> None:
    """PSNR against seconds, one line per variant."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
    for number, row in enumerate(rows):
        seconds, psnr = zip(*row["curve"], strict=True)
        axes.plot(seconds, psnr, label=row["variant"], linestyle=("-", "--", ":", "-.")[number % 4])
    axes.set(xscale="log", xlabel="seconds (all photos)", ylabel="mean PSNR, dB", ylim=(10, None))
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    figure.savefig(target)


def main() -> None:
    """Run or draw, as the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--limit", type=int, default=12)
    parser.add_argument("--variant", action="append", choices=list(VARIANTS))
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("-o", "--output", type=Path, default=Path("inversion.jsonl"))
    parser.add_argument("--plot", type=Path, help="draw the output file instead of running")
    arguments = parser.parse_args()
    if arguments.plot:
        plot([json.loads(line) for line in arguments.output.read_text().splitlines()], arguments.plot)
        return
    torch.set_num_threads(arguments.threads)
    generator = load_generator()
    paths = sorted(path for path in arguments.photos.iterdir() if path.suffix in (".jpg", ".png"))[: arguments.limit]
    pixels = [torch.from_numpy(fit(read(path), generator.resolution).pixels) for path in paths]
    y = torch.stack(pixels)
    for name in arguments.variant or VARIANTS:
        row = run(name, y, generator, getattr(torch, arguments.dtype))
        with arguments.output.open("a") as file:
            file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
