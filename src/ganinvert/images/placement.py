"""Fitting a picture to the generator's square."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ganinvert.images.picture import Picture
from ganinvert.settings import FitMode


@dataclass(frozen=True)
class Fit:
    """A picture in the generator's square.

    Attributes:
        pixels: (3, size, size), values in [-1, 1], the generator's range.
        alpha: Transparency in the same square, mode "L", or None.
        note: What was done to the picture, or "" when nothing was.
    """

    pixels: NDArray[np.float32]
    alpha: Image.Image | None
    note: str


def fit(picture: Picture, size: int, *, mode: FitMode = "crop") -> Fit:
    """Make a picture a square of `size` pixels, with an antialiased Lanczos resize.

    Args:
        picture: Any size.
        size: The generator's resolution, in pixels.
        mode: "crop" cuts the centre square, "pad" adds the edge's colours, "squash" changes the aspect ratio.
    """
    width, height = picture.rgb.size
    rgb, note = _square(picture.rgb, mode)
    alpha = None if picture.alpha is None else _square(picture.alpha, mode)[0]
    steps = [note] if note else []
    if rgb.size != (size, size):
        steps.append(f"resized to {size}×{size}")
        rgb = rgb.resize((size, size), Image.Resampling.LANCZOS)
        alpha = None if alpha is None else alpha.resize((size, size), Image.Resampling.LANCZOS)
    pixels = np.asarray(rgb, dtype=np.float32).transpose(2, 0, 1) / 127.5 - 1
    return Fit(np.ascontiguousarray(pixels), alpha, ", ".join([f"{width}×{height}", *steps]) if steps else "")


def _square(image: Image.Image, mode: FitMode) -> tuple[Image.Image, str]:
    width, height = image.size
    if width == height:
        return image, ""
    if mode == "crop":
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2
        return image.crop((left, top, left + side, top + side)), f"centre-cropped to {side}×{side}"
    if mode == "pad":
        side = max(width, height)
        left, top = (side - width) // 2, (side - height) // 2
        borders = ((top, side - height - top), (left, side - width - left))
        array = np.asarray(image)
        padded = np.pad(array, borders if array.ndim == 2 else (*borders, (0, 0)), mode="edge")
        return Image.fromarray(padded, image.mode), f"padded to {side}×{side}"
    return image, "squashed to a square"
