"""What exchanging subspaces does to faces, and how even interpolations are: the study behind docs/explanation/tasks.md.

Usage: python tests/benchmarks/editing.py PHOTOS --pairs 10
       python tests/benchmarks/editing.py PHOTOS --pairs 3 --generator ffhq-1024 --pictures FOLDER

The first photos of the folder, in sorted order, are inverted as `swap` does it, with seed 0, and paired. For every
subspace the mean LPIPS (AlexNet) of "A with B's" to A and to B is printed, for discovered and for random masks of the
same sizes; then, for R = 6 and R = 1 with as many codes, how far apart neighbouring frames of an interpolation are.
Images are averaged to at most 256 pixels. Pictures show each pair: A, A with B's subspaces one by one, and B.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ganinvert import images, load_generator
from ganinvert.bundle import LatentBundle
from ganinvert.metrics import lpips
from ganinvert.settings import InversionSettings, preset_of
from ganinvert.tasks import Inverter, interpolate, swap

FRAMES, SIDE = 11, 256


def inverted(
    generator: str, paths: list[Path], settings: InversionSettings, *, shuffled: bool = False
) -> tuple[Inverter, list[LatentBundle]]:
    """The photos' bundles."""
    inverter = Inverter.load(generator, settings=settings, align="off", device="cpu")
    if shuffled:
        inverter = Inverter.open(inverter.request, inverter.partition.shuffled(), generator=inverter.generator)
    return inverter, [result.bundle for result in inverter.run([inverter.prepare(path) for path in paths])]


def pixels(image: Image.Image) -> Tensor:
    """An image as (1, 3, s, s) in [0, 1], averaged to at most 256 pixels."""
    x = torch.from_numpy(images.to_array(image))[None] / 255
    return F.adaptive_avg_pool2d(x, SIDE) if x.shape[-1] > SIDE else x


def exchanges(inverter: Inverter, a: LatentBundle, b: LatentBundle) -> list[Tensor]:
    """A, A with each of B's subspaces, and B; (1, 3, s, s) each."""
    numbers = range(1, len(inverter.partition.sizes) + 1)
    edits = [swap(a, b, inverter.generator, subspaces=[n])[0].image for n in numbers]
    first, last = interpolate(a, b, inverter.generator, frames=2)
    return [pixels(image) for image in (first.image, *edits, last.image)]


def main() -> None:
    """Print the distances."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--generator", default="portraits-64")
    parser.add_argument("--pictures", type=Path, help="folder for a picture of every pair")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    paths = sorted(path for path in arguments.photos.iterdir() if path.suffix in (".jpg", ".png"))
    paths = paths[: 2 * arguments.pairs]
    styled = load_generator(arguments.generator).is_styled
    default = preset_of("pmsfc", "edit", styled=styled)
    one = replace(default, method=replace(default.method, subspaces=1, codes=30))
    for name, settings in (("discovered", default), ("random", default), ("R = 1", one)):
        inverter, bundles = inverted(arguments.generator, paths, settings, shuffled=name == "random")
        pairs = list(zip(bundles[::2], bundles[1::2], strict=True))
        rows = [exchanges(inverter, a, b) for a, b in pairs]
        for n, size in enumerate(inverter.partition.sizes, 1):
            to_a, to_b = (sum(float(lpips(row[n], row[end])) for row in rows) / len(rows) for end in (0, -1))
            print(f"{name:12s}subspace {n} ({size} channels)  LPIPS to A {to_a:.3f}  to B {to_b:.3f}", flush=True)
        if arguments.pictures:
            arguments.pictures.mkdir(parents=True, exist_ok=True)
            sheet = images.grid([[images.to_pil(each[0].numpy()) for each in row] for row in rows])
            sheet.save(arguments.pictures / f"{name.replace(' ', '')}.png")
        steps, ends = [], []
        for a, b in pairs:
            frames = [pixels(edit.image) for edit in interpolate(a, b, inverter.generator, frames=FRAMES)]
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
