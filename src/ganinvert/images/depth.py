"""From 16 bits and more per colour to 8. Pillow clips deep gray, and keeps only the high byte of deep colours."""

from __future__ import annotations

import sys
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

_SWAPPED = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
# Pillow's names of byte orders; asked for the other order, it keeps the other byte of every sample.
_OTHER_BYTE = {
    f"{mode};16{order}": f"{mode};16{other}"
    for mode in ("RGB", "RGBX", "RGBA", "CMYK")
    for order, other in _SWAPPED.items()
}
_GRAY_ALPHA = "LA;16B"
_WHITE_IS_ZERO = 0
_PHOTOMETRIC = 262


def load_in_8_bits(image: ImageFile.ImageFile, file: BinaryIO) -> None:
    """Decode an opened image; colours of 16 bits are decoded twice, for both their bytes, and rounded.

    Args:
        image: Opened, not yet decoded. Deep gray stays as it is, see `gray_to_8_bits`.
        file: Where it was opened from; seekable.
    """
    raw = _raw_mode(image)
    image.load()
    if raw in _OTHER_BYTE:
        low = _decode_as(file, image, _OTHER_BYTE[raw])
    elif raw == _GRAY_ALPHA and image.mode == "RGBA":
        low = _decode_as(file, image, "RGBA")[..., [1, 1, 1, 3]]
    else:
        return
    high = np.asarray(image)
    transparent = image.info.pop("transparency", None)
    image.paste(Image.fromarray(_rounded(high, low), image.mode))
    if isinstance(transparent, tuple) and high.shape[2] == len(transparent):
        deep = high.astype(np.uint16) << 8 | low
        image.putalpha(Image.fromarray(np.where((deep == transparent).all(axis=2), 0, 255).astype(np.uint8)))


def gray_to_8_bits(image: Image.Image) -> Image.Image:
    """Scale deep gray: 16 bits by their range; "I" and "F", which state none, by the smallest that holds them.

    Args:
        image: Mode "I;16…", "I" or "F"; a transparent level becomes alpha. Values below 0 or no number become 0.

    Returns:
        Mode "L" or "LA", with the information of the image.
    """
    values = np.nan_to_num(np.asarray(image).astype(np.float64), posinf=0, neginf=0)
    ranges = (65535,) if image.mode.startswith("I;16") else (1, 255, 65535) if image.mode == "F" else (255, 65535)
    span = next((top for top in ranges if values.max() <= top), values.max())
    # Pillow inverts such scans of 8 bits, but not of 16.
    if image.mode.startswith("I;16") and getattr(image, "tag_v2", {}).get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        values = span - values
    gray = Image.fromarray(np.rint((values * (255 / span)).clip(0, 255)).astype(np.uint8))
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        gray.putalpha(Image.fromarray(np.where(np.asarray(image) == transparent, 0, 255).astype(np.uint8)))
    gray.info = {key: value for key, value in image.info.items() if key != "transparency"}
    return gray


def _raw_mode(image: ImageFile.ImageFile) -> str:
    """How the decoder is asked to arrange samples, or "" when the parts of the image differ."""
    modes = {part.args if isinstance(part.args, str) else (part.args or ("",))[0] for part in image.tile}
    return str(modes.pop()) if len(modes) == 1 else ""


def _decode_as(file: BinaryIO, image: ImageFile.ImageFile, raw: str) -> NDArray[np.uint8]:
    file.seek(0)
    with Image.open(file, formats=[image.format or ""]) as again:
        again.tile = [
            part._replace(args=raw if isinstance(part.args, str) else (raw, *(part.args or ())[1:]))
            for part in again.tile
        ]
        again.load()
        return np.asarray(again)


def _rounded(high: NDArray[np.uint8], low: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(256·high + low) / 257 to the nearest: that is high + (low - high) / 257."""
    difference = low.astype(np.int16) - high
    return (high + (difference > 128) - (difference < -128)).astype(np.uint8)
