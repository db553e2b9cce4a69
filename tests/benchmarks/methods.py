"""Every method on the same photos: the table of docs/methods/index.md.

Usage: python tests/benchmarks/methods.py PHOTOS [--photos 20] [--skip 0] [--method NAME …] [--output methods.jsonl]

The first photos of the folder, in sorted order, are inverted one after another with seed 0, on one thread. "seconds"
are the process's own, of one photo. Editability: for each photo and each subspace, the photo's subspace is replaced by
the next photo's, and the LPIPS (AlexNet) of the result to the nearest of 5,000 samples of the generator is taken; the
mean over subspaces and photos is printed beside that of the inversions as they are ("own"). Farther from the
generator's own images than the inversions were means that the edit left what the generator knows.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from ganinvert.benchmark.protocol import variants
from ganinvert.bundle import LatentBundle
from ganinvert.generators import Generator, load_generator
from ganinvert.metrics import lpips_features, to_unit
from ganinvert.tasks import Inverter, swap

SAMPLES = 5000


@torch.no_grad()
def manifold(generator: Generator, *, seed: int) -> Tensor:
    """LPIPS vectors of samples, (SAMPLES, d) float16."""
    z = torch.randn(SAMPLES, generator.space().shape[0], generator=torch.Generator().manual_seed(seed))
    return torch.cat([lpips_features(to_unit(generator(part))).half() for part in z.split(50)])


def nearest(images: list[Tensor], samples: Tensor) -> float:
    """LPIPS of images (1, 3, r, r) to the nearest sample of each, mean."""
    vectors = torch.cat([lpips_features(to_unit(image)) for image in images])
    squares = vectors.square().sum(dim=1, keepdim=True)
    distances = []
    for part in samples.split(250):
        known = part.float()
        distances.append(squares + known.square().sum(dim=1) - 2 * vectors @ known.T)
    return float(torch.cat(distances, dim=1).min(dim=1).values.mean())


def editability(bundles: list[LatentBundle], generator: Generator, samples: Tensor) -> dict[str, float]:
    """Mean distances to the samples, of the inversions and after a swap."""
    swapped = []
    for n, a in enumerate(bundles):
        b = bundles[(n + 1) % len(bundles)]
        for subspace in range(1, a.partition.subspaces + 1):
            edit = swap(a, b, generator, subspaces=[subspace])[0].bundle
            swapped.append(edit.decode(generator, edit.features(generator)))
    own = [bundle.decode(generator, bundle.features(generator)) for bundle in bundles]
    return {"own": nearest(own, samples), "swapped": nearest(swapped, samples)}


def measured(name: str, paths: list[Path], samples: Tensor) -> dict[str, object]:
    """A method's row."""
    inverter = Inverter.load(settings=variants()[name].settings("invert"), align="off", device="cpu", dtype="float32")
    targets = [inverter.prepare(path) for path in paths]
    replace(inverter, settings=inverter.settings.shortest).run(targets[:1])
    results, seconds = [], []
    for target in targets:
        began = time.process_time()
        results.extend(inverter.run([target]))
        seconds.append(time.process_time() - began)
    row: dict[str, object] = {"method": name, "photos": len(paths)}
    for metric in ("psnr", "ssim", "lpips"):
        values = torch.tensor([result.metrics[metric] for result in results])
        row |= {metric: float(values.mean()), f"{metric}_sd": float(values.std())}
    row["seconds"] = sum(seconds) / len(seconds)
    row["bundle_kb"] = sum(len(result.bundle.encode()) for result in results) / len(results) / 1000
    return row | editability([result.bundle for result in results], inverter.generator, samples)


def main() -> None:
    """Measure, and print the table of all rows that the file has."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photos", type=int, default=20)
    parser.add_argument("--skip", type=int, default=0, help="photos before the first one")
    parser.add_argument("--method", nargs="+", default=[*variants()], choices=[*variants()])
    parser.add_argument("--output", type=Path, default=Path("methods.jsonl"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    paths = sorted(path for path in arguments.folder.iterdir() if path.suffix in (".jpg", ".png"))
    generator = load_generator()
    samples = manifold(generator, seed=0)
    z = torch.randn(50, generator.space().shape[0], generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        scale = nearest([generator(one[None]) for one in z], samples)
    print(f"fresh samples of the generator are {scale:.3f} from the nearest of {SAMPLES} others", flush=True)
    for name in arguments.method:
        row = measured(name, paths[arguments.skip : arguments.skip + arguments.photos], samples)
        with arguments.output.open("a") as file:
            file.write(json.dumps(row) + "\n")
        cells = [f"{row[key]:.{digits}f}" for key, digits in (("psnr", 2), ("ssim", 3), ("lpips", 3), ("seconds", 1))]
        print("|", name, "|", " | ".join([*cells, f"{row['own']:.3f}", f"{row['swapped']:.3f}"]), "|", flush=True)


if __name__ == "__main__":
    main()
