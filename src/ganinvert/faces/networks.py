"""The three networks of MTCNN (Zhang et al. 2016, "Joint Face Detection and Alignment Using Multitask Cascaded CNNs").

They see crops of 12, 24 and 48 pixels, and each is more precise than the one before. Images are (n, 3, h, w) in
[-1, 1]. The embedded weights are facenet-pytorch's, whose dense layers take features in the order width, height,
channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import torch.nn.functional as F
from torch import Tensor

from ganinvert import paths
from ganinvert.weights import TensorFile

POOLS: dict[str, tuple[int, ...]] = {"pnet": (2, 0, 0), "rnet": (3, 3, 0), "onet": (3, 3, 2, 0)}
"""Width of the pool after each convolution, 0 for none: P-Net proposes boxes, R-Net refines them, O-Net is the last."""


@dataclass(frozen=True)
class CascadeNetwork:
    """One of the networks: convolutions, a dense layer except in P-Net, and heads; all with PReLUs but the heads."""

    weights: Mapping[str, Tensor]
    pools: tuple[int, ...]

    def __call__(self, images: Tensor) -> tuple[Tensor, ...]:
        """Map crops to probabilities (n,), corrections of boxes (n, 4) and, by O-Net, landmarks (n, 10) in [0, 1].

        P-Net sees every 12×12 crop of images of any size in steps of 2 pixels: (n, h', w') and (n, 4, h', w'). Of the
        landmarks there are first all x, then all y: left eye of the image, right eye, nose, left and right corner of
        the mouth.
        """
        h = images
        for number, pool in enumerate(self.pools, start=1):
            h = self._activated(f"conv{number}", f"prelu{number}", h)
            h = F.max_pool2d(h, pool, stride=2, ceil_mode=True) if pool else h
        number = len(self.pools) + 1
        kind = "conv"
        if f"dense{number}.weight" in self.weights:
            h = self._activated(f"dense{number}", f"prelu{number}", h.permute(0, 3, 2, 1).flatten(1))
            number, kind = number + 1, "dense"
        heads = sorted({name.split(".")[0] for name in self.weights if name.startswith(f"{kind}{number}_")})
        scores, *others = (self._layer(head, h) for head in heads)
        return scores.softmax(dim=1)[:, 1], *others

    def _activated(self, layer: str, prelu: str, x: Tensor) -> Tensor:
        return F.prelu(self._layer(layer, x), self.weights[f"{prelu}.weight"])

    def _layer(self, name: str, x: Tensor) -> Tensor:
        weight, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        return F.conv2d(x, weight, bias) if weight.ndim == 4 else F.linear(x, weight, bias)


@cache
def embedded_cascade() -> dict[str, CascadeNetwork]:
    """Load the networks whose weights are in the package by their names "pnet", "rnet" and "onet", on the CPU."""
    state = TensorFile.load(paths.embedded("mtcnn.safetensors")).tensors
    parts = {
        name: {key.removeprefix(f"{name}."): tensor.float() for key, tensor in state.items() if key.startswith(name)}
        for name in POOLS
    }
    return {name: CascadeNetwork(parts[name], POOLS[name]) for name in POOLS}
