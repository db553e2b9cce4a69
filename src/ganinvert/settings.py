"""Defaults and presets: the one source for the command line and the library. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

DEFAULT_GENERATOR = "portraits-64"
Affinity = Literal["thresholded", "paper"]

@dataclass(frozen=True)
class Discovery:
    """How to learn the self-expression matrix S (PmSFC eq. 5, algorithm 1).

    Attributes:
        layer: Where the generator is cut.
        steps: Adam steps.
        lr: Adam's learning rate.
        batch: Codes sampled per step (the paper does not say; the authors' program takes 4).
        image_weight: λ, of the loss in image space.
        sparsity_weight: μ, of ‖S‖₁.
        seed: Of the sampled codes.
    """

    layer: int = 3
    steps: int = 3000
    lr: float = 1e-4
    batch: int = 4
    image_weight: float = 10.0
    sparsity_weight: float = 1.0
    seed: int = 0


DISCOVERY = {"default": Discovery(), "paper": Discovery()}


@dataclass(frozen=True)
class InvertSettings:
    subspaces: int = 6
    affinity: Affinity = "thresholded"
