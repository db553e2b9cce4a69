"""What exchanging subspaces does to faces, and how even interpolations are: the study behind docs/explanation/tasks.md.

Usage: python tests/benchmarks/editing.py PHOTOS --pairs 10

The first photos of the folder, in sorted order, are inverted as `swap` does it, with seed 0, and paired. For every
subspace the mean LPIPS (AlexNet) of "A with B's" to A and to B is printed, for discovered and for random masks of the
same sizes; then, for R = 6 and R = 1 with as many codes, how far apart neighbouring frames of an interpolation are.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from ganinvert import images
from ganinvert.bundle import LatentBundle
from ganinvert.metrics import lpips
from ganinvert.settings import InversionSettings, preset_of
from ganinvert.tasks import Edit, Inverter, interpolate, swap

FRAMES = 11


def inverted(
    paths: list[Path], settings: InversionSettings, *, shuffled: bool = False
) -> tuple[Inverter, list[LatentBundle]]:
    """The photos' bundles."""
    inverter = Inverter.load(settings=settings, align="off", device="cpu")
    if shuffled:
        inverter = Inverter.open(inverter.request, inverter.partition.shuffled(), generator=inverter.generator)
    return inverter, [result.bundle for result in inverter.run([inverter.prepare(path) for path in paths])]


def pixels(edit: Edit) -> Tensor:
    """An edit's image, (1, 3, r, r) in [0, 1]."""
    return torch.from_numpy(images.to_array(edit.image))[None] / 255


def main() -> None:
    """Print the distances."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    paths = sorted(path for path in arguments.photos.iterdir() if path.suffix in (".jpg", ".png"))
    paths = paths[: 2 * arguments.pairs]
    default = preset_of("pmsfc", "edit")
    one = replace(default, method=replace(default.method, subspaces=1, codes=30))
    for name, settings in (("discovered", default), ("random", default), ("R = 1", one)):
        inverter, bundles = inverted(paths, settings, shuffled=name == "random")
        pairs = list(zip(bundles[::2], bundles[1::2], strict=True))
        for n, size in enumerate(inverter.partition.sizes, 1):
            found = [swap(a, b, inverter.generator, subspaces=[n])[0].bundle.metrics for a, b in pairs]
            to_a, to_b = (sum(row[key] for row in found) / len(found) for key in ("lpips_a", "lpips_b"))
            print(f"{name:12s}subspace {n} ({size} channels)  LPIPS to A {to_a:.3f}  to B {to_b:.3f}", flush=True)
        steps, ends = [], []
        for a, b in pairs:
            frames = [pixels(edit) for edit in interpolate(a, b, inverter.generator, frames=FRAMES)]
            steps.append([float(lpips(first, second)) for first, second in pairwise(frames)])
            ends.append(float(lpips(frames[0], frames[-1])))
        mean = sum(map(sum, steps)) / len(steps) / (FRAMES - 1)
        most = sum(map(max, steps)) / len(steps)
        print(
            f"{name:12s}{FRAMES} frames: LPIPS of neighbours {mean:.4f}, at most {most:.4f},"
            f" ends {sum(ends) / len(ends):.3f}"
        )


if __name__ == "__main__":
    main()
