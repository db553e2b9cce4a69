"""The generator of MobileStyleGAN (Belousov 2021, arXiv:2104.04767).

A constant times a style, and a 3×3 convolution; then blocks of an inverse Haar transform, which doubles the side, and
two depthwise separable convolutions; at the end 12 channels, which the inverse Haar transform makes an image. Each
convolution and each transform is modulated by a style, linear in w. Demodulation does not depend on the image, and is
already folded into the weights, as the equalised-lr scales are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganinvert.errors import UsageError
from ganinvert.generators.activations import Activations
from ganinvert.generators.base import Generator, LayerInfo, StyleInput
from ganinvert.generators.latents import NormalSpace
from ganinvert.generators.mobilestylegan.architecture import MobileStyleGANArchitecture
from ganinvert.generators.styles import SLOPE, MappingNetwork, StyleSpace, centred, modulated_matmul
from ganinvert.generators.views import Window
from ganinvert.weights import digest

_CROPPED, _CROP = 16, 4


def inverse_haar(x: Tensor) -> Tensor:
    """The inverse orthonormal Haar transform: (n, 4c, h, w) → (n, c, 2h, 2w).

    The first c channels are the low band, twice the mean of each 2×2 cell of the output; channel c + 3i + k is detail k
    of output channel i: the difference of the rows, of the columns, and of the diagonals.
    """
    x = x.permute(0, 2, 3, 1)  # channels last, in which everything here is fastest
    c = x.shape[-1] // 4
    low, (rows, columns, diagonals) = x[..., :c], x[..., c:].unflatten(-1, (c, 3)).unbind(-1)
    top, bottom, even, odd = low + rows, low - rows, columns + diagonals, columns - diagonals
    cells = [torch.stack([top + even, top - even], dim=3), torch.stack([bottom + odd, bottom - odd], dim=3)]
    pixels: Tensor = torch.stack(cells, dim=2) / 2
    return pixels.flatten(3, 4).flatten(1, 2).permute(0, 3, 1, 2)


class _Layer(nn.Module):
    """Modulated convolution, noise, bias, LeakyReLU: a full 3×3 convolution first, depthwise and 1×1 ones later.

    The noise is a constant of the layer, (h, w), the same in every channel and image.
    """

    noise: Tensor

    def __init__(self, architecture: MobileStyleGANArchitecture, layer: int) -> None:
        super().__init__()
        inputs, outputs = architecture.inputs(layer), architecture.channels[layer]
        size, w = architecture.size(layer), architecture.mapping[-1]
        kernel = (3, 3) if layer == 1 else ()
        self.number = (layer - 1) + (layer - 1) // 2  # of its first style
        self.up = nn.Linear(w, architecture.channels[layer - 1]) if layer > 1 and layer % 2 == 0 else None
        self.style = nn.Linear(w, inputs)
        self.depthwise = nn.Parameter(torch.empty(inputs, 1, 3, 3)) if layer > 1 else None
        self.weight = nn.Parameter(torch.empty(outputs, inputs, *kernel))
        self.bias = nn.Parameter(torch.empty(outputs))
        self.register_buffer("noise", torch.empty(size, size))

    def forward(self, h: Tensor, styles: Tensor, window: Window | None = None) -> Tensor:
        style = self.style(styles[:, self.number + (self.up is not None)])
        if self.up is not None:
            h = inverse_haar(h * self.up(styles[:, self.number])[:, :, None, None])
        if self.depthwise is None:
            h = F.conv2d(h * style[:, :, None, None], self.weight, self.bias, padding=1)
        else:  # the style of a channel passes through its own kernel
            h = F.conv2d(h, self.depthwise, padding=1, groups=h.shape[1])
            h = modulated_matmul(h, self.weight, self.bias, style)
        noise = centred(self.noise, h) if window is None else window.of(self.noise)
        return F.leaky_relu(h + noise, SLOPE, inplace=True)


class _Head(nn.Module):
    """Modulated 1×1 convolution to the Haar transform of the image."""

    def __init__(self, inputs: int, w: int) -> None:
        super().__init__()
        self.style = nn.Linear(w, inputs)
        self.weight = nn.Parameter(torch.empty(12, inputs))
        self.bias = nn.Parameter(torch.empty(12))

    def forward(self, h: Tensor, styles: Tensor, channels: slice = slice(None)) -> Tensor:
        return modulated_matmul(h, self.weight[channels], self.bias[channels], self.style(styles[:, -1]))


class MobileStyleGANGenerator(Generator):
    """The generator of MobileStyleGAN, frozen.

    Style i + i // 2, counted from 0, is the first one of the layer after i others; the last style is that of the image.

    Args:
        architecture: Sizes of its layers; the weights are not initialised.
    """

    kind = "mobilestylegan-generator"
    preview_side = 32
    allows_bfloat16 = False

    def __init__(self, architecture: MobileStyleGANArchitecture) -> None:
        super().__init__()
        self.architecture, self.resolution = architecture, architecture.resolution
        self.num_layers = architecture.num_layers
        self.mapping = MappingNetwork(*architecture.mapping)
        self.constant = nn.Parameter(torch.empty(architecture.channels[0], architecture.side, architecture.side))
        self.layers = nn.ModuleList(_Layer(architecture, layer) for layer in range(1, self.num_layers + 1))
        self.to_rgb = _Head(architecture.channels[-1], architecture.mapping[-1])
        self.spaces = {
            "z": NormalSpace("z", architecture.mapping[0]),
            "w": StyleSpace("w", self.mapping),
            "w+": StyleSpace("w+", self.mapping, architecture.num_styles),
        }
        self.requires_grad_(False).eval()

    @classmethod
    def random(cls, architecture: MobileStyleGANArchitecture, *, seed: int = 0) -> MobileStyleGANGenerator:
        """A generator with random weights and noise whose features neither fade nor grow, for tests and benchmarks."""
        rng = torch.Generator().manual_seed(seed)
        generator = cls(architecture)
        for name, tensor in generator.state_dict().items():
            if name.endswith("bias"):
                tensor.fill_(1.0 if name.endswith(("style.bias", "up.bias")) else 0.0)
            elif name == "constant":
                tensor.normal_(generator=rng)
            elif not name.startswith("mapping.") or name.endswith("weight"):
                part = 0.1 if name.endswith("noise") else 0.5 if "style" in name or "up" in name else 1.0
                inputs = 1 if name.endswith("noise") else tensor[0].numel()
                tensor.normal_(0, part / inputs**0.5, generator=rng)
        generator.mapping.measure()
        generator.name, generator.digest = "random", digest(generator.state_dict())
        return generator

    @property
    def header(self) -> Mapping[str, str]:
        """Kind, name and architecture."""
        return {"kind": self.kind, "name": self.name, "architecture": json.dumps(asdict(self.architecture))}

    @property
    def edit_layer(self) -> int:
        """Layer 5, after which free features and styles reconstruct photos best."""
        return min(5, self.num_layers)

    def layer_info(self, layer: int) -> LayerInfo:
        """The constant's shape before the first layer; every second layer doubles the side."""
        self.check_layer(layer)
        return LayerInfo(self.architecture.channels[layer], self.architecture.size(layer))

    def styles(self, code: Tensor, space: str = "") -> Tensor:
        """Codes of z (n, z), w (n, d) or w+ (n, S, d) to styles, (n, S, d)."""
        name = self.space(space).name
        if name == "w+":
            return code
        w: Tensor = self.mapping(code) if name == "z" else code
        return w[:, None].repeat(1, self.architecture.num_styles, 1)

    def begin(self, styles: Tensor) -> Activations:
        """The constant, which no style has changed yet."""
        return Activations(self.constant.expand(len(styles), -1, -1, -1), styles)

    def carry(self, activations: Activations, start: int, stop: int) -> Activations:
        """Features at layer `start` to features at layer `stop`, both after the activation function.

        Features of another size than the layer's are taken as its middle, or have it in their middle.
        """
        self.check_layer(start)
        self.check_layer(stop)
        h, styles = activations.features, _given(activations)
        for layer in self.layers[start:stop]:
            h = layer(h, styles)
        return activations.replace(h)

    def reach(self, layer: int) -> int:
        """Reach of the 3×3 convolutions; the transform to the image has none."""
        return int(layer <= self.num_layers)

    def carry_part(self, activations: Activations, start: int, window: Window) -> Activations:
        """Carry a window to the next layer, with its part of the noise."""
        layer = self.layers[start]
        window = window.enlarged(1 if layer.up is None else 2)
        return activations.replace(layer(activations.features, _given(activations), window))

    def to_haar(self, activations: Activations) -> Tensor:
        """Activations at the last layer to the Haar transform of the images, (n, 12, r/2, r/2).

        Its first 3 channels, halved, are the images averaged over cells of 2×2 pixels.
        """
        transform: Tensor = self.to_rgb(activations.features, _given(activations))
        return transform

    def to_image(self, activations: Activations) -> Tensor:
        """Activations at the last layer to images, by the inverse of `to_haar`'s transform."""
        return inverse_haar(self.to_haar(activations))

    def to_averaged_image(self, activations: Activations, cell: int) -> Tensor:
        """Images averaged over cells, of the low band of their transform alone."""
        if cell == 1:
            return self.to_image(activations)
        low: Tensor = self.to_rgb(activations.features, _given(activations), slice(3)) / 2
        return F.avg_pool2d(low, cell // 2)

    def style_inputs(self) -> Sequence[StyleInput]:
        """The styles of every layer's transform, if it has one, and convolution, and that of the image."""
        parts = [(layer.up, layer.style) for layer in self.layers if isinstance(layer, _Layer)] + [
            (None, self.to_rgb.style)
        ]
        return [
            StyleInput(number, part.weight) for number, pair in enumerate(parts, 1) for part in pair if part is not None
        ]

    def shrink(self, activations: Activations) -> Activations:
        """The middle of features of 16×16, 4×4."""
        h = activations.features
        if h.shape[-1] != _CROPPED:
            return activations
        start = (_CROPPED - _CROP) // 2
        return activations.replace(h[:, :, start : start + _CROP, start : start + _CROP])

    def weights_after(self, layer: int) -> dict[str, Tensor]:
        """Weights and biases of the convolutions after `layer`, of their styles, and of the image's."""
        self.check_layer(layer)
        used = ("to_rgb.", *(f"layers.{n}." for n in range(layer, self.num_layers)))
        return {name: weight for name, weight in self.named_parameters() if name.startswith(used)}


def _given(activations: Activations) -> Tensor:
    if activations.styles is None:
        raise UsageError(
            "activations of a style-based generator without styles", hint="they are of another generator's family"
        )
    return activations.styles
