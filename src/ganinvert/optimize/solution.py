"""What the loop tells: where it stands, and how it ended."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor

from ganinvert.methods import Code


@dataclass(frozen=True)
class Snapshot:
    """Where the loop stands after a step, for b images, on the CPU. From here it goes on to the same bits.

    Attributes:
        done: Steps done.
        losses: (done, b).
        tensors: (b, …) each: the code's variables, their moments, and the last value and gradient of the terms with
            a network.
    """

    done: int
    losses: Tensor
    tensors: Mapping[str, Tensor]

    def image(self, n: int) -> Snapshot:
        """That of one image."""
        one = slice(n, n + 1)
        return Snapshot(
            self.done, self.losses[:, one].clone(), {name: value[one].clone() for name, value in self.tensors.items()}
        )

    @classmethod
    def stacked(cls, parts: Sequence[Snapshot]) -> Snapshot:
        """That of several images which are equally far."""
        names = parts[0].tensors
        return cls(
            parts[0].done,
            torch.cat([part.losses for part in parts], dim=1),
            {name: torch.cat([part.tensors[name] for part in parts]) for name in names},
        )


@dataclass(frozen=True)
class Step:
    """One step of the loop. The tensors stay on the device: reading a value is what costs a wait.

    Attributes:
        index: From 0.
        steps: How many there will be.
        loss: (b,), the objective of every image before this step; its perceptual term is that of the last refresh.
        pixel: (b,), its pixel term.
        snapshot: Copies where the loop stands, which makes the device wait; None when the loop cannot go on from
            a copy.
    """

    index: int
    steps: int
    loss: Tensor
    pixel: Tensor
    snapshot: Callable[[], Snapshot] | None

    @property
    def psnr(self) -> Tensor:
        """(b,) in dB, of images that are not clamped: 10·log10(4 / pixel), since [-1, 1] spans 2."""
        return 10 * (4 / self.pixel).log10()


class Outcome(Enum):
    """How an optimisation of one image ended; the value is the sentence a person reads, "" when all is well."""

    GOOD = ""
    POOR = (
        "the result is far from the photo: it may show something this generator never learned, or not be aligned "
        "as its training images were; try --method pmsfc, more --steps or codes (-K), or another generator"
    )
    UNEXPLAINED = (
        "what the photo shows could not be explained well: it may show something this generator never learned, or not "
        "be aligned as its training images were; try --align, or a generator of the photo's domain"
    )
    STALLED = "the optimisation has hardly moved: raise --steps or --lr, or use the default preset"
    NOT_FINITE = "the optimisation ran into values that are not finite: lower --lr, or use --dtype float32"


POOR_PSNR = 26.0
"""In dB; below it an inversion at 64 px looks washed out: unaligned faces, other motifs, too few steps."""
UNEXPLAINED_PSNR = 20.0
"""In dB, of degraded photos, which few steps are to explain roughly: usual are 23 and more."""


@dataclass(frozen=True)
class Solution:
    """What the loop found for b images.

    Attributes:
        code: The optimised variables.
        losses: (steps, b) on the CPU, the objective before every step, of both loops.
        outcomes: One per image.
    """

    code: Code
    losses: Tensor
    outcomes: tuple[Outcome, ...]


def judge(losses: Tensor, pixel: Tensor, *, degraded: bool = False) -> Outcome:
    """Judge one image.

    Args:
        losses: Its history, (steps,).
        pixel: Its final pixel loss on [-1, 1].
        degraded: Whether it was a measurement of something else that was to be explained.
    """
    if not torch.isfinite(losses).all() or not torch.isfinite(pixel):
        return Outcome.NOT_FINITE
    if 10 * math.log10(4 / max(float(pixel), 1e-12)) >= (UNEXPLAINED_PSNR if degraded else POOR_PSNR):
        return Outcome.GOOD
    if len(losses) and float(losses[-1]) > 0.8 * float(losses[0]):
        return Outcome.STALLED
    return Outcome.UNEXPLAINED if degraded else Outcome.POOR
