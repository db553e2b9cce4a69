"""Masks of the missing part of a picture, read from a file, a box or the transparency."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops, ImageFilter

from ganinvert.errors import ImageError
from ganinvert.images.picture import Picture, from_pil, read
from ganinvert.settings.common import PAINTS, Box

MISSING = "white marks missing pixels; --mask-keep white reverses that"
SURE = 32
"""Least level, of 255, of a mask's missing pixels: at the soft edge of a brush, only what it left alone is known."""

_COLOURED, _COLOURED_SHARE = 48, 0.01  # least range of a coloured pixel's levels, and share of such pixels, of a photo
_PAINT_RANGE, _PAINT_EDGE = 48, 2  # largest difference from the paint's colour, and width of a brush's edge in pixels


def read_mask(
    mask: str | Path | Image.Image, size: tuple[int, int], *, keep_white: bool = False, paint: str | None = None
) -> Image.Image:
    """Read a mask, white where an upright picture of some size is missing, or black there with `keep_white`.

    Of two levels or colours, whatever they are, the brighter one is white. On a transparent layer, all that is painted
    is white. Pixels between black and white are missing: at a soft edge, only those are known that certainly are.

    Args:
        mask: The mask, of any mode.
        size: Width and height of the picture.
        keep_white: White marks the known part, and black the missing one.
        paint: Colour of the missing part in a mask that may be a painted photo: a name of `PAINTS`, or "#RRGGBB".

    Returns:
        A mask of mode "L" and that size, 255 at missing pixels and 0 at the others.

    Raises:
        ImageError: The mask cannot be read, is a colour photo, has other proportions than the picture, or marks all or
            none of it.
    """
    picture = from_pil(mask, name="the mask") if isinstance(mask, Image.Image) else read(Path(mask))
    width, height = picture.rgb.size
    if abs(width * size[1] - height * size[0]) > max(width, height, *size):
        raise ImageError(
            f"the mask is {width}×{height} pixels, but the photo is {size[0]}×{size[1]}",
            hint="give a mask of the photo's size, as the photo appears upright on the screen",
        )
    if paint is not None:
        return _require_partial(_scaled(_painted(picture, paint), size), "the paint", f"the paint is to be {paint}")
    gray = _white_of(picture)
    if keep_white:
        gray = ImageChops.invert(gray)
    return _require_partial(_scaled(gray, size), "the mask", MISSING)


def _white_of(picture: Picture) -> Image.Image:
    """The whiteness ("L") of a mask; raises ImageError if it is a colour photo."""
    opaque = None if picture.alpha is None else np.asarray(picture.alpha) >= SURE
    colours = picture.raster.levels.astype(np.int64)
    kinds = np.unique((colours.reshape(-1, 3) if opaque is None else colours[opaque]) @ (1, 2**16, 2**32))
    if opaque is not None and len(kinds) < 2:
        assert picture.alpha is not None
        return picture.alpha
    gray, shown = np.asarray(picture.rgb.convert("L")), np.asarray(picture.rgb)
    shown = shown.reshape(-1, 3) if opaque is None else shown[opaque]
    if len(kinds) == 2:
        brightness = colours @ (299, 587, 114)
        among = brightness if opaque is None else brightness[opaque]
        gray = np.where(2 * brightness > among.min() + among.max(), 255, 0).astype(np.uint8)
    elif (np.ptp(shown, axis=1) >= _COLOURED).mean() >= _COLOURED_SHARE:
        raise ImageError(
            "the mask is a picture in colour",
            hint="a mask is black and white; --mask-color red takes what was painted red in a photo",
        )
    return Image.fromarray(gray if opaque is None else np.where(opaque, gray, 0).astype(np.uint8))


def _painted(picture: Picture, paint: str) -> Image.Image:
    """Make a mask that is white where a picture has the colour of a paint, and at the edges of its brush."""
    value = PAINTS.get(paint, paint).removeprefix("#")
    colour = [int(value[at : at + 2], 16) for at in (0, 2, 4)]
    same = np.abs(np.asarray(picture.rgb).astype(np.int16) - colour).max(axis=2) <= _PAINT_RANGE
    if picture.alpha is not None:
        same &= np.asarray(picture.alpha) >= SURE
    return Image.fromarray(np.where(same, 255, 0).astype(np.uint8)).filter(ImageFilter.MaxFilter(2 * _PAINT_EDGE + 1))


def _scaled(gray: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Bring a mask to a size, so that no thin stroke gets lost, and to two levels."""
    if gray.size != size:
        gray = gray.resize(size, Image.Resampling.BOX if gray.width > size[0] else Image.Resampling.NEAREST)
    return gray.point([255 * (level >= SURE) for level in range(256)])


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


def with_hole_beside_transparency(picture: Picture, missing: Image.Image) -> Picture:
    """As `with_hole`, for a picture whose own transparency is no hole: nothing is known there, and it is `kept`."""
    if picture.alpha is None:
        return with_hole(picture, missing)
    hidden = picture.alpha.point([255 * (level < 128) for level in range(256)])
    with_own = replace(picture, original=picture.raster, kept=picture.alpha)
    return with_hole(with_own, ImageChops.lighter(missing, hidden))


def without_hidden_colours(picture: Picture) -> Picture:
    """Fill the transparent part with the surrounding colours; the picture's samples stay as they are."""
    if picture.alpha is None:
        return picture
    opaque = picture.alpha.point([255 * (level >= 128) for level in range(256)])
    return replace(picture, rgb=_fill(picture.rgb, opaque), original=picture.raster)


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
