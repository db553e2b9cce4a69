"""What alignment gains: photos that are not aligned, inverted with and without it.

Usage: python tests/benchmarks/alignment.py FOLDER

Two comparisons, PSNR in dB and LPIPS (AlexNet): in the generator's square, each as it saw the photo; and, fairer,
inside the largest face's box after the result was put back into the photo, both boxes resized to 128 pixels.
"""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import mean

import torch
from PIL import Image

from ganinvert import Inverter, images
from ganinvert.faces import detect
from ganinvert.metrics import lpips, psnr

SIDE = 128


def face_region(photo: Image.Image, box: tuple[float, ...]) -> torch.Tensor:
    edges = (max(0, box[0]), max(0, box[1]), min(photo.width, box[2]), min(photo.height, box[3]))
    crop = photo.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS, box=edges)
    return torch.from_numpy(images.to_array(crop))[None] / 255


def main(folder: Path) -> None:
    inverters = {mode: Inverter.load(align=mode, square=False, device="cpu") for mode in ("off", "auto")}
    rows: dict[str, list[tuple[float, ...]]] = {mode: [] for mode in inverters}
    for path in sorted(folder.iterdir()):
        picture = images.read(path)
        box = detect(picture)[0].box
        truth = face_region(picture.rgb, box)
        for mode, inverter in inverters.items():
            result = inverter.run([inverter.prepare(path)])[0]
            found = face_region(result.whole, box)
            inside = float(psnr(found, truth)), float(lpips(found, truth))
            rows[mode].append((result.metrics["psnr"], result.metrics["lpips"], *inside))
            print(path.name, mode, *(f"{value:.3f}" for value in rows[mode][-1]), flush=True)
    for mode, values in rows.items():
        print("mean", mode, *(f"{mean(column):.3f}" for column in zip(*values, strict=True)))
    wins = [sum(b[n] > a[n] for a, b in zip(*rows.values(), strict=True)) for n in range(4)]
    print("aligned is higher in", *wins, "of", len(rows["off"]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
