"""What looking for faces costs beside reading the photo.

Usage: python tests/benchmarks/detection.py PHOTO
"""

from __future__ import annotations

import io
import sys
import time
from pathlib import Path
from statistics import median

from PIL import Image

from ganinvert.faces import detect
from ganinvert.images import read

SIZES = (256, 448, 1024, 3000, 5000)


def main(path: Path) -> None:
    with Image.open(path) as opened:
        photo = opened.convert("RGB")
    detect(read(path))  # loads the networks
    print("side   JPEG read   faces found   seconds, medians of 5")
    for side in SIZES:
        buffer = io.BytesIO()
        photo.resize((side, side), Image.Resampling.BICUBIC).save(buffer, "JPEG")
        times = []
        for _ in range(5):
            start = time.perf_counter()
            picture = read(buffer.getvalue())
            middle = time.perf_counter()
            detect(picture)
            times.append((middle - start, time.perf_counter() - middle))
        reading, finding = (median(column) for column in zip(*times, strict=True))
        print(f"{side:5d}  {reading:9.3f}  {finding:11.3f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
