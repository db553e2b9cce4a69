"""TIFF files that Pillow opens and decodes wrongly: read rightly or refused."""

from __future__ import annotations

from typing import Any

from PIL import Image

from ganinvert.errors import ImageError

_BITS, _PHOTOMETRIC, _PLANES, _SAMPLE_FORMAT = 258, 262, 284, 339
_SEPARATE_PLANES, _UNSIGNED, _SIGNED = 2, 1, 2


def settle(image: Image.Image, name: str) -> None:
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
            image.tile = [tile._replace(args=(tile.args[0] + suffix, *tile.args[1:])) for tile in image.tile]
    if kind == _SIGNED and bits != 32:  # Pillow writes its own mode "I" as signed numbers of 32 bits
        raise _unreadable(name, "holds signed numbers")
    if bits == 32 and big_endian and compressed:
        raise _unreadable(name, "holds compressed big-endian numbers of 32 bits")
    if bits == 32 and is_white_zero(image):
        raise _unreadable(name, "holds numbers of 32 bits in which white is 0")


def is_white_zero(image: Image.Image) -> bool:
    """True for a TIFF file in which white is 0."""
    return _tag(image, _PHOTOMETRIC) == 0


def is_unsigned(image: Image.Image) -> bool:
    """True for a TIFF file of numbers without a sign."""
    return image.format == "TIFF" and _tag(image, _SAMPLE_FORMAT, (_UNSIGNED,)) == (_UNSIGNED,)


def _tag(image: Image.Image, number: int, default: Any = None) -> Any:
    return getattr(image, "tag_v2", {}).get(number, default)


def _unreadable(name: str, what: str) -> ImageError:
    return ImageError(f"{name}: {what}, which would be read wrongly", hint="export it with 8 bits for each colour")
