"""The generator of Progressive GAN (Karras et al. 2018, arXiv:1710.10196).

Per convolution: PixelNorm → nearest ×2 where the block upsamples → convolution → bias → LeakyReLU(0.2).
Equalised-lr scales are already folded into the weights.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganinvert.generators.activations import Activations
from ganinvert.generators.base import Generator, LayerInfo, StyleInput, reorder
from ganinvert.generators.latents import NormalSpace
from ganinvert.generators.normalization import pixel_norm
from ganinvert.generators.pggan.architecture import PGGANArchitecture
from ganinvert.weights import digest

SLOPE = 0.2
_CROPPED, _CROP = 16, 4
_WIDE = 16
"""Side of features from which on a transposed convolution in half precision is faster than upsampling before one."""


class _Layer(nn.Module):
    """PixelNorm, nearest ×2 where it upsamples, convolution, bias, LeakyReLU.

    The first has a 4×4 kernel and a bias per position: its features are a linear map of the code.
    """

    def __init__(self, inputs: int, outputs: int, *, first: bool, upsample: bool) -> None:
        super().__init__()
        kernel = 4 if first else 3
        self.weight = nn.Parameter(torch.empty(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.empty(outputs, 4, 4) if first else torch.empty(outputs))
        self.upsample = upsample
        self._transposed: tuple[tuple[int, int, torch.dtype], Tensor] | None = None

    def convolve(self, x: Tensor, channels: Tensor | slice = slice(None)) -> Tensor:
        """Features (n, c, h, w) after PixelNorm to some channels of the layer's features."""
        weight, bias = self.weight[channels], self.bias[channels]
        if bias.ndim == 3:
            matrix = weight.permute(0, 2, 3, 1).flatten(0, 2)  # no copy, as weights are channels-last
            x = F.linear(x.flatten(1), matrix).unflatten(1, bias.shape).flip(2, 3) + bias
            x = x.contiguous(memory_format=torch.channels_last)
        elif not self.upsample:
            x = F.conv2d(x, weight, bias, padding=1)
        elif not self._has_kernel or (x.shape[-1] < _WIDE and torch.is_autocast_enabled(x.device.type)):
            x = F.conv2d(F.interpolate(x, scale_factor=2.0, mode="nearest"), weight, bias, padding=1)
        else:
            x = F.conv_transpose2d(x, self._kernel(x.device)[:, channels], bias, stride=2, padding=1)
        return F.leaky_relu(x, SLOPE)

    @property
    def _has_kernel(self) -> bool:
        """True where weights have no gradient and tell their changes."""
        learns = self.weight.requires_grad and torch.is_grad_enabled()
        return not learns and not self.weight.is_inference()

    @torch.inference_mode(False)
    def _kernel(self, device: torch.device) -> Tensor:
        """Kernel (inputs, outputs, 4, 4) that upsamples and convolves in one, with 4 products per value instead of 9.

        Each of a pixel's four copies meets another row and column of the 3×3 kernel, so the 4×4 one is their sum. It is
        made anew when the weights have changed.
        """
        weight = self.weight.detach()
        dtype = torch.get_autocast_dtype(device.type) if torch.is_autocast_enabled(device.type) else weight.dtype
        state = (weight._version, weight.data_ptr(), dtype)
        if self._transposed is None or self._transposed[0] != state:
            padded = F.pad(weight.transpose(0, 1).flip(2, 3), (1, 1, 1, 1))
            rows = padded[:, :, 1:] + padded[:, :, :-1]
            kernel = (rows[..., 1:] + rows[..., :-1]).to(dtype, memory_format=torch.channels_last)
            self._transposed = state, kernel
        return self._transposed[1]

    def forward(self, x: Tensor) -> Tensor:
        return self.convolve(pixel_norm(x))


class PGGANGenerator(Generator):
    """The canonical PGGAN generator at any resolution 4 … 1024, frozen.

    Args:
        architecture: Channels of its layers; the weights are not initialised.
    """

    kind = "pggan-generator"

    def __init__(self, architecture: PGGANArchitecture) -> None:
        super().__init__()
        self.architecture, self.resolution = architecture, architecture.resolution
        self.spaces = {"z": NormalSpace("z", architecture.latent_dim)}
        self.num_layers = len(architecture.channels)
        widths = (architecture.latent_dim, *architecture.channels)
        self.layers = nn.ModuleList(
            _Layer(inputs, outputs, first=n == 0, upsample=n >= 2 and n % 2 == 0)
            for n, (inputs, outputs) in enumerate(pairwise(widths))
        )
        self.to_rgb = nn.Conv2d(architecture.channels[-1], 3, 1)
        self.requires_grad_(False).eval().to(memory_format=torch.channels_last)

    @classmethod
    def random(cls, architecture: PGGANArchitecture, *, seed: int = 0) -> PGGANGenerator:
        """A generator with He-initialised weights and zero biases, for tests, benchmarks and training starts."""
        rng = torch.Generator().manual_seed(seed)
        generator = cls(architecture)
        for name, parameter in generator.named_parameters():
            if name.endswith("weight"):
                gain = 1.0 if name.startswith("to_rgb") else 2.0
                parameter.normal_(0, (gain / parameter[0].numel()) ** 0.5, generator=rng)
            else:
                parameter.zero_()
        generator.name, generator.digest = "random", digest(generator.state_dict())
        return generator

    @property
    def header(self) -> Mapping[str, str]:
        """Kind, name and architecture."""
        return {"kind": self.kind, "name": self.name, "architecture": json.dumps(asdict(self.architecture))}

    def layer_info(self, layer: int) -> LayerInfo:
        """(z, 1) before the first layer, and 4, 4, 8, 8, … pixels after each."""
        self.check_layer(layer)
        if layer == 0:
            return LayerInfo(self.architecture.latent_dim, 1)
        return LayerInfo(self.architecture.channels[layer - 1], 2 ** ((layer - 1) // 2 + 2))

    def styles(self, code: Tensor, space: str = "") -> Tensor:
        """Codes (n, z) as (n, 1, z): the first layer alone sees them."""
        self.space(space)
        return code[:, None]

    def begin(self, styles: Tensor) -> Activations:
        """Codes as features (n, z, 1, 1)."""
        return Activations(styles[:, 0][:, :, None, None])

    def carry(self, activations: Activations, start: int, stop: int) -> Activations:
        """Features (n, c, h, w) at layer `start` to features at layer `stop`, both before PixelNorm."""
        self.check_layer(start)
        self.check_layer(stop)
        h = activations.features
        for step in self.layers[start:stop]:
            h = step(h)
        return Activations(h)

    def to_image(self, activations: Activations) -> Tensor:
        """PixelNorm and ToRGB."""
        image: Tensor = self.to_rgb(pixel_norm(activations.features))
        return image

    def style_inputs(self) -> Sequence[StyleInput]:
        """The code alone, which the kernel of the first layer turns into 4×4 pixels: A (16 c, z)."""
        first = self.layers[0]
        assert isinstance(first, _Layer)
        return (StyleInput(0, first.weight.transpose(1, 3).flatten(0, 2)),)

    def reach(self, layer: int) -> int | None:
        """Reach of the 3×3 convolutions; the first layer is not one, and the image depends on single cells."""
        return None if layer == 1 else int(layer <= self.num_layers)

    def shrink(self, activations: Activations) -> Activations:
        """The middle of features of 16×16, 4×4."""
        h = activations.features
        if h.shape[-1] != _CROPPED:
            return activations
        start = (_CROPPED - _CROP) // 2
        return Activations(h[:, :, start : start + _CROP, start : start + _CROP])

    def weights_after(self, layer: int) -> dict[str, Tensor]:
        """Weights and biases of the convolutions after `layer` and of ToRGB."""
        self.check_layer(layer)
        before = {f"layers.{n}" for n in range(layer)}
        return {name: weight for name, weight in self.named_parameters() if name.rpartition(".")[0] not in before}

    def grouped_features(self, codes: Tensor, layer: int, groups: Sequence[Tensor], space: str = "") -> Activations:
        """As in the base class, without computing the channels of the last convolution that no group keeps."""
        if layer == 0:
            return super().grouped_features(codes, layer, groups, space)
        last = self.layers[layer - 1]
        assert isinstance(last, _Layer)
        before = self.features(codes.flatten(0, 1), layer - 1, space)
        h = pixel_norm(before.features).unflatten(0, codes.shape[:2])
        kept: Sequence[Tensor | slice] = groups if len(groups) > 1 else [slice(None)]
        return Activations(reorder([last.convolve(h[g], group) for g, group in enumerate(kept)], groups))
