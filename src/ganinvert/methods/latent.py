"""One latent code per image: plain optimisation, stochastic clipping, InvertGenNet, GenVisMani."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganinvert.degradations import Degradation
from ganinvert.directions import Shift
from ganinvert.generators import Activations, Generator, LatentSpace
from ganinvert.methods.base import Code, CodeRecord, Method, require, to_bundle
from ganinvert.methods.initialization import initial_codes
from ganinvert.methods.noise import NoisyCode
from ganinvert.methods.residuals import free_features
from ganinvert.settings import SingleCode

NOISY_SHARE = 0.75
"""Share of the steps in which the noise on a code fades away (Karras et al. 2020, appendix D)."""


class Latent(Method):
    """A single latent code z, in F/W+ with features beside it."""

    settings: SingleCode

    @torch.no_grad()
    def start(self, generator: Generator, y: Tensor, degradation: Degradation, *, seed: int) -> Code:
        """One code per image."""
        settings = self.settings
        if settings.space == "f":
            return free_features(generator, y, degradation, settings, seed=seed)
        if settings.init == "random" and settings.distribution == "uniform":
            z = _uniform(generator.space(settings.space).shape, seed).to(y.device)
            z = z.expand(len(y), *z.shape).clone()
        else:
            z = initial_codes(generator, y, degradation, settings, count=1, seed=seed)[:, 0]
        code = LatentCode(z.contiguous(), settings, seed=seed, space=settings.space)
        code.spread = _spread(generator.space(settings.space)) if settings.jitter else 0.0
        code.draw(generator, -1)
        code.project_(generator)
        return NoisyCode.of(code, generator, settings.noise) if settings.noise else code


class LatentCode(Code):
    """One code z per image, (b, *shape) of a latent space; `seed` is that of clipping and noise.

    Noise is added to the code while it is optimised if `spread`, the size of the space, is given.
    """

    kind = "latent"
    layer = 0
    drawn: Tensor
    kept: Tensor
    noise: Tensor
    spread: float = 0.0

    def __init__(self, z: Tensor, settings: SingleCode, *, seed: int = 0, space: str = "") -> None:
        super().__init__()
        self.z = nn.Parameter(z)
        self.settings, self.seed, self.space = settings, seed, space
        # New values of clipped entries, and the end of the first descent of a restart.
        self.register_buffer("drawn", torch.zeros_like(z))
        self.register_buffer("kept", z.detach().clone())
        if settings.jitter:
            self.register_buffer("noise", torch.zeros_like(z))

    def compose(self, generator: Generator) -> Activations:
        """Activations of layer 0."""
        return generator.begin(generator.styles(self.z + self.noise if self.spread else self.z, self.space))

    def penalty(self, generator: Generator, x: Tensor) -> Tensor | None:  # noqa: ARG002
        """Negative log-likelihood of z in its space, times its weight."""
        if not self.settings.prior:
            return None
        return self.settings.prior * generator.space(self.space).prior(self.z)

    def on_step_start(self, generator: Generator, index: int, steps: int) -> bool:
        """Half-way, a restart turns z to −ẑ: a descent to the wrong side from z may find the right one from there.

        G(−z) is far from G(z), and gradient descent on networks with ReLU has one spurious minimum near a negative
        multiple of the code that is sought (Ma et al. 2018).
        """
        self.draw(generator, index)
        if self.spread:
            rng = torch.Generator().manual_seed(self.seed + 104_729 * (index + 1))
            size = self.settings.jitter * self.spread * max(0.0, 1 - index / (NOISY_SHARE * steps)) ** 2
            self.noise.copy_(size * torch.randn(self.z.shape[1:], generator=rng))
        if not self.settings.restart or index != (steps + 1) // 2:
            return False
        with torch.no_grad():
            self.kept.copy_(self.z)
            self.z.neg_()
        return True

    @torch.no_grad()
    def project_(self, generator: Generator) -> None:
        """Draw entries anew that stochastic clipping does not allow, and project z to its space, in place."""
        settings, z = self.settings, self.z
        if settings.clip:
            z.copy_(torch.where(z.abs() > settings.clip, self.drawn, z))
        if settings.sphere:
            generator.space(self.space).project_(z)

    def draw(self, generator: Generator, index: int) -> None:
        """Draw the new values of entries that clipping replaces in a step, the same for every image."""
        seed, bound = self.seed + 7919 * (index + 1), self.settings.clip
        if not bound:
            return
        if self.settings.distribution == "uniform":
            self.drawn.copy_(_uniform(self.z.shape[1:], seed))
        else:
            rng = torch.Generator().manual_seed(seed)
            self.drawn.copy_(generator.space(self.space).sample(1, rng)[0].clamp(-bound, bound))

    @torch.no_grad()
    def on_end(self, losses: Tensor, steps: int) -> None:
        """Keep the better one of the two ends of a restart, for every image, and the code without noise."""
        self.spread = 0.0
        half = (steps + 1) // 2
        if self.settings.restart and half < len(losses):
            first = (losses[half - 1] <= losses[-1]).to(self.z.device)
            self.z.copy_(torch.where(first.view(-1, *[1] * (self.z.ndim - 1)), self.kept, self.z))

    def tensors(self, image: int) -> dict[str, Tensor]:
        """The code z of one image."""
        return {"z": to_bundle(self.z[image])}

    def shifted(self, generator: Generator, shift: Shift) -> LatentCode:
        """The code with the shift added to z."""
        z, space = shift.apply(generator, self.z, self.space)
        return LatentCode(z, self.settings, seed=self.seed, space=space)

    @classmethod
    def restore(cls, record: CodeRecord) -> LatentCode:
        """Make the code again, without its settings."""
        require(record.tensors.keys() == {"z"} and record.tensors["z"].ndim >= 1)
        return cls(record.tensors["z"][None], SingleCode(), space=record.space)


def _spread(space: LatentSpace) -> float:
    """Root mean square distance of codes to their mean."""
    offsets = space.sample(1024, torch.Generator().manual_seed(0)) - space.mean()
    return float(offsets.square().sum(dim=-1).mean().sqrt())


def _uniform(shape: tuple[int, ...], seed: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1
