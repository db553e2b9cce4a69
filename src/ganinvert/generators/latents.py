"""Latent spaces of a generator: where a code may live, how codes are drawn, and how likely they are."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor


class LatentSpace(ABC):
    """A space of latent codes. Leading dimensions of codes are batches: x is (…, *shape).

    Attributes:
        name: Name of the space in its generator, such as "z", "w" or "w+".
        shape: Shape of one code.
    """

    name: str
    shape: tuple[int, ...]

    @abstractmethod
    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """Draw n codes, (n, *shape), on the CPU."""

    @abstractmethod
    def prior(self, x: Tensor) -> Tensor:
        """Negative log-likelihood of codes (n, *shape) per entry, up to a constant, (n,)."""

    @abstractmethod
    def mean(self) -> Tensor:
        """Mean of the codes, (*shape,)."""

    def project_(self, x: Tensor) -> None:  # noqa: B027  (most spaces have no boundary)
        """Bring codes back to where the generator was trained, in place."""

    def lerp(self, a: Tensor, b: Tensor, share: float) -> Tensor:
        """Interpolate between codes of one shape: `share` 0 gives a, 1 gives b."""
        return torch.lerp(a, b, share)


class NormalSpace(LatentSpace):
    """Codes of d entries drawn from N(0, I), which lie near the sphere of radius √d.

    Args:
        name: Name of the space.
        size: Number of entries d.
    """

    def __init__(self, name: str, size: int) -> None:
        self.name, self.shape = name, (size,)

    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """Draw n codes from N(0, I), (n, d)."""
        return torch.randn(n, *self.shape, generator=rng)

    def prior(self, x: Tensor) -> Tensor:
        """Mean of x² / 2 over the entries, (n,)."""
        return x.square().mean(dim=-1) / 2

    def mean(self) -> Tensor:
        """Zeros, (d,)."""
        return torch.zeros(self.shape)

    def project_(self, x: Tensor) -> None:
        """Scale codes to the length √d, in place."""
        x.mul_(x.shape[-1] ** 0.5 / x.norm(dim=-1, keepdim=True))

    def lerp(self, a: Tensor, b: Tensor, share: float) -> Tensor:
        """Interpolate linearly, and give each code the interpolated length."""
        x = torch.lerp(a, b, share)
        length, of_a, of_b = (each.norm(dim=-1, keepdim=True) for each in (x, a, b))
        return torch.mul(x, torch.lerp(of_a, of_b, share) / length.clamp(min=1e-8))
