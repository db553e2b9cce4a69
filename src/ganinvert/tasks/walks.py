"""How smooth interpolations are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch

from ganinvert import images
from ganinvert.bundle import LatentBundle
from ganinvert.generators import Generator
from ganinvert.metrics import lpips
from ganinvert.tasks.editing import interpolate


@dataclass(frozen=True)
class Walk:
    """How smooth the way between two inversions is (PmSFC, figure 6).

    Attributes:
        neighbours: LPIPS between each frame and the next.
        ends: LPIPS between the first frame and the last.
    """

    neighbours: Sequence[float]
    ends: float

    @property
    def summary(self) -> dict[str, float]:
        """LPIPS between neighbours, mean and maximum, and between the ends; and their ratios.

        "detour" is the length of the way as a multiple of the distance of its ends; "jump" the longest step as a
        multiple of the mean one, at least 1.
        """
        mean, longest = sum(self.neighbours) / len(self.neighbours), max(self.neighbours)
        return {
            "neighbours_mean": mean,
            "neighbours_max": longest,
            "ends": self.ends,
            "detour": sum(self.neighbours) / self.ends if self.ends else math.nan,
            "jump": longest / mean if mean else math.nan,
        }


def walks(bundles: Sequence[LatentBundle], generator: Generator, *, frames: int) -> list[Walk]:
    """Interpolate from each inversion to the next and measure the steps, on 8-bit frames.

    Args:
        bundles: At least 2.
        generator: That which made them, on the CPU.
        frames: With both ends, at least 2.

    Raises:
        BundleError: The bundles do not belong together.
        UsageError: Fewer than 2 frames.
    """
    found = []
    for a, b in pairwise(bundles):
        edits = interpolate(a, b, generator, frames=frames)
        shown = torch.stack([torch.from_numpy(images.to_array(edit.image)) for edit in edits]).float() / 255
        found.append(Walk(lpips(shown[:-1], shown[1:]).tolist(), float(lpips(shown[:1], shown[-1:]))))
    return found
