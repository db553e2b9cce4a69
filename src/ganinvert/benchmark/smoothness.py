"""Smoothness of interpolations between inversions, in LPIPS."""

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
class Smoothness:
    """LPIPS between neighbouring frames of the interpolation between two inversions, and between its ends (figure 6).

    The sum of the steps is a perceptual path length as that of Karras et al. 2019, between two given codes.
    """

    neighbours: Sequence[float]
    ends: float

    @property
    def summary(self) -> dict[str, float]:
        """Mean and maximum of the steps, the distance of the ends, and two ratios.

        "detour" is the length of the path over the distance of its ends; "jump" is the longest step over the mean one,
        at least 1. Both are NaN where they would divide by 0.
        """
        mean, longest = sum(self.neighbours) / len(self.neighbours), max(self.neighbours)
        return {
            "neighbours_mean": mean,
            "neighbours_max": longest,
            "ends": self.ends,
            "detour": sum(self.neighbours) / self.ends if self.ends else math.nan,
            "jump": longest / mean if mean else math.nan,
        }


def measure_smoothness(bundles: Sequence[LatentBundle], generator: Generator, *, frames: int) -> list[Smoothness]:
    """Interpolate from each inversion to the next by 8-bit frames, both ends included, and measure the steps."""
    paths = []
    for a, b in pairwise(bundles):
        edits = interpolate(a, b, generator, frames=frames)
        x = torch.stack([torch.from_numpy(images.to_array(edit.image)) for edit in edits]).float() / 255
        paths.append(Smoothness(lpips(x[:-1], x[1:]).tolist(), float(lpips(x[:1], x[-1:]))))
    return paths
