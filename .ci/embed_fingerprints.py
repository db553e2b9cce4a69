"""Make src/ganinvert/assets/fingerprints.safetensors from the published (z, image) pairs.

Usage: python .ci/embed_fingerprints.py SHARED_ASSETS_FOLDER RANDOM_FACE_WHEEL

Only the codes and the images' means over 16×16 cells are kept, never the images; of `ffhq-1024` also the mean and the
deviation of w.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ganinvert import paths
from ganinvert.generators.checks import fingerprint
from ganinvert.generators.mobilestylegan.layout import from_openvino
from ganinvert.generators.styles import MappingNetwork
from ganinvert.weights import TensorFile
from ganinvert.weights.reading import read_graphs

KEYS = {"celebahq-1024": "celebahq", "bedroom-256": "bedroom"}


def main(assets: Path, wheel: Path) -> None:
    """Write the file."""
    samples, pairs = assets / "pmsfc-official" / "samples", assets / "ffhq1024-pairs"
    tensors: dict[str, torch.Tensor] = {}
    for key, prefix in KEYS.items():
        codes = sorted(samples.glob(f"{prefix}_image_*.npy"), key=lambda path: int(path.stem.rpartition("_")[2]))
        tensors |= known(key, codes, [path.with_suffix(".png") for path in codes])
    tensors |= known("ffhq-1024", sorted(pairs.glob("z*.npy")), sorted(pairs.glob("image*.png")))
    graph = read_graphs(wheel)
    state = from_openvino(graph["MappingNetwork"], graph["SynthesisNetwork"])
    mapping = MappingNetwork(*[512] * 9)
    layers = {key.removeprefix("mapping."): value for key, value in state.items() if key.startswith("mapping.")}
    mapping.load_state_dict(layers, strict=False)
    mapping.measure()
    tensors |= {"ffhq-1024.mean": mapping.mean, "ffhq-1024.deviation": mapping.deviation}
    about = {
        "kind": "fingerprints",
        "licence": "Apache-2.0 (codes); the images they belong to were made with NVIDIA's weights, or with those of"
        " networks that were distilled from NVIDIA's, and are not here",
        "origin": "guanyuelee/PmSFC, samples of the official PGGANs; random-face 2021.7.21.1, run by OpenVINO",
    }
    TensorFile(tensors, about).save(paths.embedded("fingerprints.safetensors"))


def known(key: str, codes: list[Path], images: list[Path]) -> dict[str, torch.Tensor]:
    """The codes of a network, and the means of its images in 8 bits."""
    pixels = [torch.from_numpy(np.array(Image.open(path).convert("RGB"))) for path in images]
    means = [fingerprint(each.permute(2, 0, 1)[None] / 127.5 - 1)[0] for each in pixels]
    z = torch.stack([torch.from_numpy(np.load(path, allow_pickle=False)).flatten() for path in codes])
    return {f"{key}.z": z, f"{key}.means": ((torch.stack(means) + 1) * 127.5).round().to(torch.uint8)}


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
