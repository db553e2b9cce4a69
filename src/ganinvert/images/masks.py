"""What is missing in a picture: read from a mask, a box or the transparency."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageChops

from ganinvert.errors import ImageError
from ganinvert.images.picture import Picture, from_pil, read
from ganinvert.settings import Box

MISSING = "white marks what is missing; --mask-keep white turns that round"


def read_mask(mask: str | Path | Image.Image, size: tuple[int, int], *, keep_white: bool = False) -> Image.Image:
    """Read a mask and bring it to a picture's size.

    Args:
        mask: A file or a Pillow image: white where the picture is missing, black where it is known.
        size: Width and height of the upright picture, in pixels.
        keep_white: White is known and black missing.

    Returns:
        Mode "L": 255 where missing, 0 where known.

    Raises:
        ImageError: The mask cannot be read, or has not the shape of the picture.
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
    missing = gray.point([255 if (level >= 128) != keep_white else 0 for level in range(256)])
    return _require_partial(missing, "the mask", MISSING)


def box_mask(box: Box, size: tuple[int, int]) -> Image.Image:
    """A mask whose missing part is a rectangle; the same result and errors as `read_mask`.

    Raises:
        ImageError: The box covers nothing of the picture, or all of it.
    """
    left, top, width, height = box
    missing = Image.new("L", size, 0)
    missing.paste(255, (left, top, left + width, top + height))
    return _require_partial(missing, f"the box {left},{top},{width},{height}", f"the photo is {size[0]}×{size[1]}")


def missing_where_transparent(picture: Picture) -> Image.Image:
    """A mask of the transparent part; the same result and errors as `read_mask`.

    Raises:
        ImageError: The picture is opaque, or transparent everywhere.
    """
    if picture.alpha is None:
        raise ImageError(
            "nothing says what is missing", hint="give --mask FILE or --box X,Y,W,H, or make the hole transparent"
        )
    missing = picture.alpha.point([255 if level < 128 else 0 for level in range(256)])
    return _require_partial(missing, "the transparency", "transparent pixels are missing")


def _require_partial(missing: Image.Image, name: str, hint: str) -> Image.Image:
    low, high = missing.getextrema()
    if high == 0:
        raise ImageError(f"{name} leaves nothing to fill", hint=hint)
    if low == 255:
        raise ImageError(f"{name} leaves nothing known", hint=hint)
    return missing


def with_hole(picture: Picture, missing: Image.Image) -> Picture:
    """Make the missing part the transparent one.

    Its pixels, whatever they were, are filled with the colours around, so that no resizing carries them into known
    pixels.
    """
    known = ImageChops.invert(missing)
    return Picture(_filled(picture.rgb, known), known, picture.notes)


def _filled(rgb: Image.Image, known: Image.Image) -> Image.Image:
    """Fill what is not known by means over growing neighbourhoods."""
    if known.getextrema()[0] == 255 or min(rgb.size) < 2:
        return rgb
    layer = rgb.copy()
    layer.putalpha(known)
    half = (max(1, rgb.width // 2), max(1, rgb.height // 2))
    smaller = layer.resize(half, Image.Resampling.BOX)  # Pillow weighs colours by alpha
    share = np.asarray(smaller.getchannel("A"))
    below = _filled(smaller.convert("RGB"), Image.fromarray(np.where(share > 0, 255, 0).astype(np.uint8)))
    return Image.composite(rgb, below.resize(rgb.size, Image.Resampling.BILINEAR), known)
