"""Fitting a picture to the generator's square, and putting a result back into the picture's frame."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFilter

from ganinvert.errors import ImageError
from ganinvert.images.picture import Picture
from ganinvert.settings import FitMode

SOFT_EDGE = 0.08
"""Share of the square's side over which a result that is put back fades into its surroundings."""

_MASK_SIDE = 512
_SAMPLES = np.linspace(0, 1, 33)
# Wide enough that a real photo always fits, and a picture of 8×10⁷ pixels is not padded to 10¹⁴.
_MOST_PADDED = 2**28


@dataclass(frozen=True)
class Placement:
    """Where the generator's square lies in a picture's frame.

    Positions are in the frame's pixels; (0, 0) is the top left corner of the top left pixel. The square may be turned,
    may be a rectangle ("squash") and may reach beyond the frame ("pad").

    Attributes:
        frame: Width and height of the frame.
        corner: The square's top left corner (x, y).
        across: From there to its top right corner.
        down: From there to its bottom left corner.
    """

    frame: tuple[int, int]
    corner: tuple[float, float]
    across: tuple[float, float]
    down: tuple[float, float]

    @property
    def sides(self) -> tuple[float, float]:
        """Lengths of `across` and `down` in pixels of the frame."""
        return math.hypot(*self.across), math.hypot(*self.down)

    @property
    def is_on_pixels(self) -> bool:
        """Whether the square's sides run between the frame's rows and columns."""
        numbers = (*self.corner, self.across[0], self.down[1])
        return self.across[1] == self.down[0] == 0 and all(float(number).is_integer() for number in numbers)

    @property
    def corners(self) -> tuple[tuple[float, float], ...]:
        """Top left, top right, bottom right and bottom left as (x, y)."""
        (x, y), (ax, ay), (dx, dy) = self.corner, self.across, self.down
        return (x, y), (x + ax, y + ay), (x + ax + dx, y + ay + dy), (x + dx, y + dy)

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of the upright rectangle around the square."""
        columns, rows = zip(*self.corners, strict=True)
        return min(columns), min(rows), max(columns), max(rows)


@dataclass(frozen=True)
class Fit:
    """A picture in the generator's square.

    Attributes:
        pixels: (3, size, size), values in [-1, 1], the generator's range.
        alpha: Transparency in the same square, mode "L", or None.
        note: What was done to the picture, or "" when nothing was.
        placement: Where the square lies in the picture.
    """

    pixels: NDArray[np.float32]
    alpha: Image.Image | None
    note: str
    placement: Placement


def fit(picture: Picture, size: int, *, mode: FitMode = "crop") -> Fit:
    """Make a picture a square of `size` pixels, with an antialiased Lanczos resize.

    Args:
        picture: Any size.
        size: The generator's resolution, in pixels.
        mode: "crop" cuts the centre square, "pad" adds the edge's colours, "squash" changes the aspect ratio.

    Raises:
        ImageError: The picture is too long to be padded.
    """
    placement = square(picture.rgb.size, mode)
    width, height = picture.rgb.size
    side = round(placement.sides[0])
    if width == height:
        step = ""
    elif mode == "crop":
        step = f"centre-cropped to {side}×{side}"
    elif mode == "pad":
        step = f"padded to {side}×{side}"
        if side * side > _MOST_PADDED:
            raise ImageError(f"{width}×{height} pixels cannot be padded to a square", hint="use --fit crop or squash")
    else:
        step = "squashed to a square"
    return place(picture, placement, size, note=step)


def square(frame: tuple[int, int], mode: FitMode) -> Placement:
    """Where the square lies in a frame of that width and height when nothing is known of its content."""
    width, height = frame
    if mode == "squash":
        return Placement(frame, (0, 0), (width, 0), (0, height))
    side = min(frame) if mode == "crop" else max(frame)
    return Placement(frame, ((width - side) // 2, (height - side) // 2), (side, 0), (0, side))


def place(picture: Picture, placement: Placement, size: int, *, note: str) -> Fit:
    """Cut out any square and resize it to `size` pixels.

    Beyond the frame, squares on its pixels repeat its edge; others mirror it, softly.

    Args:
        picture: Whose frame the placement is about.
        placement: The square.
        size: The generator's resolution, in pixels.
        note: What to say of the placement.
    """
    width, height = picture.rgb.size
    steps = [note] if note else []
    if placement.sides != (size, size):
        steps.append(f"resized to {size}×{size}")
    rgb = _cut(picture.rgb, placement, size)
    alpha = None if picture.alpha is None else _cut(picture.alpha, placement, size)
    pixels = np.asarray(rgb, dtype=np.float32).transpose(2, 0, 1) / 127.5 - 1
    text = ", ".join([f"{width}×{height}", *steps]) if steps else ""
    return Fit(np.ascontiguousarray(pixels), alpha, text, placement)


def paste_back(result: Image.Image, picture: Picture, placement: Placement) -> Image.Image:
    """Put a result where its square was cut out, at the picture's own size.

    Edges of the square inside the frame fade into the picture over `SOFT_EDGE` of its side. Pixels outside the square
    and the picture's transparency stay as they are, bit for bit.

    Args:
        result: A square image of any size; its transparency is not used.
        picture: The whole picture.
        placement: Where the square lies in it, as `fit` said.

    Returns:
        An image of the frame's size, mode "RGB" or "RGBA".

    Raises:
        ImageError: The picture has another size than the one that was fitted.
    """
    if picture.rgb.size != placement.frame:
        raise ImageError(
            "the picture is now {}×{} pixels, not {}×{}".format(*picture.rgb.size, *placement.frame),
            hint="put the result into the picture that it was made of",
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
        patch, mask = _transformed(patch, size, coefficients), _transformed(mask, size, coefficients)
    whole = picture.rgb.copy()
    whole.paste(patch, origin, mask)
    if picture.alpha is not None:
        whole.putalpha(picture.alpha)
    return whole


def paste_into_hole(result: Image.Image, picture: Picture, placement: Placement) -> Image.Image:
    """Put a result into the transparent part of a picture, at the picture's own size.

    Args:
        result: A square image of any size.
        picture: Transparent where it is missing; its opaque pixels stay as they are, bit for bit.
        placement: Where the square lies in it.

    Returns:
        Mode "RGB"; or "RGBA" when the square does not cover the hole, the rest of which stays transparent.

    Raises:
        ImageError: The picture has another size than the one that was fitted.
    """
    whole = paste_back(result, replace(picture, alpha=None), placement)
    if picture.alpha is None:
        return picture.rgb
    known = picture.alpha.point([255 if level >= 128 else 0 for level in range(256)])
    whole.paste(picture.rgb, mask=known)
    nothing = Picture(Image.new("RGB", picture.rgb.size))
    reached = paste_back(Image.new("RGB", (8, 8), "white"), nothing, placement).getchannel("R")
    filled = ImageChops.lighter(known, reached.point([0, *[255] * 255]))
    if np.asarray(filled).min() < 255:
        whole.putalpha(filled)
    return whole


def _cut(image: Image.Image, placement: Placement, size: int) -> Image.Image:
    if not placement.is_on_pixels:
        return _cut_turned(image, placement, size)
    left, top, right, bottom = (round(edge) for edge in placement.box)
    if left < 0 or top < 0 or right > image.width or bottom > image.height:
        borders = ((max(0, -top), max(0, bottom - image.height)), (max(0, -left), max(0, right - image.width)))
        array = np.asarray(image)
        image = Image.fromarray(np.pad(array, _per_axis(borders, array), mode="edge"), image.mode)
        left, top, right, bottom = (
            left + borders[1][0],
            top + borders[0][0],
            right + borders[1][0],
            bottom + borders[0][0],
        )
    cut = image.crop((left, top, right, bottom))
    return cut if cut.size == (size, size) else cut.resize((size, size), Image.Resampling.LANCZOS)


def _cut_turned(image: Image.Image, placement: Placement, size: int) -> Image.Image:
    """Reduce, mirror what lies beyond the frame, turn at about the picture's own resolution, then resize."""
    side = max(placement.sides)
    factor = max(1, int(side / (2 * size)))
    left, top, right, bottom = placement.box
    margin = 2 * factor  # what bicubic interpolation looks at
    box = (left - margin, top - margin, right + margin, bottom + margin)
    inner = (
        min(max(0, math.floor(box[0])), image.width - 1),
        min(max(0, math.floor(box[1])), image.height - 1),
        max(min(image.width, math.ceil(box[2])), 1),
        max(min(image.height, math.ceil(box[3])), 1),
    )
    region = image.crop(inner).reduce(factor)
    missing = (inner[0] - box[0], inner[1] - box[1], box[2] - inner[2], box[3] - inner[3])
    before_x, before_y, after_x, after_y = (max(0, math.ceil(length / factor)) for length in missing)
    region = _mirrored(region, ((before_y, after_y), (before_x, after_x)), softness=0.03 * side / factor)
    samples = max(size, round(side / factor))
    origin = inner[0] - before_x * factor, inner[1] - before_y * factor
    coefficients = tuple(
        value
        for axis in (0, 1)
        for value in (
            placement.across[axis] / samples / factor,
            placement.down[axis] / samples / factor,
            (placement.corner[axis] - origin[axis]) / factor,
        )
    )
    turned = _transformed(region, (samples, samples), coefficients)
    return turned if samples == size else turned.resize((size, size), Image.Resampling.LANCZOS)


def _transformed(image: Image.Image, size: tuple[int, int], coefficients: tuple[float, ...]) -> Image.Image:
    """A bicubic affine map, in floating point because Pillow's of 8 bits rounds down; black beyond the image."""
    bands = [
        band.convert("F").transform(size, Image.Transform.AFFINE, coefficients, Image.Resampling.BICUBIC)
        for band in image.split()
    ]
    rounded = [Image.fromarray(np.rint(np.asarray(band)).clip(0, 255).astype(np.uint8)) for band in bands]
    return Image.merge(image.mode, rounded)


def _mirrored(image: Image.Image, borders: tuple[tuple[int, int], tuple[int, int]], *, softness: float) -> Image.Image:
    """Add mirrored borders, blurred the more the farther out, so that no second face looks in from there."""
    if not any(map(any, borders)):
        return image
    array = np.asarray(image)
    whole = Image.fromarray(np.pad(array, _per_axis(borders, array), mode="symmetric"), image.mode)
    (top, _), (left, _) = borders
    x, y = np.arange(whole.width) - left, np.arange(whole.height) - top
    outside_x = np.maximum(np.maximum(-x, x - image.width + 1), 0)
    outside_y = np.maximum(np.maximum(-y, y - image.height + 1), 0)
    distance = np.maximum(outside_x[None, :], outside_y[:, None]) / (4 * softness)
    mask = Image.fromarray(np.rint(255 * distance.clip(0, 1)).astype(np.uint8))
    return Image.composite(whole.filter(ImageFilter.GaussianBlur(softness)), whole, mask)


def _per_axis(borders: tuple[tuple[int, int], tuple[int, int]], array: NDArray[np.uint8]) -> list[tuple[int, int]]:
    return [*borders, (0, 0)][: array.ndim]


def _into_square(placement: Placement, sides: tuple[int, int], origin: tuple[int, int]) -> tuple[float, ...]:
    """Pillow's affine coefficients: from pixels of the frame, counted from `origin`, to those of the square."""
    (ax, ay), (dx, dy) = placement.across, placement.down
    x, y = origin[0] - placement.corner[0], origin[1] - placement.corner[1]
    determinant = ax * dy - ay * dx
    rows = ((dy, -dx, dy * x - dx * y), (-ay, ax, ax * y - ay * x))
    return tuple(value * side / determinant for row, side in zip(rows, sides, strict=True) for value in row)


def _soft_mask(placement: Placement) -> Image.Image:
    """How much of the result shows, in the square: less towards those sides of it that run inside the frame."""
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
