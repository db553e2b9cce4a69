"""How well an encoder inverts: samples whose codes are known, and photos that it never saw.

Usage: python tests/benchmarks/encoder.py FOLDER [--encoder NAME|FILE] [--generator NAME|FILE] [--samples 1000]
       [--photos 20] [--figure FILE.png]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ganinvert import images
from ganinvert.files import write_atomically
from ganinvert.generators import Encoder, Generator, load_encoder, load_generator
from ganinvert.metrics import image_metrics, to_unit

BATCH = 16


def main() -> None:
    """Print a table, and draw the photos above what the encoder makes of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="photos that are aligned already")
    parser.add_argument("--generator", default="portraits-64")
    parser.add_argument("--encoder", default=None)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--photos", type=int, default=20)
    parser.add_argument("--figure", type=Path)
    arguments = parser.parse_args()
    generator = load_generator(arguments.generator)
    encoder = load_encoder(arguments.encoder or arguments.generator, generator=generator)
    codes = torch.randn(arguments.samples, generator.space().shape[0], generator=torch.Generator().manual_seed(7))
    cosines = []
    for part in codes.split(BATCH):
        with torch.no_grad():
            z, _features = encoder(generator(part).clamp(-1, 1))
        cosines.append(F.cosine_similarity(z, part))
    found = torch.cat(cosines)
    chance = F.cosine_similarity(codes, codes.roll(1, 0))
    print(f"cosine to z, {len(codes)} samples: mean {found.mean():.3f}, least {found.min():.3f};"
          f" of unrelated codes: mean {chance.mean():.3f}, largest {chance.max():.3f},"
          f" standard deviation {chance.std():.3f}")  # fmt: skip
    with torch.no_grad():
        samples = torch.cat([generator(part).clamp(-1, 1) for part in codes[:200].split(BATCH)])
    files = sorted(path for path in arguments.folder.iterdir() if path.suffix in {".jpg", ".png"})[: arguments.photos]
    photos = torch.stack(
        [torch.from_numpy(images.fit(images.read(path), generator.resolution).pixels) for path in files]
    )
    print("| images | route | PSNR | SSIM | LPIPS |\n|---|---|---|---|---|")
    for name, shown in ((f"{len(samples)} samples", samples), (f"{len(photos)} photos", photos)):
        routes = reconstruct(encoder, generator, shown)
        for route, made in zip(("features", "z"), routes, strict=True):
            rows = image_metrics(made, shown)
            means = {key: sum(row[key] for row in rows) / len(rows) for key in rows[0]}
            print(f"| {name} | {route} | {means['psnr']:.2f} | {means['ssim']:.3f} | {means['lpips']:.3f} |")
        if shown is photos and arguments.figure:
            sheet = torch.cat([torch.cat(list(row), dim=2) for row in (to_unit(photos), *map(to_unit, routes))], dim=1)
            write_atomically(arguments.figure, images.encode_png(images.to_pil(sheet.numpy())))
    started = time.process_time()
    with torch.no_grad():
        encoder(photos[:1])
    print(f"one photo: {1000 * (time.process_time() - started):.0f} ms of one thread")


def reconstruct(encoder: Encoder, generator: Generator, shown: Tensor) -> tuple[Tensor, Tensor]:
    """Images (n, 3, r, r) to what is rendered through features, and through z."""
    pairs = []
    for part in shown.split(BATCH):
        with torch.no_grad():
            z, features = encoder(part)
            pairs.append((generator.synthesize(features, encoder.layer), generator(z)))
    by_features, by_code = zip(*pairs, strict=True)
    return torch.cat(by_features), torch.cat(by_code)


if __name__ == "__main__":
    main()
