"""Results of the loop: its steps, snapshots, and the outcome of each image."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor

from ganinvert.devices import autocast
from ganinvert.generators import Generator, View, Window
from ganinvert.methods import Code


@dataclass(frozen=True)
class Snapshot:
    """State of the loop after a step, for b images, on the CPU. A loop that resumes from it ends with the same bits.

    Attributes:
        done: Number of steps done.
        losses: Objective before every step, (done, b).
        tensors: Variables of the code, their moments, and the last value and gradient of loss terms with a network;
            (b, …) each.
    """

    done: int
    losses: Tensor
    tensors: Mapping[str, Tensor]

    def image(self, n: int) -> Snapshot:
        """Extract the snapshot of image n."""
        tensors = {name: value[n : n + 1].clone() for name, value in self.tensors.items()}
        return Snapshot(self.done, self.losses[:, n : n + 1].clone(), tensors)

    @classmethod
    def stacked(cls, parts: Sequence[Snapshot]) -> Snapshot:
        """Merge snapshots of several images taken after the same number of steps."""
        tensors = {name: torch.cat([part.tensors[name] for part in parts]) for name in parts[0].tensors}
        return cls(parts[0].done, torch.cat([part.losses for part in parts], dim=1), tensors)


@dataclass(frozen=True)
class Step:
    """One step of the loop. Its tensors stay on the device, because reading a value makes the device wait.

    Attributes:
        index: Number of the step, from 0.
        steps: Number of all steps.
        loss: Objective of every image before this step, (b,), with the perceptual term of the last refresh; with parts,
            the mean over the latest steps, as many as there are parts.
        pixel: Pixel term of the objective, (b,), of the same steps.
        snapshot: Function that copies the state of the loop, which makes the device wait; None if the loop cannot
            resume from a snapshot.
        picture: Function that renders the images of the code after this step, (b, 3, s, s) about [-1, 1], averaged to
            at most as many pixels of a side as it is given. It takes about as long as a step.
    """

    index: int
    steps: int
    loss: Tensor
    pixel: Tensor
    snapshot: Callable[[], Snapshot] | None
    picture: Callable[[int], Tensor]

    @property
    def psnr(self) -> Tensor:
        """PSNR (b,) of the unclamped images in dB, 10·log10(4 / pixel), since [-1, 1] spans 2."""
        return 10 * (4 / self.pixel).log10()


class Outcome(Enum):
    """Outcome of the optimisation of one image; the value is a sentence for the user, "" for a good result."""

    GOOD = ""
    POOR = (
        "the result is far from the photo, which may show something that this generator never learned, or may not be "
        "aligned as its training images are; try more --steps, --method pmsfc, --refine near-perfect or another -g"
    )
    UNEXPLAINED = (
        "the result explains the photo poorly: it may show something that this generator never learned, or may not be "
        "aligned as its training images are; try more --steps, --align force, or a generator of the photo's domain"
    )
    STALLED = "the optimisation has hardly moved: raise --steps or --lr, or use the default preset"
    NOT_FINITE = "the optimisation reached values that are not finite: lower --lr, or use --dtype float32"


POOR_PSNR = 26.0
"""PSNR in dB below which inversions at 64 px look washed out: unaligned faces, other motifs, too few steps."""
UNEXPLAINED_PSNR = 20.0
"""PSNR in dB below which a degraded photo counts as poorly explained; 23 and more are usual."""


@dataclass(frozen=True)
class Solution:
    """Result of the loop for b images.

    Attributes:
        code: Code of all images.
        losses: Objective before every step of both loops, (n, b).
        outcomes: Outcome of each image.
        steps: Number of steps that were to be done; n is smaller if the loop was stopped.
    """

    code: Code
    losses: Tensor
    outcomes: tuple[Outcome, ...]
    steps: int


@torch.no_grad()
def code_picture(code: Code, generator: Generator, dtype: torch.dtype, side: int) -> Tensor:
    """Render the images of a code, (b, 3, s, s) about [-1, 1], averaged to s ≤ `side` pixels of a side."""
    resolution = generator.resolution
    cell = 2 ** max(0, math.ceil(math.log2(resolution / side)))
    with autocast(next(generator.parameters()).device, dtype):
        return code.render(generator, View(Window.tile(resolution, 1, 0), cell)).float()


def assess_outcome(losses: Tensor, pixel: Tensor, *, degraded: bool = False) -> Outcome:
    """Assess the outcome of one image by its objective before every step, and its final pixel loss on [-1, 1]."""
    if not torch.isfinite(losses).all() or not torch.isfinite(pixel):
        return Outcome.NOT_FINITE
    if 10 * math.log10(4 / max(float(pixel), 1e-12)) >= (UNEXPLAINED_PSNR if degraded else POOR_PSNR):
        return Outcome.GOOD
    if len(losses) and float(losses[-1]) > 0.8 * float(losses[0]):
        return Outcome.STALLED
    return Outcome.UNEXPLAINED if degraded else Outcome.POOR
