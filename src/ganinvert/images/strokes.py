"""Strokes painted on transparent ground."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ganinvert.errors import ImageError
from ganinvert.images.picture import from_pil, read

LEAST_COVER = 0.25
"""Share of a pixel that strokes must cover to count there, so that thin ones outlast the resize to a small image."""


def read_strokes(
    strokes: str | Path | Image.Image, side: int, *, name: str
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Read strokes that were painted over a square image, at the size of that image.

    Args:
        strokes: File or Pillow image, transparent where nothing is asked for.
        side: Side of the image in pixels, to which the strokes are averaged or enlarged.
        name: Name of the strokes in messages.

    Returns:
        Levels (3, side, side), and the pixels that strokes cover, (side, side).

    Raises:
        ImageError: The strokes cannot be read, are not square, have no transparent ground, or cover nothing.
    """
    picture = from_pil(strokes, name=name) if isinstance(strokes, Image.Image) else read(Path(strokes))
    width, height = picture.rgb.size
    if abs(width - height) > max(1, side // 100):
        raise ImageError(
            f"{name} are {width}×{height} pixels, but the image is square", hint="paint over the result, not the photo"
        )
    if picture.alpha is None:
        raise ImageError(
            f"{name} have no transparent ground", hint="paint them in a layer of their own, and export it alone as PNG"
        )
    painted = picture.rgb.copy()
    painted.putalpha(picture.alpha)
    filter_ = Image.Resampling.NEAREST if width <= side else Image.Resampling.BOX  # colours weighed by opacity
    pixels = np.asarray(painted.resize((side, side), filter_)).transpose(2, 0, 1)
    covered = pixels[3] >= 255 * LEAST_COVER
    if not covered.any():
        raise ImageError(f"{name} cover no pixel", hint="paint with an opaque brush that is not too thin")
    return np.ascontiguousarray(pixels[:3]), covered
