"""Labelled grids and animations of several images."""

from __future__ import annotations

import io
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

TILE = 128
"""Least side of a grid's tile, in pixels."""
_GAP = 4
_FONT_SIZE = 15


def grid(
    rows: Sequence[Sequence[Image.Image]], *, row_labels: Sequence[str] = (), column_labels: Sequence[str] = ()
) -> Image.Image:
    """Draw square images of one size in rows, enlarged by a whole factor to tiles of at least `TILE` pixels."""
    first, columns = rows[0][0], len(rows[0])
    factor = max(1, -(-TILE // first.width))
    width, height = first.width * factor, first.height * factor
    font = ImageFont.load_default(_FONT_SIZE)
    widths = [font.getlength(line) for label in row_labels for line in label.splitlines()]
    left = int(max(widths, default=-2 * _GAP)) + 2 * _GAP
    top = _FONT_SIZE + 3 * _GAP if column_labels else 0
    size = (left + columns * (width + _GAP) - _GAP, top + len(rows) * (height + _GAP) - _GAP)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for n, label in enumerate(column_labels):
        draw.text((left + n * (width + _GAP) + width / 2, top / 2), label, "black", font, anchor="mm")
    for n, label in enumerate(row_labels):
        place = (left - _GAP, top + n * (height + _GAP) + height / 2)
        draw.text(place, label, "black", font, anchor="rm", align="right")
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            tile = image.convert("RGB").resize((width, height), Image.Resampling.NEAREST)
            sheet.paste(tile, (left + j * (width + _GAP), top + i * (height + _GAP)))
    return sheet


def outlined(image: Image.Image, shapes: Sequence[Sequence[tuple[float, float]]]) -> Image.Image:
    """Draw the outlines of numbered shapes, of which the corners (x, y) are given in pixels, on a copy of an image."""
    sheet = image.convert("RGB")
    draw, width = ImageDraw.Draw(sheet), max(2, max(sheet.size) // 200)
    font = ImageFont.load_default(8 * width)
    for n, corners in enumerate(shapes, 1):
        for colour, thick in (("black", 2 * width), ("white", width)):
            draw.line([*corners, corners[0], corners[1]], colour, thick, joint="curve")
        x, y = corners[0]
        draw.text((x + 2 * width, y + 2 * width), str(n), "white", font, stroke_width=width, stroke_fill="black")
    return sheet


def stacked(pictures: Sequence[Image.Image]) -> Image.Image:
    """Put pictures of one width below each other."""
    sheet = Image.new("RGB", (pictures[0].width, sum(picture.height for picture in pictures)))
    top = 0
    for picture in pictures:
        sheet.paste(picture, (0, top))
        top += picture.height
    return sheet


def encode_animation(frames: Sequence[Image.Image], kind: str, *, milliseconds: int = 50) -> bytes:
    """Encode an animation that repeats for ever: "webp" (lossless) or "gif" (256 colours per frame)."""
    buffer = io.BytesIO()
    first, *rest = frames
    options = {"lossless": True} if kind == "webp" else {}
    first.save(buffer, kind, save_all=True, append_images=rest, duration=milliseconds, loop=0, **options)
    return buffer.getvalue()
