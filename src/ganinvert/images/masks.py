"""Masks of the missing part of a picture, read from a file, a box or the transparency."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops

from ganinvert.errors import ImageError
from ganinvert.images.picture import Picture, from_pil, read
from ganinvert.settings.common import Box

MISSING = "white marks missing pixels; --mask-keep white reverses that"


def read_mask(mask: str | Path | Image.Image, size: tuple[int, int], *, keep_white: bool = False) -> Image.Image:
    """Read a mask, white where an upright picture of some size is missing, or black there with `keep_white`.

    The result is of mode "L" and that size, 255 at missing pixels and 0 at the others.

    Raises:
        ImageError: The mask cannot be read, has other proportions than the picture, or marks all or none of it.
    """
    picture = from_pil(mask, name="the mask") if isinstance(mask, Image.Image) else read(Path(mask))
    gray = picture.rgb.convert("L")
    if abs(gray.width * size[1] - gray.height * size[0]) > max(*gray.size, *size):
        raise ImageError(
            f"the mask is {gray.width}×{gray.height} pixels, but the photo is {size[0]}×{size[1]}",
            hint="give a mask of the photo's size, as the photo appears upright on the screen",
        )
    if gray.size != size:
        gray = gray.resize(size, Image.Resampling.NEAREST)
    missing = gray.point([255 * ((level >= 128) != keep_white) for level in range(256)])
    return _require_partial(missing, "the mask", MISSING)


def box_mask(box: Box, size: tuple[int, int]) -> Image.Image:
    """Make a mask like that of `read_mask` whose missing part is a rectangle, unless it covers nothing or all."""
    left, top, width, height = box
    missing = Image.new("L", size, 0)
    corner = min(left, size[0]), min(top, size[1])
    missing.paste(255, (*corner, min(left + width, size[0]), min(top + height, size[1])))
    return _require_partial(missing, f"the box {left},{top},{width},{height}", f"the photo is {size[0]}×{size[1]}")


def missing_where_transparent(picture: Picture) -> Image.Image:
    """Make a mask like that of `read_mask` from the transparent part of a picture that is neither opaque nor empty."""
    if picture.alpha is None:
        raise ImageError(
            "no mask says what is missing", hint="give --mask FILE or --box X,Y,W,H, or make the hole transparent"
        )
    missing = picture.alpha.point([255 * (level < 128) for level in range(256)])
    return _require_partial(missing, "the transparency", "transparent pixels are missing")


def _require_partial(missing: Image.Image, name: str, hint: str) -> Image.Image:
    low, high = missing.getextrema()
    if high == 0:
        raise ImageError(f"{name} marks no pixel as missing", hint=hint)
    if low == 255:
        raise ImageError(f"{name} marks every pixel as missing", hint=hint)
    return missing


def with_hole(picture: Picture, missing: Image.Image) -> Picture:
    """Make the missing part transparent, and fill it with the surrounding colours.

    Resizing then carries nothing of the missing pixels into the others.
    """
    opaque = ImageChops.invert(missing)
    return replace(picture, rgb=_fill(picture.rgb, opaque), alpha=opaque)


def _fill(rgb: Image.Image, opaque: Image.Image) -> Image.Image:
    """Fill unknown pixels with means over growing neighbourhoods."""
    if opaque.getextrema()[0] == 255 or min(rgb.size) < 2:
        return rgb
    layer = rgb.copy()
    layer.putalpha(opaque)
    half = (max(1, rgb.width // 2), max(1, rgb.height // 2))
    smaller = layer.resize(half, Image.Resampling.BOX)  # Pillow weighs colours by alpha
    share = np.asarray(smaller.getchannel("A"))
    below = _fill(smaller.convert("RGB"), Image.fromarray(np.where(share > 0, 255, 0).astype(np.uint8)))
    return Image.composite(rgb, below.resize(rgb.size, Image.Resampling.BILINEAR), opaque)
