"""The discriminator of Progressive GAN (Karras et al. 2018, arXiv:1710.10196)."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganinvert.generators.base import Discriminator
from ganinvert.generators.pggan.architecture import PGGANArchitecture
from ganinvert.generators.pggan.network import SLOPE

POOLS_FIRST, CONSECUTIVE = "pools_first", "consecutive"


class PGGANDiscriminator(Discriminator):
    """The PGGAN discriminator with minibatch standard deviation, mirror of the generator.

    Args:
        architecture: Architecture of the generator, whose channels are used in reverse.
        pools_first: True if a block averages before its last activation, as NVIDIA's does; else after it.
        consecutive: True if the standard deviation is that of consecutive images, as the GAN Zoo's; see
            `consecutive_stddev`.
    """

    kind = "pggan-discriminator"

    def __init__(
        self, architecture: PGGANArchitecture, *, pools_first: bool = False, consecutive: bool = False
    ) -> None:
        super().__init__()
        self.pools_first, self.consecutive = pools_first, consecutive
        self.resolution = architecture.resolution
        widths = architecture.channels[::-1]
        self.from_rgb = nn.Conv2d(3, widths[0], 1)
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise(widths[:-1]))
        # One more input channel: the minibatch standard deviation.
        self.final = nn.Conv2d(widths[-2] + 1, widths[-1], 3, padding=1)
        self.dense = nn.Linear(widths[-1] * 16, widths[-1])
        self.score = nn.Linear(widths[-1], 1)

    @property
    def header(self) -> Mapping[str, str]:
        """Kind, the order of pooling and activation, and the groups of images."""
        flags = {POOLS_FIRST: self.pools_first, CONSECUTIVE: self.consecutive}
        return {"kind": self.kind} | {name: "yes" for name, set_ in flags.items() if set_}

    def features(self, image: Tensor) -> list[Tensor]:
        """Images (n, 3, r, r) in [-1, 1] to maps (n, c, h, w): a block's for every resolution from r to 8, and 4×4."""
        x = F.leaky_relu(self.from_rgb(image), SLOPE)
        maps = []
        for first, last in zip(self.layers[::2], self.layers[1::2], strict=True):
            x = F.leaky_relu(first(x), SLOPE)
            if self.pools_first:
                maps.append(x)
                x = F.leaky_relu(F.avg_pool2d(last(x), 2), SLOPE)
            else:
                maps.append(F.leaky_relu(last(x), SLOPE))
                x = F.avg_pool2d(maps[-1], 2)
        return [*maps, x]

    def forward(self, image: Tensor) -> Tensor:
        """Images (n, 3, r, r) in [-1, 1] to scores (n,), higher for more real."""
        x = self.features(image)[-1]
        stddev = consecutive_stddev(x) if self.consecutive else minibatch_stddev(x)
        x = F.leaky_relu(self.final(torch.cat([x, stddev], dim=1)), SLOPE)
        x = F.leaky_relu(self.dense(x.flatten(1)), SLOPE)
        score: Tensor = self.score(x)
        return score[:, 0]

    @torch.no_grad()
    def reset_head(self) -> None:
        """Set weights and bias of the score to 0."""
        for value in self.score.parameters():
            value.zero_()


def minibatch_stddev(x: Tensor, *, group: int = 4) -> Tensor:
    """Mean over channels and positions of the standard deviation within groups of images (Karras 2018, §3).

    Images (n, c, h, w) give one constant map each, (n, 1, h, w). Groups are equal: the size is the largest divisor of n
    up to `group`.
    """
    n, _, h, w = x.shape
    size = next(size for size in range(min(group, n), 0, -1) if n % size == 0)
    grouped = x.reshape(size, n // size, *x.shape[1:])
    deviation = (grouped.var(dim=0, correction=0) + 1e-8).sqrt().mean(dim=(1, 2, 3))
    return deviation.repeat(size)[:, None, None, None].expand(n, 1, h, w)


def consecutive_stddev(x: Tensor, *, group: int = 4) -> Tensor:
    """As `minibatch_stddev`, but of consecutive images, and divided by their number less one; 0 for a single image.

    All images are one group if their number n is not a multiple of `group`.
    """
    n, _, h, w = x.shape
    size = group if n % group == 0 else n
    if n == 1:
        return x.new_zeros(n, 1, h, w)
    grouped = x.reshape(n // size, size, *x.shape[1:])
    deviation = (grouped.var(dim=1) + 1e-8).sqrt().mean(dim=(1, 2, 3))
    return deviation.repeat_interleave(size)[:, None, None, None].expand(n, 1, h, w)
