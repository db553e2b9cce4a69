"""The inverse of a generator in one pass: a small convolutional network from images to codes and features."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganinvert.generators.activations import Activations
from ganinvert.generators.base import Encoder
from ganinvert.generators.pggan.architecture import EncoderArchitecture
from ganinvert.generators.pggan.network import SLOPE, pixel_norm


class _Block(nn.Module):
    """x + convolution(convolution(x)), each after PixelNorm or LeakyReLU; begins as nearly the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.first(F.leaky_relu(pixel_norm(x), SLOPE))
        changed: Tensor = self.second(F.leaky_relu(inner, SLOPE))
        return x + changed


class PGGANEncoder(Encoder):
    """Predicts the latent code z and the features of one layer from an image.

    A residual block per side from half that of the image down to 4×4, where z is read. The features are read from the
    maps of their own size, to which the 4×4 maps are added, so that they know of the whole image.

    Args:
        architecture: Numbers of layers and channels; the weights are random.
    """

    kind = "pggan-encoder"
    space = "z"
    mean: Tensor
    scale: Tensor

    def __init__(self, architecture: EncoderArchitecture) -> None:
        super().__init__()
        self.architecture, self.layer = architecture, architecture.layer
        widths, channels = architecture.widths, architecture.channels
        # The first step halves the side: at full size even few channels would cost as much as all the rest.
        self.stem = nn.Conv2d(3, widths[-1], 4, stride=2, padding=1)
        # From the finest side to 4×4, as the image passes through them.
        self.blocks = nn.ModuleList(_Block(width) for width in reversed(widths))
        self.narrower = nn.ModuleList(
            nn.Conv2d(widths[n], widths[n - 1], 3, padding=1) for n in range(len(widths) - 1, 0, -1)
        )
        self.code = nn.Linear(widths[0] * 16, architecture.latent_dim)
        if self.layer:
            width = widths[(self.layer - 1) // 2]
            self.context = nn.Conv2d(widths[0], width, 1)
            self.merged = _Block(width)
            self.read = nn.Conv2d(width, channels, 3, padding=1)
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("scale", torch.ones(channels))
        # He's initialisation; blocks and the readings begin small, so that deep nets learn from the first step.
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                if name.endswith("bias"):
                    nn.init.zeros_(parameter)
                else:
                    nn.init.kaiming_normal_(parameter, a=SLOPE)
                    parameter.mul_(0.3 if name.endswith(("second.weight", "read.weight")) else 1)
        self.to(memory_format=torch.channels_last)

    @property
    def header(self) -> Mapping[str, str]:
        """Kind, generator and architecture."""
        return {"kind": self.kind, "generator": self.digest, "architecture": json.dumps(asdict(self.architecture))}

    def forward(self, image: Tensor) -> tuple[Tensor, Activations]:
        """Images (n, 3, r, r) in [-1, 1] to z (n, d) of length √d and activations at `layer`, z itself at layer 0."""
        factor = self.architecture.resolution // self.architecture.side
        x = F.avg_pool2d(image, factor) if factor > 1 else image
        x = self.stem(x.contiguous(memory_format=torch.channels_last))
        matching = x
        for n, block in enumerate(self.blocks):
            if n:
                x = self.narrower[n - 1](F.avg_pool2d(x, 2))
            x = block(x)
            if x.shape[-1] == self.architecture.size:
                matching = x
        coarse = pixel_norm(x)
        z = F.normalize(self.code(F.leaky_relu(coarse, SLOPE).flatten(1)), dim=1)
        z = z * self.architecture.latent_dim**0.5
        if not self.layer:
            return z, Activations(z[:, :, None, None])
        whole = F.interpolate(self.context(coarse), size=matching.shape[-2:], mode="nearest")
        normal = self.read(F.leaky_relu(pixel_norm(self.merged(matching + whole)), SLOPE))
        features = torch.addcmul(self.mean[:, None, None], normal, self.scale[:, None, None])
        return z, Activations(features)
