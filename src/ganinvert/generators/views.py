"""Parts of an image, and the part of every layer that they depend on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

Span = tuple[int, int]
"""First row or column, and the one after the last."""


@dataclass(frozen=True)
class Window:
    """A rectangle of maps (…, h, w).

    Attributes:
        rows: Rows, from the first to before the last of the span.
        columns: Columns.
    """

    rows: Span
    columns: Span

    @classmethod
    def tile(cls, size: int, parts: int, n: int) -> Window:
        """Tile n, row by row, of parts×parts equal ones of a square of `size` cells."""
        side, (row, column) = size // parts, divmod(n, parts)
        return cls((row * side, (row + 1) * side), (column * side, (column + 1) * side))

    def of(self, x: Tensor, *, ratio: int = 1) -> Tensor:
        """Cut maps (…, h, w) whose cells are `ratio` times as wide as the window's."""
        (top, bottom), (left, right) = self.rows, self.columns
        return x[..., top // ratio : bottom // ratio, left // ratio : right // ratio]

    def within(self, outer: Window) -> Window:
        """The same rectangle, counted from the upper left corner of another one."""
        (top, bottom), (left, right) = self.rows, self.columns
        (y, _), (x, _) = outer.rows, outer.columns
        return Window((top - y, bottom - y), (left - x, right - x))

    def enlarged(self, factor: int) -> Window:
        """The same rectangle in cells of which `factor` make the side of one."""
        (top, bottom), (left, right) = self.rows, self.columns
        return Window((top * factor, bottom * factor), (left * factor, right * factor))


@dataclass(frozen=True)
class View:
    """A part of an image, averaged over cells.

    Attributes:
        window: Part of the image, in pixels, whose borders are borders of cells.
        cell: Side in pixels of the squares whose pixels are averaged, a power of 2.
    """

    window: Window
    cell: int = 1


@dataclass(frozen=True)
class Growth:
    """The change of maps by a layer.

    Attributes:
        factor: Number of its cells along the side of one cell before.
        reach: Distance in its own cells from which a value depends on the maps before; None: on all of them.
    """

    factor: int
    reach: int | None


def windows_before(window: Window, shape: tuple[int, int], growths: Sequence[Growth], *, align: int) -> list[Window]:
    """The window of the maps before every layer on which a window of the last layer's maps depends.

    Padding at the borders of a window spoils `reach` cells of what a layer makes of it, except at the borders of the
    maps themselves, where the padding belongs. Hence a window before is wider by the reach.

    Args:
        window: Window of the last layer's maps.
        shape: Height and width of the maps before the first layer.
        growths: Layers, from the first to the last.
        align: Number of which a window's borders before the last layer are multiples; before the others, of 2: images
            of half the side can be cut alike.

    Returns:
        Windows before every layer, and last the given one.
    """
    shapes = [shape]
    for growth in growths:
        shapes.append((shapes[-1][0] * growth.factor, shapes[-1][1] * growth.factor))
    windows = [window]
    for growth, (height, width) in zip(reversed(growths), reversed(shapes[:-1]), strict=True):
        rows, columns = (
            _before(span, size, growth, align)
            for span, size in ((windows[0].rows, height), (windows[0].columns, width))
        )
        windows.insert(0, Window(rows, columns))
        align = 2
    return windows


def _before(span: Span, size: int, growth: Growth, align: int) -> Span:
    if growth.reach is None:
        return 0, size
    step = align * growth.factor
    first, last = (span[0] - growth.reach) // step, -(-(span[1] + growth.reach) // step)
    return max(first * align, 0), min(last * align, size)
