"""PGGAN while it grows (Karras et al. 2018): equalised learning rate, and a way in and out at every resolution.

Parameters are N(0, 1) at the start and multiplied by gain/√fan_in whenever they are used; `export` folds that factor
in, as the canonical networks of `generators` have it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganinvert.generators.pggan import SLOPE, PGGANArchitecture, minibatch_stddev, pixel_norm
from ganinvert.settings import Training


@dataclass(frozen=True)
class Stage:
    """Stage of the networks' growth: side of the images, and share in (0, 1] of the newest block, 1 when grown in."""

    resolution: int
    fade: float = 1.0

    @classmethod
    def after(cls, images: int, settings: Training, resolution: int) -> Stage:
        """The stage after so many images: 4 pixels settle, 8 fade in, 8 settle, …, and the last one stays."""
        last = 2 * (_blocks(resolution) - 1)
        phase = min(images // settings.phase_images, last) if settings.phase_images else last
        side = 4 << ((phase + 1) // 2)
        if phase % 2 == 0:
            return cls(side)
        # Not quite 0: the newest block shall learn from its first step on.
        return cls(side, max(images % settings.phase_images / settings.phase_images, 1e-3))

    def __str__(self) -> str:
        if self.fade == 1:
            return f"{self.resolution} px"
        return f"{self.resolution // 2} → {self.resolution} px, {self.fade:.0%}"


class Equalised(nn.Module):
    """A convolution whose weight is scaled by gain/√fan_in when used: √2 before a LeakyReLU, else 1.

    Its bias is one per channel, or one per position of an output with the side `positions`.
    """

    def __init__(
        self, outputs: int, inputs: int, kernel: int, *, padding: int = 0, gain: float = sqrt(2), positions: int = 0
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros((outputs, positions, positions) if positions else outputs))
        self.scale = gain / sqrt(inputs * kernel * kernel)
        self.padding = padding

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (n, inputs, h, w)."""
        weight = self.weight * self.scale
        if self.bias.ndim == 3:
            return F.conv2d(x, weight, padding=self.padding) + self.bias
        return F.conv2d(x, weight, self.bias, padding=self.padding)


class _Growing(nn.Module):
    """A network whose `canonical` layers are those of a network in `generators`, by their names there."""

    canonical: dict[str, Equalised]

    @torch.no_grad()
    def export(self) -> dict[str, Tensor]:
        """The canonical state dict at the last resolution, on the CPU."""
        state = {}
        for name, layer in self.canonical.items():
            weight = layer.weight * layer.scale
            # The discriminator ends with dense layers.
            state[f"{name}.weight"] = weight.flatten(1) if name in ("dense", "score") else weight
            state[f"{name}.bias"] = layer.bias.detach()
        return {key: tensor.float().cpu().contiguous() for key, tensor in state.items()}

    @torch.no_grad()
    def adopt(self, state: Mapping[str, Tensor]) -> None:
        """Take the canonical state dict of a network of this architecture."""
        for name, layer in self.canonical.items():
            layer.weight.copy_(state[f"{name}.weight"].view_as(layer.weight) / layer.scale)
            layer.bias.copy_(state[f"{name}.bias"])


class GrowingGenerator(_Growing):
    """Codes to images at any stage; `export` gives the state of `PGGANGenerator`."""

    def __init__(self, architecture: PGGANArchitecture) -> None:
        super().__init__()
        self.architecture = architecture
        layers = [
            Equalised(outputs, inputs, 3, padding=1) if n else Equalised(outputs, inputs, 4, padding=3, positions=4)
            for n, (inputs, outputs) in enumerate(pairwise((architecture.latent_dim, *architecture.channels)))
        ]
        to_rgb = [Equalised(3, channels, 1, gain=1) for channels in architecture.channels[1::2]]
        self.layers, self.to_rgb = nn.ModuleList(layers), nn.ModuleList(to_rgb)
        self.canonical = {**{f"layers.{n}": layer for n, layer in enumerate(layers)}, "to_rgb": to_rgb[-1]}

    def forward(self, z: Tensor, resolution: int, fade: Tensor | None = None) -> Tensor:
        """Images (n, 3, r, r) of codes (n, z) at a stage; its fade is a tensor, so that no change compiles anew."""
        blocks = _blocks(resolution)
        x = z[:, :, None, None]
        for n, layer in enumerate(self.layers[: 2 * blocks]):
            x = pixel_norm(x)
            if n and n % 2 == 0:
                x = F.interpolate(x, scale_factor=2.0, mode="nearest")
            before = x
            x = F.leaky_relu(layer(x), SLOPE)
            if n == 2 * blocks - 2:
                older = before  # the upsampled, normed features that the previous ToRGB knows
        image: Tensor = self.to_rgb[blocks - 1](pixel_norm(x))
        if fade is not None and blocks > 1:
            image = torch.lerp(self.to_rgb[blocks - 2](older), image, fade.to(image.dtype))
        return image.float()


class GrowingDiscriminator(_Growing):
    """Images at any stage to scores; `export` gives the state of `PGGANDiscriminator`."""

    def __init__(self, architecture: PGGANArchitecture) -> None:
        super().__init__()
        self.architecture = architecture
        widths = architecture.channels[::-1]
        from_rgb = [Equalised(channels, 3, 1) for channels in widths[::2]]
        layers = [Equalised(b, a, 3, padding=1) for a, b in pairwise(widths[:-1])]
        self.from_rgb, self.layers = nn.ModuleList(from_rgb), nn.ModuleList(layers)
        self.final = Equalised(widths[-1], widths[-2] + 1, 3, padding=1)
        self.dense = Equalised(widths[-1], widths[-1], 4)
        self.score = Equalised(1, widths[-1], 1, gain=1)
        self.canonical = {"from_rgb": from_rgb[0], **{f"layers.{n}": layer for n, layer in enumerate(layers)}}
        self.canonical |= {"final": self.final, "dense": self.dense, "score": self.score}

    def forward(self, image: Tensor, fade: Tensor | None = None) -> Tensor:
        """Scores (n,) of images (n, 3, r, r) in [-1, 1]; `fade` as the generator's."""
        skipped = _blocks(self.architecture.resolution) - _blocks(image.shape[-1])
        x = F.leaky_relu(self.from_rgb[skipped](image), SLOPE)
        for n, layer in enumerate(self.layers[2 * skipped :]):
            x = F.leaky_relu(layer(x), SLOPE)
            if n % 2:
                x = F.avg_pool2d(x, 2)
            if n == 1 and fade is not None:
                older = F.leaky_relu(self.from_rgb[skipped + 1](F.avg_pool2d(image, 2)), SLOPE)
                x = torch.lerp(older, x, fade.to(x.dtype))
        deviation = minibatch_stddev(x.float()).to(x.dtype)
        x = F.leaky_relu(self.final(torch.cat([x, deviation], dim=1)), SLOPE)
        x = F.leaky_relu(self.dense(x), SLOPE)
        score: Tensor = self.score(x)
        return score.flatten().float()


def shrink(images: Tensor, stage: Stage) -> Tensor:
    """Real images as they look at a stage: pooled, and as blurred as the fading generator's are."""
    images = F.avg_pool2d(images, images.shape[-1] // stage.resolution)
    if stage.fade == 1:
        return images
    blurred = F.interpolate(F.avg_pool2d(images, 2), scale_factor=2.0, mode="nearest")
    return torch.lerp(blurred, images, stage.fade)


def _blocks(resolution: int) -> int:
    return resolution.bit_length() - 2
