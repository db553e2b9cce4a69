"""Make src/ganinvert/assets/fingerprints.safetensors from the published (z, image) pairs.

Usage: python .ci/embed_fingerprints.py SHARED_ASSETS_FOLDER

Only the codes and the images' means over 16×16 cells are kept, never the images.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ganinvert import paths
from ganinvert.generators.checks import fingerprint
from ganinvert.weights import TensorFile

KEYS = {"celebahq-1024": "celebahq", "bedroom-256": "bedroom"}


def main(samples: Path) -> None:
    """Write the file."""
    tensors: dict[str, torch.Tensor] = {}
    for key, prefix in KEYS.items():
        files = sorted(samples.glob(f"{prefix}_image_*.npy"), key=lambda path: int(path.stem.rpartition("_")[2]))
        codes = [torch.from_numpy(np.load(path, allow_pickle=False)).flatten() for path in files]
        pixels = [torch.from_numpy(np.array(Image.open(path.with_suffix(".png")).convert("RGB"))) for path in files]
        images = torch.stack(pixels).permute(0, 3, 1, 2) / 127.5 - 1
        tensors[f"{key}.z"] = torch.stack(codes)
        tensors[f"{key}.means"] = ((fingerprint(images) + 1) * 127.5).round().to(torch.uint8)
    about = {
        "kind": "fingerprints",
        "licence": "Apache-2.0 (codes); the images they belong to were made with NVIDIA's weights and are not here",
        "origin": "guanyuelee/PmSFC, samples of the official PGGANs",
    }
    TensorFile(tensors, about).save(paths.embedded("fingerprints.safetensors"))


if __name__ == "__main__":
    main(Path(sys.argv[1]) / "pmsfc-official" / "samples")
