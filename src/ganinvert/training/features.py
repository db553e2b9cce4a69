"""AlexNet's features: for the discriminator heads on pretrained features, and for the Fréchet distance."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ganinvert import paths
from ganinvert.generators.pggan import SLOPE
from ganinvert.weights import TensorFile

WIDTHS = (64, 192, 384, 256, 256)
"""Channels after AlexNet's five convolutions."""


class AlexNetFeatures(nn.Module):
    """AlexNet (Krizhevsky 2014) without its classifier, frozen; torchvision's ImageNet weights, embedded."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        # torchvision's names, which count ReLUs and pools too.
        self.features = nn.ModuleDict({"0": nn.Conv2d(3, 64, 11, stride=4, padding=2)})
        self.features["3"] = nn.Conv2d(64, 192, 5, padding=2)
        for name, (inputs, outputs) in zip(("6", "8", "10"), pairwise(WIDTHS[1:]), strict=True):
            self.features[name] = nn.Conv2d(inputs, outputs, 3, padding=1)
        state = TensorFile.load(paths.embedded("alexnet.safetensors")).tensors
        self.load_state_dict({key: tensor.float() for key, tensor in state.items()})
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406])[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225])[:, None, None], persistent=False)
        self.requires_grad_(False).eval().to(memory_format=torch.channels_last)

    def forward(self, image: Tensor, size: int) -> list[Tensor]:
        """Images (n, 3, r, r) in [-1, 1], resized to `size`, to five maps after the ReLUs."""
        if image.shape[-1] != size:
            image = F.interpolate(image, size=(size, size), mode="bilinear", antialias=image.shape[-1] > size)
        x = ((image + 1) / 2 - self.mean) / self.std
        maps: list[Tensor] = []
        for convolution in self.features.values():
            x = F.relu(convolution(F.max_pool2d(x, 3, 2) if len(maps) in (1, 2) else x))
            maps.append(x)
        return maps


class FeatureHeads(nn.Module):
    """Small discriminators on frozen features: what makes projected GANs (Sauer et al. 2021) fast on few images.

    Each of AlexNet's five maps is mixed by a fixed random 1×1 convolution, and judged by two convolutions under
    spectral norm, position by position.
    """

    SIZE, MIXED = 64, 64

    def __init__(self) -> None:
        super().__init__()
        self.network = AlexNetFeatures()
        self.mixers = nn.ModuleList(nn.Conv2d(width, self.MIXED, 1, bias=False) for width in WIDTHS)
        self.heads = nn.ModuleList(
            nn.Sequential(
                spectral_norm(nn.Conv2d(self.MIXED, self.MIXED, 3, padding=1)),
                nn.LeakyReLU(SLOPE),
                spectral_norm(nn.Conv2d(self.MIXED, 1, 3, padding=1)),
            )
            for _ in WIDTHS
        )
        for weight in self.mixers.requires_grad_(False).parameters():
            nn.init.kaiming_normal_(weight, nonlinearity="linear")

    def forward(self, image: Tensor) -> Tensor:
        """Images (n, 3, r, r) in [-1, 1] to scores (n · positions,), higher for more real."""
        maps = self.network(image, max(image.shape[-1], self.SIZE))
        each = zip(maps, self.mixers, self.heads, strict=True)
        return torch.cat([head(mixer(features)).flatten() for features, mixer, head in each]).float()
