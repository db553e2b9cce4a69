"""Fit a picture to the generator's square."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from ganinvert.errors import ImageError
from ganinvert.images.picture import Picture
from ganinvert.settings.common import FitMode

_MAX_PADDED_PIXELS = 2**28
"""Limit that any real photo keeps, but not a strip of 8×10⁷ × 1 pixels, whose square has 6×10¹⁵."""

_Borders = tuple[tuple[int, int], tuple[int, int]]


@dataclass(frozen=True)
class Placement:
    """Position of the generator's square in a picture, its frame.

    Positions are in the frame's pixels; (0, 0) is the top left corner of the top left pixel. The square may be turned,
    may be a rectangle ("squash") and may reach beyond the frame ("pad"). It has a top left corner (x, y), from which
    the vectors `across` and `down` lead to the next ones.
    """

    frame: tuple[int, int]
    corner: tuple[float, float]
    across: tuple[float, float]
    down: tuple[float, float]

    def scaled(self, frame: tuple[int, int]) -> Placement:
        """The same place in the picture when that is resized to a frame (width, height)."""
        x, y = frame[0] / self.frame[0], frame[1] / self.frame[1]
        corner, across, down = ((x * each[0], y * each[1]) for each in (self.corner, self.across, self.down))
        return Placement(frame, corner, across, down)

    @property
    def sides(self) -> tuple[float, float]:
        """Lengths of `across` and `down` in pixels of the frame."""
        return math.hypot(*self.across), math.hypot(*self.down)

    @property
    def is_on_pixels(self) -> bool:
        """True if the square's sides run between rows and columns of the frame."""
        numbers = (*self.corner, self.across[0], self.down[1])
        return self.across[1] == self.down[0] == 0 and all(float(number).is_integer() for number in numbers)

    @property
    def corners(self) -> tuple[tuple[float, float], ...]:
        """Corners (x, y): top left, top right, bottom right and bottom left."""
        (x, y), (ax, ay), (dx, dy) = self.corner, self.across, self.down
        return (x, y), (x + ax, y + ay), (x + ax + dx, y + ay + dy), (x + dx, y + dy)

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Bounding box of the square: left, top, right and bottom."""
        columns, rows = zip(*self.corners, strict=True)
        return min(columns), min(rows), max(columns), max(rows)


@dataclass(frozen=True)
class Fit:
    """A picture in the generator's square: pixels (3, r, r) in [-1, 1], transparency ("L"), and how it came there.

    The transparency `kept` is that of the result if `alpha` marks what is missing besides.
    """

    pixels: NDArray[np.float32]
    alpha: Image.Image | None
    note: str
    placement: Placement
    kept: Image.Image | None = None


def fit(picture: Picture, size: int, *, mode: FitMode = "crop") -> Fit:
    """Make a picture a square of `size` pixels, by an antialiased Lanczos resize.

    The mode "crop" cuts out the centre square, "pad" repeats the edge, "squash" changes the aspect ratio.

    Raises:
        ImageError: The picture is too long to pad.
    """
    placement, step = default_square(picture.rgb.size, mode)
    return place(picture, placement, size, note=step)


def default_square(frame: tuple[int, int], mode: FitMode) -> tuple[Placement, str]:
    """The placement of `default_placement`, and a note on it; raises ImageError if the frame is too long to pad."""
    placement, (width, height) = default_placement(frame, mode), frame
    side = round(placement.sides[0])
    if width == height:
        return placement, ""
    if mode == "crop":
        return placement, f"centre-cropped to {side}×{side}"
    if mode == "squash":
        return placement, "squashed to a square"
    if side * side > _MAX_PADDED_PIXELS:
        raise ImageError(f"{width}×{height} pixels cannot be padded to a square", hint="use --fit crop or squash")
    return placement, f"padded to {side}×{side}"


def default_placement(frame: tuple[int, int], mode: FitMode) -> Placement:
    """Place the square in a frame (width, height) by its size alone, without looking for faces."""
    width, height = frame
    if mode == "squash":
        return Placement(frame, (0, 0), (width, 0), (0, height))
    side = min(frame) if mode == "crop" else max(frame)
    return Placement(frame, ((width - side) // 2, (height - side) // 2), (side, 0), (0, side))


def place(picture: Picture, placement: Placement, size: int, *, note: str) -> Fit:
    """Cut out any square and resize it to `size` pixels.

    Beyond the frame, a square on whole pixels repeats the edge; any other mirrors the picture, increasingly blurred.
    The note describes the placement for the user.
    """
    width, height = picture.rgb.size
    steps = [note] if note else []
    if placement.sides != (size, size):
        steps.append(f"resized to {size}×{size}")
    rgb = _cut(picture.rgb, placement, size)
    alpha, kept = (None if each is None else _cut(each, placement, size) for each in (picture.alpha, picture.kept))
    pixels = np.asarray(rgb, dtype=np.float32).transpose(2, 0, 1) / 127.5 - 1
    text = ", ".join([f"{width}×{height}", *steps]) if steps else ""
    return Fit(np.ascontiguousarray(pixels), alpha, text, placement, kept)


def _cut(image: Image.Image, placement: Placement, size: int) -> Image.Image:
    if not placement.is_on_pixels:
        return _cut_turned(image, placement, size)
    left, top, right, bottom = (round(edge) for edge in placement.box)
    if left < 0 or top < 0 or right > image.width or bottom > image.height:
        borders = ((max(0, -top), max(0, bottom - image.height)), (max(0, -left), max(0, right - image.width)))
        image = _pad(image, borders, "edge")
        (above, _), (before, _) = borders
        left, top, right, bottom = left + before, top + above, right + before, bottom + above
    square = image.crop((left, top, right, bottom))
    return square if square.size == (size, size) else square.resize((size, size), Image.Resampling.LANCZOS)


def _cut_turned(image: Image.Image, placement: Placement, size: int) -> Image.Image:
    """Reduce the picture, mirror it beyond its frame, turn it at about its own resolution, then resize."""
    side = max(placement.sides)
    factor = max(1, int(side / (2 * size)))
    left, top, right, bottom = placement.box
    margin = 2 * factor  # reach of bicubic interpolation
    box = (left - margin, top - margin, right + margin, bottom + margin)
    inner = (
        min(max(0, math.floor(box[0])), image.width - 1),
        min(max(0, math.floor(box[1])), image.height - 1),
        max(min(image.width, math.ceil(box[2])), 1),
        max(min(image.height, math.ceil(box[3])), 1),
    )
    region = image.crop(inner).reduce(factor)
    margins = (inner[0] - box[0], inner[1] - box[1], box[2] - inner[2], box[3] - inner[3])
    before_x, before_y, after_x, after_y = (max(0, math.ceil(length / factor)) for length in margins)
    region = _mirror(region, ((before_y, after_y), (before_x, after_x)), softness=0.03 * side / factor)
    samples = max(size, round(side / factor))
    origin = inner[0] - before_x * factor, inner[1] - before_y * factor
    coefficients: tuple[float, ...] = ()
    for across, down, corner, begin in zip(placement.across, placement.down, placement.corner, origin, strict=True):
        coefficients += (across / samples / factor, down / samples / factor, (corner - begin) / factor)
    square = transform_affine(region, (samples, samples), coefficients)
    return square if samples == size else square.resize((size, size), Image.Resampling.LANCZOS)


def transform_affine(image: Image.Image, size: tuple[int, int], coefficients: tuple[float, ...]) -> Image.Image:
    """Apply a bicubic affine map, in floating point because Pillow's 8-bit one rounds down; black beyond the image."""
    bands = [
        band.convert("F").transform(size, Image.Transform.AFFINE, coefficients, Image.Resampling.BICUBIC)
        for band in image.split()
    ]
    bands = [Image.fromarray(np.rint(np.asarray(band)).clip(0, 255).astype(np.uint8)) for band in bands]
    return Image.merge(image.mode, bands)


def _mirror(image: Image.Image, borders: _Borders, *, softness: float) -> Image.Image:
    """Add mirrored borders that get more blurred outwards, so that no second face appears there."""
    if not any(map(any, borders)):
        return image
    whole = _pad(image, borders, "symmetric")
    (top, _), (left, _) = borders
    x, y = np.arange(whole.width) - left, np.arange(whole.height) - top
    outside_x = np.maximum(np.maximum(-x, x - image.width + 1), 0)
    outside_y = np.maximum(np.maximum(-y, y - image.height + 1), 0)
    distance = np.maximum(outside_x[None, :], outside_y[:, None]) / (4 * softness)
    mask = Image.fromarray(np.rint(255 * distance.clip(0, 1)).astype(np.uint8))
    return Image.composite(whole.filter(ImageFilter.GaussianBlur(softness)), whole, mask)


def _pad(image: Image.Image, borders: _Borders, mode: Literal["edge", "symmetric"]) -> Image.Image:
    array = np.asarray(image)
    return Image.fromarray(np.pad(array, [*borders, (0, 0)][: array.ndim], mode=mode), image.mode)
