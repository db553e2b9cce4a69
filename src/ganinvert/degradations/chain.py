"""Degradations one after another: a small, blurred, gray, noisy photo."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganinvert.degradations.base import Degradation, Part
from ganinvert.generators import Window


class Chain(Degradation):
    """The composition Pₙ ∘ … ∘ P₁, whose measurement may have noise.

    Args:
        stages: Degradations P₁ … Pₙ; none is the identity, whose measurement is trusted.
        resolution: Side of the image, in pixels.
        noise: Standard deviation of the measurement's noise, in 8-bit levels.
    """

    stages: Sequence[Degradation]

    def __init__(self, stages: Iterable[Degradation], resolution: int, *, noise: float = 0.0) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)  # type: ignore[assignment]  # a sequence of these modules
        self.resolution, self.level, self.noise = resolution, noise, noise / 127.5
        self.keeps_averages = all(stage.keeps_averages for stage in self.stages)

    def forward(self, x: Tensor) -> Tensor:
        """Degrade images by every stage."""
        return reduce(lambda image, stage: stage(image), self.stages, x)

    def project(self, x: Tensor, y: Tensor) -> Tensor:
        """Project what every stage sees, from the last one to the first, on what the next one needs."""
        seen = [x]
        for stage in self.stages:
            seen.append(stage(seen[-1]))
        for stage, image in zip(reversed(self.stages), reversed(seen[:-1]), strict=True):
            y = stage.project(image, y)
        return y

    def guess(self, y: Tensor) -> Tensor:
        """Reconstruct by every stage, from the last one to the first."""
        return reduce(lambda image, stage: stage.guess(image), reversed(self.stages), y)

    def coverage(self, y: Tensor) -> Tensor:
        """Compute the product of the shares that the stages let through."""
        shares = [super().coverage(y), *(stage.coverage(y) for stage in self.stages)]
        return torch.stack(shares).prod(dim=0)

    def of(self, n: int) -> Degradation:
        """The chain of image n."""
        return Chain((stage.of(n) for stage in self.stages), self.resolution, noise=self.level)

    def measured_side(self, resolution: int) -> int:
        """Side of the last stage's measurement."""
        return reduce(lambda side, stage: stage.measured_side(side), self.stages, resolution)

    def coarse(self, y: Tensor, resolution: int, side: int) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """About the same by every stage."""
        y, functions = F.adaptive_avg_pool2d(y, min(side, y.shape[-1])), []
        for stage in self.stages:
            y, function = stage.coarse(y, resolution, side)
            functions.append(function)
            resolution = stage.measured_side(resolution)
            side = min(side, resolution)
        return y, lambda x: reduce(lambda image, function: function(image), functions, x)

    def part(self, window: Window, resolution: int) -> Part:
        """The part of the image that all stages need for the window."""
        sides = [resolution]
        for stage in self.stages:
            sides.append(stage.measured_side(sides[-1]))
        functions: list[Callable[[Tensor], Tensor]] = []
        for stage, side in zip(reversed(self.stages), reversed(sides[:-1]), strict=True):
            part = stage.part(window, side)
            window = part.window
            functions.insert(0, part.degrade)
        return Part(window, lambda x: reduce(lambda image, function: function(image), functions, x))
