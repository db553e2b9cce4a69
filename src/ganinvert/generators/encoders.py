"""The inverse of a generator in one pass: the small convolutional network of the encoders of all families."""

from __future__ import annotations

import inspect
import json
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganinvert.errors import MissingNetworkError, WeightsError
from ganinvert.generators.base import Encoder
from ganinvert.generators.loading import fitting, loaded, plain
from ganinvert.generators.normalization import pixel_norm
from ganinvert.generators.styles import SLOPE
from ganinvert.weights.reading import WeightsFile
from ganinvert.weights.torchfile import require_plain

LARGEST_SEEN = 256
"""Pixels: an encoder looks at no finer image, which would cost much and tell it little."""

A = TypeVar("A")


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


class ConvolutionalEncoder(Encoder):
    """A residual block per side from half that of the image down to 4×4, where the code is read.

    The features are read from the maps of their own size, to which the 4×4 maps are added, so that they know of the
    whole image.

    Args:
        architecture: Numbers that the file's header keeps, a dataclass.
        side: Side in pixels to which larger images are averaged down.
        widths: Channels of its own maps, from 4×4 upward to half the side.
        outputs: Number of values that are read from the 4×4 maps.
        layer: Layer whose features are read; 0 for none.
        channels: Channels of those features.
        size: Side of those features.

    Attributes:
        mean: Mean of each channel of the features, (c,), 0 before training.
        scale: Standard deviation of each channel, (c,), 1 before training.
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self,
        architecture: Any,
        *,
        side: int,
        widths: tuple[int, ...],
        outputs: int,
        layer: int,
        channels: int,
        size: int,
    ) -> None:
        super().__init__()
        self.architecture, self.side, self.layer, self.size = architecture, side, layer, size
        # The first step halves the side: at full size even few channels would cost as much as all the rest.
        self.stem = nn.Conv2d(3, widths[-1], 4, stride=2, padding=1)
        # From the finest side to 4×4, as the image passes through them.
        self.blocks = nn.ModuleList(_Block(width) for width in reversed(widths))
        self.narrower = nn.ModuleList(
            nn.Conv2d(widths[n], widths[n - 1], 3, padding=1) for n in range(len(widths) - 1, 0, -1)
        )
        self.code = nn.Linear(widths[0] * 16, outputs)
        if layer:
            width = widths[size.bit_length() - 3]
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

    @abstractmethod
    def error(self, code: Tensor, truth: Tensor) -> Tensor:
        """Distance of predicted codes (n, *shape) to the true ones, which training makes small, a scalar."""

    def maps(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Images (n, 3, r, r) in [-1, 1] to the maps of 4×4 and those of the features' size, (n, c, h, w)."""
        factor = image.shape[-1] // self.side
        x = F.avg_pool2d(image, factor) if factor > 1 else image
        x = self.stem(x.contiguous(memory_format=torch.channels_last))
        matching = x
        for n, block in enumerate(self.blocks):
            if n:
                x = self.narrower[n - 1](F.avg_pool2d(x, 2))
            x = block(x)
            if x.shape[-1] == self.size:
                matching = x
        return pixel_norm(x), matching

    def values(self, coarse: Tensor) -> Tensor:
        """Maps of 4×4 to the values of the code, (n, outputs)."""
        values: Tensor = self.code(F.leaky_relu(coarse, SLOPE).flatten(1))
        return values

    def features(self, coarse: Tensor, matching: Tensor) -> Tensor:
        """Both maps to the features, (n, c, h, w)."""
        whole = F.interpolate(self.context(coarse), size=matching.shape[-2:], mode="nearest")
        normal = self.read(F.leaky_relu(pixel_norm(self.merged(matching + whole)), SLOPE))
        return torch.addcmul(self.mean[:, None, None], normal, self.scale[:, None, None])


E = TypeVar("E", bound=ConvolutionalEncoder)


def compact_widths(side: int, *, base: int, cap: int) -> tuple[int, ...]:
    """The channel rule of the generators with a floor: min(max(base / r, 16), cap) at side r, from 4 to side / 2."""
    return tuple(min(max(base // (4 << n), 16), cap) for n in range(side.bit_length() - 3))


def read_encoder(file: WeightsFile, kind: str, build: Callable[[A], E], architecture: Callable[..., A]) -> E:
    """Read an encoder of ours, given the class of its architecture; `MissingNetworkError` if it is of another kind."""
    if file.own.about.get("kind") != kind:
        raise MissingNetworkError("holds no encoder", hint="those of `ganinvert train-encoder` do")
    described = _described(file.own.structured("architecture"), architecture)
    require_plain(file.own.tensors)
    with fitting("generator's encoder"):
        encoder = loaded(lambda: build(described), plain(file.own.tensors))
    encoder.about, encoder.digest = file.own.about, file.own.about.get("generator", "")
    return encoder


def _described(stated: object, kind: Callable[..., A]) -> A:
    names = inspect.signature(kind).parameters.keys()
    if isinstance(stated, dict) and stated.keys() == names and isinstance(widths := stated["widths"], list):
        numbers = {key: value for key, value in stated.items() if key != "widths"}
        if widths and all(type(value) is int for value in (*numbers.values(), *widths)):
            return kind(**numbers, widths=tuple(widths))
    raise WeightsError("its header does not describe an encoder", hint="the file is damaged: fetch it again")
