"""Reduce deep gray images to 8 bits; Pillow itself clips them."""

from __future__ import annotations

import numpy as np
from PIL import Image

_WHITE_IS_ZERO = 0
_PHOTOMETRIC = 262


def gray_to_8_bits(image: Image.Image) -> Image.Image:
    """Scale deep gray to 8 bits: 16 bits by their range, modes "I" and "F" by the smallest range that holds them.

    Negative, infinite and undefined values become 0. The mode becomes "L", or "LA" if a gray level was transparent.
    """
    values = np.nan_to_num(np.asarray(image).astype(np.float64), posinf=0, neginf=0)
    ranges = (65535,) if image.mode.startswith("I;16") else (1, 255, 65535) if image.mode == "F" else (255, 65535)
    span = next((top for top in ranges if values.max() <= top), values.max())
    # Pillow inverts scans in which white is 0 if they have 8 bits, but not if they have 16.
    if image.mode.startswith("I;16") and getattr(image, "tag_v2", {}).get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        values = span - values
    gray = Image.fromarray(np.rint((values * (255 / span)).clip(0, 255)).astype(np.uint8))
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        gray.putalpha(Image.fromarray(np.where(np.asarray(image) == transparent, 0, 255).astype(np.uint8)))
    gray.info = {key: value for key, value in image.info.items() if key != "transparency"}
    return gray
