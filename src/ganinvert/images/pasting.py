"""Paste a result back into the whole picture."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from PIL import Image, ImageChops

from ganinvert.errors import ImageError
from ganinvert.images.picture import Picture
from ganinvert.images.placement import Placement, transform_affine

SOFT_EDGE = 0.08
"""Width of the soft edge of a pasted result, as a share of the square's side."""

_MASK_SIDE = 512
_SAMPLES = np.linspace(0, 1, 33)


def paste_back(result: Image.Image, picture: Picture, placement: Placement) -> Image.Image:
    """Paste a result where its square was cut out, at the picture's own size.

    Edges of the square that lie inside the picture fade over `SOFT_EDGE` of its side. Pixels outside the square and the
    transparency of the picture stay the same to the bit; the transparency of the square result is ignored.

    Raises:
        ImageError: The picture has another size than the one that was fitted.
    """
    if picture.rgb.size != placement.frame:
        raise ImageError(
            "the picture is now {}×{} pixels, not {}×{}".format(*picture.rgb.size, *placement.frame),
            hint="paste the result into the picture that it was made from",
        )
    sides = (max(1, round(placement.sides[0])), max(1, round(placement.sides[1])))
    patch, mask = result.convert("RGB"), _soft_mask(placement)
    patch = patch if patch.size == sides else patch.resize(sides, Image.Resampling.LANCZOS)
    mask = mask.resize(sides, Image.Resampling.BILINEAR)
    left, top, right, bottom = placement.box
    if placement.is_on_pixels:
        origin = round(left), round(top)
    else:
        origin = max(0, math.floor(left)), max(0, math.floor(top))
        extent = min(placement.frame[0], math.ceil(right)), min(placement.frame[1], math.ceil(bottom))
        size = max(1, extent[0] - origin[0]), max(1, extent[1] - origin[1])
        coefficients = _into_square(placement, sides, origin)
        patch, mask = transform_affine(patch, size, coefficients), transform_affine(mask, size, coefficients)
    whole = picture.rgb.copy()
    whole.paste(patch, origin, mask)
    if picture.alpha is not None:
        whole.putalpha(picture.alpha)
    return whole


def paste_into_hole(result: Image.Image, picture: Picture, placement: Placement) -> Image.Image:
    """Paste a result as `paste_back` does, into the transparent part of a picture alone.

    Opaque pixels stay the same to the bit. The rest of a hole that the square does not cover stays transparent.
    """
    whole = paste_back(result, replace(picture, alpha=None), placement)
    if picture.alpha is None:
        return picture.rgb
    opaque = picture.alpha.point([255 * (level >= 128) for level in range(256)])
    whole.paste(picture.rgb, mask=opaque)
    nothing = Picture(Image.new("RGB", picture.rgb.size))
    area = paste_back(Image.new("RGB", (8, 8), "white"), nothing, placement).getchannel("R")
    alpha = ImageChops.lighter(opaque, area.point([0, *[255] * 255]))
    if np.asarray(alpha).min() < 255:
        whole.putalpha(alpha)
    return whole


def _into_square(placement: Placement, sides: tuple[int, int], origin: tuple[int, int]) -> tuple[float, ...]:
    """Compute Pillow's affine coefficients from pixels of the frame, counted from `origin`, to pixels of the square."""
    (ax, ay), (dx, dy) = placement.across, placement.down
    x, y = origin[0] - placement.corner[0], origin[1] - placement.corner[1]
    determinant = ax * dy - ay * dx
    rows = ((dy, -dx, dy * x - dx * y), (-ay, ax, ax * y - ay * x))
    return tuple(value * side / determinant for row, side in zip(rows, sides, strict=True) for value in row)


def _soft_mask(placement: Placement) -> Image.Image:
    """Make the square's opacity mask, which fades towards the sides that lie inside the frame."""
    u = (np.arange(_MASK_SIDE) + 0.5) / _MASK_SIDE
    nearest = np.full((_MASK_SIDE, _MASK_SIDE), np.inf)
    for from_corner, along, distance in (
        ((0, 0), placement.across, u[:, None]),
        ((0, 0), placement.down, u[None, :]),
        (placement.down, placement.across, 1 - u[:, None]),
        (placement.across, placement.down, 1 - u[None, :]),
    ):
        x, y = (placement.corner[n] + from_corner[n] + _SAMPLES * along[n] for n in (0, 1))
        width, height = placement.frame
        if ((x > 0) & (x < width) & (y > 0) & (y < height)).any():
            nearest = np.minimum(nearest, distance)
    t = (nearest / SOFT_EDGE).clip(0, 1)
    return Image.fromarray(np.rint(255 * t * t * (3 - 2 * t)).astype(np.uint8))
