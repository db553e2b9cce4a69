"""The measurement, or its parts, with which the loop compares images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ganinvert.degradations import Degradation
from ganinvert.generators import View, Window


@dataclass(frozen=True)
class Target:
    """A measurement or a part of it, and how an image is compared with it.

    Attributes:
        y: Measurement, (b, c, h, w) in about [-1, 1].
        degrade: Function from images, or the view of them, to what is compared with `y`.
        coverage: Share of the whole measurement's values that carry information, (b,) in (0, 1].
        view: Part of the image that is rendered; None: all of it.
        noise: Standard deviation of the noise of `y`.
    """

    y: Tensor
    degrade: Callable[[Tensor], Tensor]
    coverage: Tensor
    view: View | None = None
    noise: float = 0.0

    @classmethod
    def whole(cls, y: Tensor, degradation: Degradation) -> Target:
        """The whole measurement."""
        return cls(y, degradation, degradation.coverage(y), noise=degradation.noise)


def targets_of(y: Tensor, degradation: Degradation, resolution: int, *, parts: int = 1, side: int = 0) -> list[Target]:
    """Split measurements into parts×parts targets of equal size, and average them to a side.

    The mean of the pixel terms of all targets is that of the whole. A measurement whose side is no multiple of `parts`
    is split into fewer, and one whose parts need the whole image is not split. Measurements are averaged over cells of
    2, 4, 8 … pixels to a side not below the given one, or not at all.

    Args:
        y: Measurements, (b, c, s, s).
        degradation: Degradation that made them.
        resolution: Side of the images in pixels.
        parts: Number of parts along a side.
        side: Side of the averaged measurement; 0: s.
    """
    size, cell, image = y.shape[-1], 1, Window.tile(resolution, 1, 0)
    parts = next((count for count in range(parts, 1, -1) if size % count == 0), 1)
    if degradation.part(Window.tile(size, parts, 0), resolution).window == image:
        parts = 1
    while side and size // (2 * cell) >= side and size % (2 * cell * parts) == 0:
        cell *= 2
    if parts == cell == 1:
        return [Target.whole(y, degradation)]
    coverage, targets = degradation.coverage(y), []
    for n in range(parts**2):
        window = Window.tile(size, parts, n)
        part = degradation.part(window, resolution)
        view = View(part.window, cell if degradation.keeps_averages else 1)
        degrade = part.degrade if view.cell == cell else _averaging(part.degrade, cell)
        targets.append(Target(F.avg_pool2d(window.of(y), cell), degrade, coverage, view, degradation.noise / cell))
    return targets


@dataclass(frozen=True)
class Rounds:
    """Rounds of steps: each looks at every target once, in a random order, which is the same for all images.

    Attributes:
        count: Number of targets.
        seed: Random seed of the orders.
    """

    count: int
    seed: int

    def target(self, index: int) -> int:
        """The target of step `index`."""
        if self.count == 1:
            return 0
        turn, place = divmod(index, self.count)
        rng = torch.Generator().manual_seed((self.seed * 1_000_003 + turn) % 2**63)
        return int(torch.randperm(self.count, generator=rng)[place])

    def refreshes(self, index: int, every: int) -> bool:
        """Return True if step `index` renews what is kept of its target for about `every` steps."""
        return index // self.count % max(every // self.count, 1) == 0

    def mean(self, rows: Tensor, index: int, first: int = 0) -> Tensor:
        """Mean of the latest rows of losses (steps, b) up to `index`, as many as there are targets, (b,)."""
        return rows[max(index + 1 - self.count, first) : index + 1].mean(dim=0)


def _averaging(degrade: Callable[[Tensor], Tensor], cell: int) -> Callable[[Tensor], Tensor]:
    return lambda x: F.avg_pool2d(degrade(x), cell)
