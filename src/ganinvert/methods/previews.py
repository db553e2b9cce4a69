"""Small images of codes, read from early features, by which candidates for a start are compared quickly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor

from ganinvert import progress
from ganinvert.generators import Generator, View, Window

_SAMPLES, _RIDGE, _AT_ONCE = 32, 0.1, 32
_PARTS = 4
"""Each sample shows one of 4×4 parts of its image, in turn."""
_READOUTS: WeakKeyDictionary[Generator, Readout] = WeakKeyDictionary()


@dataclass(frozen=True)
class Readout:
    """A linear map from the features of a layer, divided by their root mean square over channels, to averaged images.

    Attributes:
        layer: Layer of the features.
        weight: Weights (3, c, 1, 1) of the channels.
        bias: Bias (3,).
    """

    layer: int
    weight: Tensor
    bias: Tensor

    @classmethod
    def of(cls, generator: Generator) -> Readout:
        """The readout of a generator, by ridge regression to exact parts of the images of 32 random codes."""
        if generator not in _READOUTS:
            _READOUTS[generator] = cls._fit(generator)
        found, device = _READOUTS[generator], next(generator.parameters()).device
        return cls(found.layer, found.weight.to(device), found.bias.to(device))

    @classmethod
    def _fit(cls, generator: Generator) -> Readout:
        sizes = [generator.layer_info(layer).size for layer in range(generator.num_layers + 1)]
        layer = max(layer for layer, size in enumerate(sizes) if size <= generator.preview_side)
        cell, parts = generator.resolution // sizes[layer], min(_PARTS, sizes[layer])
        codes = generator.space().sample(_SAMPLES, torch.Generator().manual_seed(0))
        inputs, outputs = [], []
        for n, code in enumerate(codes.to(next(generator.parameters()).device)):
            progress.report("learning to preview codes", n, _SAMPLES)
            state, window = generator.features(code[None], layer), Window.tile(sizes[layer], parts, n % parts**2)
            image = generator.synthesize(state, layer, View(window.enlarged(cell), cell))
            inputs.append(window.of(_normed(state.features)).flatten(2)[0].T.cpu().double())
            outputs.append(image.flatten(2)[0].T.cpu().double())
        return cls._solved(layer, torch.cat(inputs), torch.cat(outputs))

    @classmethod
    def of_image(cls, layer: int, features: Tensor, image: Tensor) -> Readout:
        """The readout of one image (1, 3, r, r) and what is like it, from its features (1, c, s, s) at a layer."""
        averaged = F.avg_pool2d(image.float(), image.shape[-1] // features.shape[-1])
        x, y = (each.flatten(2)[0].T.cpu().double() for each in (_normed(features), averaged))
        return cls._solved(layer, x, y)

    @classmethod
    def _solved(cls, layer: int, features: Tensor, colours: Tensor) -> Readout:
        """The map by ridge regression from features (n, c) to colours (n, 3)."""
        x = F.pad(features, (0, 1), value=1.0)
        solved = torch.linalg.solve(x.T @ x / len(x) + _RIDGE * torch.eye(x.shape[1]), x.T @ colours / len(x))
        weight = solved.float().T
        return cls(layer, weight[:, :-1, None, None].contiguous(), weight[:, -1].contiguous())

    def images(self, generator: Generator, codes: Tensor, space: str) -> Iterator[Tensor]:
        """Previews (n, 3, s, s) of codes of a space, some at a time."""
        done = 0
        for part in codes.split(_AT_ONCE):
            progress.report("comparing candidates for the start", done, len(codes))
            features = generator.features(part, self.layer, space).features
            yield self.read(features)
            done += len(part)

    def read(self, features: Tensor) -> Tensor:
        """The averaged images (n, 3, s, s) of features (n, c, s, s)."""
        return F.conv2d(_normed(features), self.weight, self.bias)


def _normed(features: Tensor) -> Tensor:
    h = features.float()
    return h * torch.rsqrt(h.square().mean(dim=1, keepdim=True) + 1e-8)
