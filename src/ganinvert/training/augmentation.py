"""Differentiable augmentation of what the discriminator sees, so that few images last longer.

The operations are those of DiffAugment (Zhao et al. 2020): colour, translation, cutout. Each is applied to each image
with a probability, which the heuristic of adaptive augmentation (Karras et al. 2020, arXiv:2006.06676) controls.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ganinvert.settings.common import Augmentation

TARGET = 0.6
"""Target of E[sign D(x)] over training images: above it the discriminator overfits."""

LARGEST = 0.8
"""Largest probability, up to which the generator does not learn to draw the augmentations themselves."""

ADAPTATION_IMAGES = 200_000
"""Number of images in which the probability could rise from 0 to 1."""


def augment(images: Tensor, probability: Tensor, rng: torch.Generator) -> Tensor:
    """Change colours, shift by up to an eighth, and cover a square of half the side; differentiable once.

    Images are (n, 3, r, r) in [-1, 1]; the probability is that of each operation for each image, a scalar.
    """
    # In half precision the places of a large image's pixels could not be told apart.
    with torch.autocast(images.device.type, enabled=False):
        images = _recolour(images.float(), probability, rng)
        images = _shift(images, probability, rng)
        return _cover(images, probability, rng)


class Strength:
    """The probability of augmentation, which follows the discriminator's overfitting without leaving the device.

    It is 1 if "fixed", and 0 for "none".
    """

    EVERY = 4  # steps between adjustments, as in the original

    def __init__(self, kind: Augmentation, device: torch.device) -> None:
        self.adaptive = kind == "adaptive"
        self.probability = torch.full((), float(kind == "fixed"), device=device)
        self.signs = torch.zeros((), device=device)
        self.steps = 0

    def observe(self, real: Tensor) -> None:
        """Take note of the scores (n,) of a batch of real images."""
        if not self.adaptive:
            return
        self.signs += real.detach().sign().mean() / self.EVERY
        self.steps += 1
        if self.steps % self.EVERY == 0:
            step = (self.signs - TARGET).sign() * (self.EVERY * len(real) / ADAPTATION_IMAGES)
            self.probability.add_(step).clamp_(0, LARGEST)
            self.signs.zero_()

    def state_dict(self) -> dict[str, Any]:
        """The state for a checkpoint."""
        return {"probability": self.probability.cpu(), "signs": self.signs.cpu(), "steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take a result of `state_dict`."""
        self.probability.copy_(state["probability"])
        self.signs.copy_(state["signs"])
        self.steps = state["steps"]


def _recolour(images: Tensor, probability: Tensor, rng: torch.Generator) -> Tensor:
    brightness, saturation, contrast = _uniform(images, 3, rng)
    selection = (_uniform(images, 3, rng) < probability).to(images.dtype)
    images = images + (brightness - 0.5) * selection[0]
    gray = images.mean(dim=1, keepdim=True)
    images = torch.lerp(gray, images, 1 + (2 * saturation - 1) * selection[1])
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return torch.lerp(mean, images, 1 + (contrast - 0.5) * selection[2])


def _shift(images: Tensor, probability: Tensor, rng: torch.Generator) -> Tensor:
    side = images.shape[-1]
    selection = _uniform(images, 1, rng)[0] < probability
    # Whole pixels, so that nothing is blurred; reflected at the borders, so that no edge appears.
    pixels = ((_uniform(images, 2, rng) * 2 - 1) * (side / 8)).round() * selection
    x, y = (pixels.flatten(1) * (2 / side)).unbind()
    one, zero = torch.ones_like(x), torch.zeros_like(x)
    matrix = torch.stack([one, zero, x, zero, one, y], dim=1).view(-1, 2, 3)
    grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode="nearest", padding_mode="reflection", align_corners=False)


def _cover(images: Tensor, probability: Tensor, rng: torch.Generator) -> Tensor:
    side = images.shape[-1]
    selection = _uniform(images, 1, rng)[0] < probability
    centre = _uniform(images, 2, rng) * side
    places = torch.arange(side, device=images.device, dtype=images.dtype) + 0.5
    rows = (places[:, None] - centre[0]).abs() < side / 4
    columns = (places - centre[1]).abs() < side / 4
    return images.masked_fill(rows & columns & selection, 0)


def _uniform(images: Tensor, count: int, rng: torch.Generator) -> Tensor:
    return torch.rand(count, len(images), 1, 1, 1, generator=rng, device=images.device)
