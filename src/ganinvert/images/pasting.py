"""Paste results back into the whole picture."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ganinvert.errors import ImageError
from ganinvert.images.placement import Placement, transform_affine
from ganinvert.images.raster import Raster

SOFT_EDGE = 0.08
"""Width of the soft edge of a pasted result, as a share of the square's side."""
SOFT_BOUNDARY = 0.3
"""Twice the width of the boundary between overlapping squares, as a share of their sides."""

_MASK_SIDE = 512
_SAMPLES = np.linspace(0, 1, 33)

Square = tuple[Image.Image, Placement]
"""A result in the generator's square, and its place in the picture."""


@dataclass(frozen=True)
class Patch:
    """A result in the pixels of the whole picture.

    Attributes:
        rows: Rows of the picture that the patch covers.
        columns: Columns of the picture that the patch covers.
        image: The result there, RGB.
        weight: Opacity (h, w, 1) of the result, from 0 to 1.
    """

    rows: slice
    columns: slice
    image: Image.Image
    weight: NDArray[np.float32]

    def of(self, array: NDArray[Any]) -> NDArray[Any]:
        """The part of an array (h, w, …) over the picture, as a view."""
        part: NDArray[Any] = array[self.rows, self.columns]
        return part


def paste_back(raster: Raster, results: Iterable[Patch]) -> Raster:
    """Paste the `patches` of results where their squares were cut out, in the picture's own depth and colour space.

    Edges of a square that lie inside the picture fade over `SOFT_EDGE` of its side. Pixels outside the squares and the
    transparency of the picture stay the same to the bit; the transparency of the results is ignored.
    """
    levels = raster.levels.copy()
    for patch in results:
        below = patch.of(levels)
        below[:] = raster.rounded(below + patch.weight * (raster.from_srgb(patch.image) - below))
    return replace(raster, levels=levels)


def patches(squares: Sequence[Square], frame: tuple[int, int]) -> Iterator[Patch]:
    """Turn and resize results to the pixels of the picture, in the order in which they are pasted.

    Where squares overlap, each pixel is of the one in which it lies deeper, with a soft boundary.

    Raises:
        ImageError: A square was cut out of a picture of another size than `frame`.
    """
    for n, (result, placement) in enumerate(squares):
        if frame != placement.frame:
            raise ImageError(
                "the picture is now {}×{} pixels, not {}×{}".format(*frame, *placement.frame),
                hint="paste the result into the picture that it was made from",
            )
        patch = _patch(result, placement)
        for _, other in squares[:n]:
            share = _share(patch, placement, other)
            patch = patch if share is None else replace(patch, weight=patch.weight * share)
        yield patch


def _patch(result: Image.Image, placement: Placement) -> Patch:
    sides = (max(1, round(placement.sides[0])), max(1, round(placement.sides[1])))
    image, mask = result.convert("RGB"), _soft_mask(placement)
    image = image if image.size == sides else image.resize(sides, Image.Resampling.LANCZOS)
    mask = mask.resize(sides, Image.Resampling.BILINEAR)
    left, top, right, bottom = placement.box
    origin = max(0, math.floor(left)), max(0, math.floor(top))
    extent = min(placement.frame[0], math.ceil(right)), min(placement.frame[1], math.ceil(bottom))
    size = max(0, extent[0] - origin[0]), max(0, extent[1] - origin[1])
    if placement.is_on_pixels:
        offset = origin[0] - round(left), origin[1] - round(top)
        box = (*offset, offset[0] + size[0], offset[1] + size[1])
        image, mask = image.crop(box), mask.crop(box)
    elif all(size):
        coefficients = _into_square(placement, sides, origin)
        image, mask = transform_affine(image, size, coefficients), transform_affine(mask, size, coefficients)
    weight = np.asarray(mask, dtype=np.float32)[..., None] / np.float32(255)
    return Patch(slice(origin[1], origin[1] + size[1]), slice(origin[0], origin[0] + size[0]), image, weight)


def _share(patch: Patch, placement: Placement, other: Placement) -> NDArray[np.float32] | None:
    """Share (h, w, 1) of a patch where another square was pasted before; None if they do not overlap."""
    box, around = placement.box, other.box
    if box[0] >= around[2] or around[0] >= box[2] or box[1] >= around[3] or around[1] >= box[3]:
        return None
    x = np.arange(patch.columns.start, patch.columns.stop)[None, :] + 0.5
    y = np.arange(patch.rows.start, patch.rows.stop)[:, None] + 0.5
    own, theirs = (_distance(each, x, y) for each in (placement, other))
    t = ((theirs - own) / SOFT_BOUNDARY + 0.5).clip(0, 1)
    share: NDArray[np.float32] = (t * t * (3 - 2 * t))[..., None].astype(np.float32)
    return share


def _distance(placement: Placement, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distances (h, w) of points from the centre of a square, along its sides; 0.5 on its border."""
    (ax, ay), (dx, dy) = placement.across, placement.down
    x, y = x - placement.corner[0], y - placement.corner[1]
    determinant = ax * dy - ay * dx
    u, v = (dy * x - dx * y) / determinant, (ax * y - ay * x) / determinant
    distance: NDArray[np.float64] = np.maximum(np.abs(u - 0.5), np.abs(v - 0.5))
    return distance


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
