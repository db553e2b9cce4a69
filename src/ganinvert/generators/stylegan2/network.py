"""The generator of StyleGAN2 (Karras et al. 2020, arXiv:1912.04958), with skip images.

A constant; per resolution convolutions whose input channels are scaled by a style, linear in w, and whose output
channels are divided by the deviation that the scaled weights would give them ("demodulation"), then noise, bias and
√2 · LeakyReLU(0.2). Each resolution adds to the image, which the next one doubles with the filter [1, 3, 3, 1].
Equalised-lr scales are already folded into the weights.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import asdict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganinvert.errors import UsageError
from ganinvert.generators.activations import Activations
from ganinvert.generators.base import Generator, LayerInfo, StyleInput
from ganinvert.generators.latents import LatentSpace, NormalSpace
from ganinvert.generators.stylegan2.architecture import StyleGAN2Architecture
from ganinvert.generators.styles import SLOPE, MappingNetwork, StyleSpace, centred, modulated_matmul
from ganinvert.generators.views import Window
from ganinvert.weights import digest

_CROPPED, _CROP = 16, 4


def blur(x: Tensor, *, gain: float = 1.0, padding: int = 1) -> Tensor:
    """Filter maps (n, c, h, w) with [1, 3, 3, 1] / 8 along both sides; a padding of 1 loses a row and a column."""
    taps = x.new_ones(4)
    taps[1:3] = 3
    kernel = torch.outer(taps, taps) * (gain / 64)
    return F.conv2d(x, kernel.expand(x.shape[1], 1, 4, 4), padding=padding, groups=x.shape[1])


def doubled(image: Tensor) -> Tensor:
    """Images (n, 3, h, w) of twice the side, filtered with [1, 3, 3, 1], which is bilinear; zeros lie around them."""
    wide = F.interpolate(F.pad(image, (1, 1, 1, 1)), scale_factor=2.0, mode="bilinear", align_corners=False)
    return wide[:, :, 2:-2, 2:-2]


def clamped(x: Tensor, limit: float) -> Tensor:
    """Limit absolute values; 0 for no limit."""
    return x.clamp(-limit, limit) if limit else x


class _Mapping(MappingNetwork):
    """The mapping network; a class-conditional one takes the vector of the class after z.

    Attributes:
        labels: Vectors of the classes, already normalised, (classes, e).
        label: Class whose vector is taken, if there are classes.
    """

    labels: Tensor
    label: int = 0

    def __init__(self, architecture: StyleGAN2Architecture) -> None:
        z, *sizes = architecture.mapping
        super().__init__(z + architecture.labels[1], *sizes)
        self.size = z
        self.register_buffer("labels", torch.zeros(architecture.labels))

    def inputs(self, z: Tensor) -> Tensor:
        x = super().inputs(z)
        return torch.cat([x, self.labels[self.label].expand(len(x), -1)], dim=1) if len(self.labels) else x


class _Layer(nn.Module):
    """Modulated 3×3 convolution, which may double the side, with demodulation, noise, bias and activation.

    The style scales the features, and the demodulation what comes out. So a batch is one convolution, and its weights
    need no gradient; one of folded weights, grouped for batches, was 4 times slower at 256 px.
    """

    noise: Tensor

    def __init__(self, architecture: StyleGAN2Architecture, layer: int) -> None:
        super().__init__()
        inputs, outputs, size = architecture.width(layer - 1), architecture.width(layer), architecture.size(layer)
        self.up, self.clamp = layer > 1 and layer % 2 == 0, architecture.clamp
        self.style = nn.Linear(architecture.mapping[-1], inputs)
        self.weight = nn.Parameter(torch.empty(outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.empty(outputs))
        self.strength = nn.Parameter(torch.empty(1))
        self.register_buffer("noise", torch.empty(size, size))

    def forward(self, h: Tensor, w: Tensor, window: Window | None) -> Tensor:
        style = self.style(w)
        # Sums, not a matrix product: their bits do not depend on the batch.
        energy = (self.weight.square().sum(dim=(2, 3)) * style.square()[:, None]).sum(dim=2)
        h = h * style[:, :, None, None]
        if self.up:
            h = blur(F.conv_transpose2d(h, self.weight.transpose(0, 1), stride=2), gain=4)
        else:
            h = F.conv2d(h, self.weight, padding=1)
        noise = centred(self.noise, h) if window is None else window.enlarged(2 if self.up else 1).of(self.noise)
        # LeakyReLU lets the factor √2 through, which costs nothing here.
        scale, shift = 2**0.5 * torch.rsqrt(energy + 1e-8), 2**0.5 * self.bias
        h = torch.addcmul(shift[:, None, None], h, scale[:, :, None, None]).add_(2**0.5 * self.strength * noise)
        return clamped(F.leaky_relu(h, SLOPE, inplace=True), self.clamp)


class _ToRGB(nn.Module):
    """Modulated 1×1 convolution to an image, without demodulation."""

    def __init__(self, architecture: StyleGAN2Architecture, inputs: int) -> None:
        super().__init__()
        self.clamp = architecture.clamp
        self.style = nn.Linear(architecture.mapping[-1], inputs)
        self.weight = nn.Parameter(torch.empty(3, inputs))
        self.bias = nn.Parameter(torch.empty(3))

    def forward(self, h: Tensor, w: Tensor) -> Tensor:
        return clamped(modulated_matmul(h, self.weight, self.bias, self.style(w)), self.clamp)


class StyleGAN2Generator(Generator):
    """The generator of StyleGAN2, frozen.

    Layers 1, 3, 5, … end a resolution and add to the image; layers 2, 4, … double the side of the features, and the
    image follows with the next layer. Style i, counted from 0, is that of layer i + 1, and of the image before it.

    Args:
        architecture: Sizes of its layers; the weights are not initialised.
    """

    kind = "stylegan2-generator"
    allows_bfloat16 = False
    mapping: _Mapping

    def __init__(self, architecture: StyleGAN2Architecture) -> None:
        super().__init__()
        self.architecture, self.resolution = architecture, architecture.resolution
        self.num_layers, self.classes = architecture.num_layers, architecture.labels[0]
        self.mapping = _Mapping(architecture)
        self.constant = nn.Parameter(torch.empty(architecture.channels[0], 4, 4))
        self.layers = nn.ModuleList(_Layer(architecture, layer) for layer in range(1, self.num_layers + 1))
        self.to_rgb = nn.ModuleList(_ToRGB(architecture, channels) for channels in architecture.channels)
        self.register_buffer("clamp", torch.tensor(architecture.clamp))
        self.spaces = self._spaces()
        self.requires_grad_(False).eval().to(memory_format=torch.channels_last)

    @classmethod
    def random(cls, architecture: StyleGAN2Architecture, *, seed: int = 0) -> StyleGAN2Generator:
        """A generator with random weights, noise and classes, as training starts, for tests and benchmarks."""
        rng = torch.Generator().manual_seed(seed)
        generator = cls(architecture)
        for name, tensor in generator.state_dict().items():
            if name.endswith(("bias", "strength")):
                tensor.fill_(1.0 if name.endswith("style.bias") else 0.1 if name.endswith("strength") else 0.0)
            elif name.endswith("weight"):
                tensor.normal_(0, tensor[0].numel() ** -0.5, generator=rng)
            elif name.endswith(("constant", "noise", "labels")):
                tensor.normal_(generator=rng)
        generator.mapping.measure()
        generator.name, generator.digest = "random", digest(generator.state_dict())
        return generator

    @property
    def header(self) -> Mapping[str, str]:
        """Kind, name and architecture."""
        return {"kind": self.kind, "name": self.name, "architecture": json.dumps(asdict(self.architecture))}

    @property
    def edit_layer(self) -> int:
        """Layer 5, at 16×16, where the coarse shapes are settled."""
        return min(5, self.num_layers)

    def given(self, label: int) -> StyleGAN2Generator:
        """As in the base class; w and w+ are those of the class, too."""
        view = super().given(label)
        assert isinstance(view, StyleGAN2Generator)
        mapping = copy(self.mapping)
        mapping.label = label
        view._modules = {**self._modules, "mapping": mapping}
        view.spaces = view._spaces()
        return view

    def layer_info(self, layer: int) -> LayerInfo:
        """The constant's shape before the first layer, and 4, 8, 8, 16, 16, … pixels after each."""
        self.check_layer(layer)
        return LayerInfo(self.architecture.width(layer), self.architecture.size(layer))

    def styles(self, code: Tensor, space: str = "") -> Tensor:
        """Codes of z (n, z), w (n, d) or w+ (n, S, d) to styles, (n, S, d)."""
        name = self.space(space).name
        if name == "w+":
            return code
        w: Tensor = self.mapping(code) if name == "z" else code
        return w[:, None].repeat(1, self.architecture.num_styles, 1)

    def begin(self, styles: Tensor) -> Activations:
        """The constant, and a black image."""
        constant = self.constant.expand(len(styles), -1, -1, -1).contiguous(memory_format=torch.channels_last)
        return Activations(constant, styles, styles.new_zeros(len(styles), 3, 4, 4))

    def carry(self, activations: Activations, start: int, stop: int) -> Activations:
        """Activations at layer `start` to activations at layer `stop`, both after the activation function.

        Features of another size than the layer's are taken as its middle, or have it in their middle.
        """
        self.check_layer(start)
        self.check_layer(stop)
        for n in range(start, stop):
            activations = self._next(activations, n)
        return activations

    def carry_part(self, activations: Activations, start: int, window: Window) -> Activations:
        """As in the base class, with the window of the noise."""
        return self._next(activations, start, window)

    def reach(self, layer: int) -> int:
        """Reach of a 3×3 convolution; 2 with the filter of a convolution that doubles the side; 0 for the image."""
        return 0 if layer > self.num_layers else 1 if layer % 2 else 2

    def to_image(self, activations: Activations) -> Tensor:
        """The image so far."""
        return _given(activations)[1]

    def style_inputs(self) -> Sequence[StyleInput]:
        """The styles of every convolution, which enter one layer earlier if an image shares them; last the image's."""
        modules = [part for part in (*self.layers, self.to_rgb[-1]) if isinstance(part, _Layer | _ToRGB)]
        return [StyleInput(number + 1 - number % 2, part.style.weight) for number, part in enumerate(modules)]

    def shrink(self, activations: Activations) -> Activations:
        """The middle of features of 16×16, 4×4, and of the image."""
        side, start = activations.features.shape[-1], (_CROPPED - _CROP) // 2
        span = (start, start + _CROP)
        return activations if side != _CROPPED else activations.cut(Window(span, span))

    def weights_after(self, layer: int) -> dict[str, Tensor]:
        """Weights, biases and strengths of the noise of the convolutions after `layer`, of their styles and images."""
        self.check_layer(layer)
        used = tuple(f"layers.{n}." for n in range(layer, self.num_layers))
        used += tuple(f"to_rgb.{n}." for n in range((layer + 1) // 2, len(self.to_rgb)))
        return {name: weight for name, weight in self.named_parameters() if name.startswith(used)}

    def _next(self, activations: Activations, n: int, window: Window | None = None) -> Activations:
        styles, image = _given(activations)
        h = self.layers[n](activations.features, styles[:, n], window)
        if n % 2 == 0:
            image = (doubled(image) if n else image) + self.to_rgb[n // 2](h, styles[:, n + 1])
        return Activations(h, styles, image)

    def _spaces(self) -> dict[str, LatentSpace]:
        return {
            "z": NormalSpace("z", self.architecture.mapping[0]),
            "w": StyleSpace("w", self.mapping),
            "w+": StyleSpace("w+", self.mapping, self.architecture.num_styles),
        }


def _given(activations: Activations) -> tuple[Tensor, Tensor]:
    if activations.styles is None or activations.image is None:
        raise UsageError(
            "activations of StyleGAN2 without styles or image", hint="they are of another generator's family"
        )
    return activations.styles, activations.image
