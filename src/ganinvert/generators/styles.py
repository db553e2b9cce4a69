"""The mapping network of style-based generators, and the spaces W and W+ that it opens."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganinvert.generators.latents import LatentSpace

SLOPE = 0.2
_MEASURED, _AT_ONCE = 8192, 1024


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
        """Vectors z (n, z) to w (n, d), in float32: whatever w is becomes a variable."""
        with torch.autocast(z.device.type, enabled=False):
            x = z.float()
            x = x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + 1e-8)
            for layer in self.layers:
                x = 2**0.5 * F.leaky_relu(layer(x), SLOPE)
        return x

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """Draw z from N(0, I) on the CPU, and map it to n vectors w, (n, d), on the CPU."""
        z = torch.randn(n, self.size, generator=rng)
        w: Tensor = self(z.to(self.mean.device))
        return w.cpu()

    @torch.no_grad()
    def measure(self) -> None:
        """Measure `mean` and `deviation` over 8192 vectors, always the same ones."""
        rng = torch.Generator().manual_seed(0)
        w = torch.cat([self.sample(_AT_ONCE, rng) for _ in range(_MEASURED // _AT_ONCE)])
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
