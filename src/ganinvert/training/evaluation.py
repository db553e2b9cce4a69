"""How good a generator is, and whether it repeats its training images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ganinvert.metrics import FEATURE_SIDE, Moments, frechet_distance, lpips_features, to_unit
from ganinvert.training.features import AlexNetFeatures

BATCH = 50

Sampler = Callable[[Tensor], Tensor]
"""Codes (n, z) to images (n, 3, r, r), about [-1, 1], on the CPU."""


class Evaluation:
    """Measures samples against training and held-out images, whose features are those of `metrics.alexnet_moments`.

    Args:
        training: (n, 3, r, r) uint8.
        held_out: (m, 3, r, r) uint8.
        latent_dim: Length of the codes.
        samples: How many are drawn, from codes that are always the same.
        device: Where to compute features.
    """

    def __init__(
        self, training: Tensor, held_out: Tensor, *, latent_dim: int, samples: int, device: torch.device
    ) -> None:
        self.network, self.device = AlexNetFeatures().to(device), device
        self.codes = torch.randn(samples, latent_dim, generator=torch.Generator().manual_seed(2018))
        self.references = {
            "frechet_training": self._moments(training, from_pixels),
            "frechet_held_out": self._moments(held_out, from_pixels),
        }

    def __call__(self, sampler: Sampler) -> dict[str, float]:
        """Fréchet distances of samples to the training images and to the held-out ones, whose number biases it."""
        found = self._moments(self.codes, sampler)
        return {name: frechet_distance(found, reference) for name, reference in self.references.items()}

    @torch.no_grad()
    def _moments(self, items: Tensor, images: Callable[[Tensor], Tensor]) -> Moments:
        """Of the last layer's features, averaged over positions."""
        features = torch.cat(
            [
                self.network(images(part).to(self.device).clamp(-1, 1), FEATURE_SIDE)[-1].mean(dim=(2, 3)).cpu()
                for part in items.split(BATCH)
            ]
        ).double()
        covariance = features.T.cov(correction=min(1, len(features) - 1))  # that of one image is 0
        return Moments(features.mean(dim=0), covariance, len(features))


@dataclass(frozen=True)
class Memorisation:
    """Nearest training images of samples, by LPIPS, and how near held-out images are to compare with.

    Attributes:
        samples: (k, 3, r, r) in [0, 1], the nearest to a training image first.
        nearest: (k, 3, r, r), the training image that is nearest to each.
        distances: (k,) LPIPS between them.
        held_out: (m,) LPIPS of held-out images to their nearest training image.
    """

    samples: Tensor
    nearest: Tensor
    distances: Tensor
    held_out: Tensor

    @property
    def ratio(self) -> float:
        """Median distance of samples over that of held-out images; far below 1 training images are repeated."""
        return float(self.distances.median() / self.held_out.median())


def memorisation(samples: Tensor, training: Tensor, held_out: Tensor) -> Memorisation:
    """Find the training image, or its mirror image, that is nearest to each sample and each held-out image.

    Args:
        samples: (k, 3, r, r), about [-1, 1].
        training: (n, 3, r, r) uint8.
        held_out: (m, 3, r, r) uint8.
    """
    unseen = from_pixels(held_out)
    asked = torch.cat([lpips_features(to_unit(part)) for part in torch.cat([samples, unseen]).split(BATCH)])
    best = torch.full((len(asked),), torch.inf)
    which = torch.zeros(len(asked), dtype=torch.int64)
    for start in range(0, len(training), BATCH):
        pixels = to_unit(from_pixels(training[start : start + BATCH]))
        for shown in (pixels, pixels.flip(3)):
            # A squared distance, because that is what LPIPS is.
            distances, found = torch.cdist(asked, lpips_features(shown)).square().min(dim=1)
            nearer = distances < best
            best, which = torch.where(nearer, distances, best), torch.where(nearer, found + start, which)
    order = best[: len(samples)].argsort()
    return Memorisation(
        to_unit(samples[order]),
        to_unit(from_pixels(training[which[: len(samples)][order]])),
        best[: len(samples)][order],
        best[len(samples) :],
    )


def from_pixels(pixels: Tensor) -> Tensor:
    """Images (n, 3, r, r) uint8 to [-1, 1]."""
    return pixels.float() / 127.5 - 1
