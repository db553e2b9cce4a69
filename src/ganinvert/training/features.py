"""Discriminator heads on AlexNet's features."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ganinvert.generators.pggan import SLOPE
from ganinvert.perception import ALEXNET_WIDTHS, alexnet


class FeatureHeads(nn.Module):
    """Small discriminators on frozen features: what makes projected GANs (Sauer et al. 2021) fast on few images.

    Each of AlexNet's five maps is mixed by a fixed random 1×1 convolution, and judged by two convolutions under
    spectral norm, position by position.
    """

    SIZE, MIXED = 64, 64

    def __init__(self) -> None:
        super().__init__()
        self.network = alexnet()
        self.mixers = nn.ModuleList(nn.Conv2d(width, self.MIXED, 1, bias=False) for width in ALEXNET_WIDTHS)
        self.heads = nn.ModuleList(
            nn.Sequential(
                spectral_norm(nn.Conv2d(self.MIXED, self.MIXED, 3, padding=1)),
                nn.LeakyReLU(SLOPE),
                spectral_norm(nn.Conv2d(self.MIXED, 1, 3, padding=1)),
            )
            for _ in ALEXNET_WIDTHS
        )
        for weight in self.mixers.requires_grad_(False).parameters():
            nn.init.kaiming_normal_(weight, nonlinearity="linear")

    def forward(self, image: Tensor) -> Tensor:
        """Images (n, 3, r, r) in [-1, 1] to scores (n · positions,), higher for more real."""
        maps = self.network(image, max(image.shape[-1], self.SIZE))
        each = zip(maps, self.mixers, self.heads, strict=True)
        return torch.cat([head(mixer(features)).flatten() for features, mixer, head in each]).float()
