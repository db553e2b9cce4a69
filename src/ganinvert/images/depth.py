"""Files of more than 8 bits: TIFF files that Pillow decodes wrongly are corrected or refused; gray is reduced."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image, ImageFile

from ganinvert.errors import ImageError

_BITS, _PHOTOMETRIC, _PLANES, _SAMPLE_FORMAT = 258, 262, 284, 339
_SEPARATE_PLANES, _UNSIGNED, _SIGNED = 2, 1, 2


def correct_tiff(image: ImageFile.ImageFile, name: str) -> None:
    """Correct how an opened TIFF file will be decoded.

    Of uncompressed 16-bit colours in separate planes, Pillow would take single bytes for levels.

    Raises:
        ImageError: Pillow cannot decode such numbers rightly.
    """
    bits = max(_tag(image, _BITS, (1,)))
    kind = max(_tag(image, _SAMPLE_FORMAT, (_UNSIGNED,)))
    big_endian = image.tag_v2.prefix == b"MM"  # type: ignore[attr-defined]  # TIFF files have it
    compressed = image.tile[0].codec_name != "raw"
    if image.mode in ("RGB", "RGBA", "CMYK") and bits > 8 and _tag(image, _PLANES) == _SEPARATE_PLANES:
        if bits != 16 or (image.mode == "CMYK" and not compressed):
            raise _unreadable(name, f"has separate planes of {bits} bits")
        if not compressed:
            suffix = ";16B" if big_endian else ";16L"
            tiles: list[Any] = image.tile
            image.tile = [tile._replace(args=(tile.args[0] + suffix, *tile.args[1:])) for tile in tiles]
    if kind == _SIGNED and bits != 32:  # Pillow writes its own mode "I" as signed numbers of 32 bits
        raise _unreadable(name, "holds signed numbers")
    if bits == 32 and big_endian and compressed:
        raise _unreadable(name, "holds compressed big-endian numbers of 32 bits")
    if bits == 32 and _tag(image, _PHOTOMETRIC) == 0:
        raise _unreadable(name, "holds numbers of 32 bits in which white is 0")


def gray_to_8_bits(image: Image.Image) -> Image.Image:
    """Scale deep gray to 8 bits: 16 bits by their range, modes "I" and "F" by the smallest range that holds them.

    Negative, infinite and undefined values become 0. The mode becomes "L", or "LA" if a gray level was transparent.
    """
    values = np.nan_to_num(np.asarray(image).astype(np.float64), posinf=0, neginf=0)
    if image.mode == "I" and image.format == "TIFF" and _tag(image, _SAMPLE_FORMAT, (_UNSIGNED,)) == (_UNSIGNED,):
        values %= 2**32  # Pillow reads them as signed numbers
    ranges = (65535,) if image.mode.startswith("I;16") else (1, 255, 65535) if image.mode == "F" else (255, 65535)
    span = next((top for top in ranges if values.max() <= top), values.max())
    # Pillow inverts scans in which white is 0 if they have 8 bits, but not if they have 16.
    if is_inverted(image):
        values = span - values
    gray = Image.fromarray(np.rint((values * (255 / span)).clip(0, 255)).astype(np.uint8))
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        gray.putalpha(Image.fromarray(np.where(np.asarray(image) == transparent, 0, 255).astype(np.uint8)))
    gray.info = {key: value for key, value in image.info.items() if key != "transparency"}
    return gray


def is_inverted(image: Image.Image) -> bool:
    """True if white is 0 in a gray picture of 16 bits, which Pillow does not turn round."""
    return image.mode.startswith("I;16") and _tag(image, _PHOTOMETRIC) == 0


def _tag(image: Image.Image, number: int, default: Any = None) -> Any:
    return getattr(image, "tag_v2", {}).get(number, default)


def _unreadable(name: str, what: str) -> ImageError:
    return ImageError(f"{name}: {what}, which would be read wrongly", hint="export it with 8 bits for each colour")
