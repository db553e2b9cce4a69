"""The encoder of a style-based generator of any family, which predicts styles of W+ and features: a code of F/W+."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganinvert.errors import UsageError, WeightsError
from ganinvert.generators.activations import Activations
from ganinvert.generators.base import Generator
from ganinvert.generators.encoders import LARGEST_SEEN, ConvolutionalEncoder, compact_widths, read_encoder
from ganinvert.generators.styles import SLOPE
from ganinvert.weights.reading import WeightsFile

_LARGEST = 1 << 16
"""Bound of all numbers of a header, which cannot be those of a real network."""


@dataclass(frozen=True)
class StyleEncoderArchitecture:
    """Everything needed to build an encoder.

    Attributes:
        side: Side in pixels to which larger images are averaged down, a power of two.
        styles: Number of styles S.
        latent_dim: Length d of each.
        layer: Layer whose features it predicts besides them, from 1 on.
        channels: Channels of those features.
        size: Side of those features.
        widths: Channels of its own maps, from 4×4 upward to half the side.
    """

    side: int
    styles: int
    latent_dim: int
    layer: int
    channels: int
    size: int
    widths: tuple[int, ...]

    def __post_init__(self) -> None:
        numbers = (self.styles, self.latent_dim, self.layer, self.channels, *self.widths)
        if (
            self.side > LARGEST_SEEN
            or self.side != 4 << len(self.widths)
            or self.size not in {4 << n for n in range(len(self.widths))}
            or not 1 <= min(numbers) <= max(numbers) <= _LARGEST
        ):
            raise WeightsError("these numbers do not make an encoder", hint="the file is damaged: fetch it again")

    @classmethod
    def compact(cls, generator: Generator, layer: int, *, base: int = 1536, cap: int = 128) -> Self:
        """The sizes for a generator, with the channel rule of `compact_widths`.

        Raises UsageError if the features of the layer are finer than an encoder's own, or none.
        """
        side, info = min(generator.resolution, LARGEST_SEEN), generator.layer_info(layer)
        if not layer or 2 * info.size > side:
            sizes = [generator.layer_info(n).size for n in range(1, generator.num_layers + 1)]
            last = sum(2 * size <= side for size in sizes)
            problem = "are nearly the image" if layer else "are the same in every image"
            raise UsageError(
                f"an encoder cannot tell the features of layer {layer}, which {problem}",
                hint=f"choose a layer from 1 to {last}",
            )
        styles, d = generator.space("w+").shape
        return cls(side, styles, d, layer, info.channels, info.size, compact_widths(side, base=base, cap=cap))


class StyleEncoder(ConvolutionalEncoder):
    """Predicts the styles in W+, which begin as the mean w̄, and the features of one layer from an image.

    One w is read from the whole of the 4×4 maps, and from their means how each style differs from it.

    Args:
        architecture: Numbers of styles, layers and channels; the weights are random.

    Attributes:
        code_mean: Mean w̄, (d,), 0 before training.
        code_scale: Standard deviation of each entry of w, (d,), 1 before training.
    """

    kind = "style-encoder"
    space = "w+"
    code_mean: Tensor
    code_scale: Tensor

    def __init__(self, architecture: StyleEncoderArchitecture) -> None:
        super().__init__(
            architecture,
            side=architecture.side,
            widths=architecture.widths,
            outputs=architecture.latent_dim,
            layer=architecture.layer,
            channels=architecture.channels,
            size=architecture.size,
        )
        d = architecture.latent_dim
        self.offsets = nn.Linear(architecture.widths[0], architecture.styles * d)
        self.register_buffer("code_mean", torch.zeros(d))
        self.register_buffer("code_scale", torch.ones(d))
        with torch.no_grad():
            for reading in (self.code, self.offsets):
                nn.init.zeros_(reading.weight)
                nn.init.zeros_(reading.bias)

    def forward(self, image: Tensor) -> tuple[Tensor, Activations]:
        """Images (n, 3, r, r) in [-1, 1] to styles of W+, (n, S, d), and features and styles at `layer`."""
        coarse, matching = self.maps(image)
        means = F.leaky_relu(coarse, SLOPE).mean(dim=(2, 3))
        # Equalised learning rates (Karras et al. 2018): a sum of many inputs would move by several σ in one step.
        whole = self.values(coarse) / self.code.in_features**0.5
        each = self.offsets(means).unflatten(1, (-1, len(self.code_mean))) / self.offsets.in_features**0.5
        normal = whole[:, None] + each
        styles = torch.addcmul(self.code_mean, normal, self.code_scale)
        return styles, Activations(self.features(coarse, matching), styles)

    def error(self, code: Tensor, truth: Tensor) -> Tensor:
        """Mean over all entries of ((w - ŵ) / σ)², where σ is the standard deviation of each entry of w."""
        return ((code - truth) / self.code_scale).square().mean()


def is_style_encoder(file: WeightsFile) -> bool:
    """True if the file says that it holds an encoder of a style-based generator, of whichever family."""
    return file.own.about.get("kind") == StyleEncoder.kind


def read_style_encoder(file: WeightsFile) -> StyleEncoder:
    """Read an encoder of ours; `MissingNetworkError` if the file holds none."""
    return read_encoder(file, StyleEncoder.kind, StyleEncoder, StyleEncoderArchitecture)
