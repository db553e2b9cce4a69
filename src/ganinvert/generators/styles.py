"""The mapping network of style-based generators, and the spaces W and W+ that it opens."""

from __future__ import annotations

from copy import deepcopy
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganinvert.generators.latents import LatentSpace

SLOPE = 0.2
_MEASURED, _AT_ONCE = 8192, 1024


def modulated_matmul(h: Tensor, weight: Tensor, bias: Tensor, style: Tensor) -> Tensor:
    """A 1×1 convolution of h (n, i, h, w) times its style (n, i) with a weight (o, i), which takes the style in."""
    cells = h.permute(0, 2, 3, 1)
    product = torch.baddbmm(bias, cells.flatten(1, 2), (weight * style[:, None]).transpose(1, 2))
    maps: Tensor = product.unflatten(1, cells.shape[1:3])
    return maps.permute(0, 3, 1, 2)


def centred(noise: Tensor, h: Tensor) -> Tensor:
    """The noise (h, w) of a layer for maps of any size, in whose middle its own lie, or which are their middle."""
    below, beside = h.shape[2] - noise.shape[0], h.shape[3] - noise.shape[1]
    if not below and not beside:
        return noise
    return F.pad(noise, (beside // 2, beside - beside // 2, below // 2, below - below // 2))


class MappingNetwork(nn.Module):
    """The network from z to w of StyleGAN (Karras et al. 2019): z / rms(z), then √2 · LeakyReLU(W x + b) per layer.

    The learning-rate multiplier and the equalised-lr scale are already folded into weights and biases.

    Args:
        sizes: Length of z, and the length of the vector after each layer; the last one is w.

    Attributes:
        size: Length of z.
        mean: Mean w̄ of the vectors w of normal z, (d,).
        deviation: Standard deviation of each of their entries, (d,).
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, *sizes: int) -> None:
        super().__init__()
        self.size = sizes[0]
        self.layers = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(sizes))
        self.register_buffer("mean", torch.zeros(sizes[-1]))
        self.register_buffer("deviation", torch.ones(sizes[-1]))

    def forward(self, z: Tensor) -> Tensor:
        """Vectors z (n, z) to w (n, d), not in half precision: whatever w is becomes a variable."""
        with torch.autocast(z.device.type, enabled=False):
            x = self.inputs(z.to(self.mean.dtype))
            for layer in self.layers:
                x = 2**0.5 * F.leaky_relu(layer(x), SLOPE)
        return x

    def inputs(self, z: Tensor) -> Tensor:
        """Vectors z (n, z) divided by the root mean square of their entries."""
        return z * torch.rsqrt(z.square().mean(dim=1, keepdim=True) + 1e-8)

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """Draw z from N(0, I) on the CPU, and map it to n vectors w, (n, d), on the CPU."""
        z = torch.randn(n, self.size, generator=rng)
        w: Tensor = self(z.to(self.mean))
        return w.cpu()

    @torch.no_grad()
    def measure(self) -> None:
        """Measure `mean` and `deviation` over 8192 vectors, always the same ones.

        In float64, which leaves the bits of the rounded results to no processor: digests depend on them.
        """
        rng, exact = torch.Generator().manual_seed(0), deepcopy(self).double()
        w = torch.cat([exact.sample(_AT_ONCE, rng) for _ in range(_MEASURED // _AT_ONCE)])
        self.deviation.copy_(w.std(dim=0).clamp(min=1e-8))
        self.mean.copy_(w.mean(dim=0))


class StyleSpace(LatentSpace):
    """W, the output of a mapping network, or W+ (Abdal et al. 2019), with one w per style of the synthesis.

    Args:
        name: Name of the space.
        mapping: Network whose output the space is.
        copies: Number of styles of W+; 0 for W.
    """

    def __init__(self, name: str, mapping: MappingNetwork, copies: int = 0) -> None:
        self.name, self.mapping = name, mapping
        size = len(mapping.mean)
        self.shape = (copies, size) if copies else (size,)

    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """Draw z from N(0, I) and map it to n codes, (n, *shape); in W+ all vectors of a code are the same one."""
        return self._spread(self.mapping.sample(n, rng))

    def prior(self, x: Tensor) -> Tensor:
        """Mean over the entries of ((x - w̄) / σ)² / 2, (n,), where σ is the standard deviation of each entry of w."""
        distance = (x - self.mapping.mean.to(x)) / self.mapping.deviation.to(x)
        return distance.square().flatten(1).mean(dim=1) / 2

    def mean(self) -> Tensor:
        """The mean w̄, (*shape,), on the CPU; in W+ once per style."""
        return self._spread(self.mapping.mean.cpu()[None])[0]

    def _spread(self, w: Tensor) -> Tensor:
        return w if len(self.shape) == 1 else w[:, None].repeat(1, self.shape[0], 1)
