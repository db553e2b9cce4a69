"""One latent code per image: plain optimisation, stochastic clipping, InvertGenNet, GenVisMani."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganinvert.degradations import Degradation
from ganinvert.generators import Generator
from ganinvert.methods.base import Code
from ganinvert.methods.initialization import initial_codes
from ganinvert.settings import SingleCode


@dataclass(frozen=True)
class Latent:
    """A single latent code z.

    Attributes:
        settings: Start, prior, clipping and restart.
    """

    settings: SingleCode

    @torch.no_grad()
    def start(self, generator: Generator, y: Tensor, degradation: Degradation, *, seed: int) -> LatentCode:
        """One code per image."""
        settings = self.settings
        if settings.init == "random" and settings.distribution == "uniform":
            z = _uniform(generator.latent_dim, seed).to(y.device).expand(len(y), -1).clone()
        else:
            z = initial_codes(
                generator, y, degradation, init=settings.init, count=1, candidates=settings.candidates, seed=seed
            )[:, 0]
        code = LatentCode(z.contiguous(), settings, seed=seed)
        code.project_()
        return code


class LatentCode(Code):
    """One code z per image.

    Args:
        z: (b, z).
        settings: How z moves.
        seed: Of what clipping draws.
    """

    layer = 0
    drawn: Tensor
    kept: Tensor

    def __init__(self, z: Tensor, settings: SingleCode, *, seed: int = 0) -> None:
        super().__init__()
        self.z = nn.Parameter(z)
        self.settings, self.seed = settings, seed
        # What clipping puts into the place of entries, and the end of the first descent of a restart.
        self.register_buffer("drawn", torch.zeros_like(z))
        self.register_buffer("kept", z.detach().clone())
        if settings.clip:
            self.drawn.copy_(self._draw(-1))

    def compose(self, generator: Generator) -> Tensor:  # noqa: ARG002  (z is its own features)
        """Z as features (b, z, 1, 1) of layer 0."""
        return self.z[:, :, None, None]

    def penalty(self, generator: Generator, x: Tensor) -> Tensor | None:  # noqa: ARG002
        """The negative log-likelihood of z under N(0, I) per entry, up to a constant, times its weight."""
        if not self.settings.prior:
            return None
        return self.settings.prior * self.z.square().mean(dim=1) / 2

    def on_step_start(self, index: int, steps: int) -> bool:
        """Half-way, a restart turns z to −ẑ: what descends to the wrong side from z may find the right one from there.

        G(−z) is far from G(z), and gradient descent on networks with ReLU has one spurious minimum near a negative
        multiple of the code that is sought (Ma et al. 2018).
        """
        if self.settings.clip:
            self.drawn.copy_(self._draw(index))
        if not self.settings.restart or index != (steps + 1) // 2:
            return False
        with torch.no_grad():
            self.kept.copy_(self.z)
            self.z.neg_()
        return True

    @torch.no_grad()
    def project_(self) -> None:
        """Draw anew what stochastic clipping does not allow, and put z back on the sphere of radius √z, in place."""
        settings, z = self.settings, self.z
        if settings.clip:
            z.copy_(torch.where(z.abs() > settings.clip, self.drawn, z))
        if settings.sphere:
            z.mul_(z.shape[1] ** 0.5 / z.norm(dim=1, keepdim=True))

    def _draw(self, index: int) -> Tensor:
        """What clipping draws in a step: the same for every image, (z,)."""
        seed, size, bound = self.seed + 7919 * (index + 1), self.z.shape[1], self.settings.clip
        if self.settings.distribution == "uniform":
            return _uniform(size, seed)
        return torch.randn(size, generator=torch.Generator().manual_seed(seed)).clamp(-bound, bound)

    @torch.no_grad()
    def on_end(self, losses: Tensor) -> None:
        """Of the two ends of a restart, keep the better one of every image."""
        half = (len(losses) + 1) // 2
        if self.settings.restart and half < len(losses):
            first = (losses[half - 1] <= losses[-1]).to(self.z.device)
            self.z.copy_(torch.where(first[:, None], self.kept, self.z))

    def tensors(self, image: int) -> dict[str, Tensor]:
        """Z (z,) of one image."""
        return {"z": self.z[image].detach().cpu().clone()}


def _uniform(size: int, seed: int) -> Tensor:
    return torch.rand(size, generator=torch.Generator().manual_seed(seed)) * 2 - 1
