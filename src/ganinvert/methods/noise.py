"""A code with the generator's noise maps as further variables (Karras et al. 2020, arXiv:1912.04958, appendix D)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from ganinvert.generators import Activations, Generator, View, apply_deltas
from ganinvert.methods.base import Code
from ganinvert.methods.weight_deltas import TuningCode, WeightDeltas

_COARSEST = 8
"""Side of the coarsest noise maps whose neighbours are compared."""


class NoisyCode(TuningCode):
    """A code at layer 0 of one image, and deltas of noise maps that keep mean and deviation of the generator's own.

    Args:
        code: The code.
        noises: The generator's noise maps (h, w) by name.
        weight: Weight of `noise_correlation`.
    """

    layer = 0

    def __init__(self, code: Code, noises: Mapping[str, Tensor], *, weight: float) -> None:
        super().__init__()
        self.code, self.kind, self.space, self.weight = code, code.kind, code.space, weight
        self.changes = WeightDeltas(noises, rank=0, rng=torch.Generator())
        self._noises = dict(noises)
        self._deviations = {name: float(noise.std()) for name, noise in noises.items()}

    @classmethod
    def of(cls, code: Code, generator: Generator, weight: float) -> Code:
        """The code with the generator's noise maps, or the code itself if the generator has none; see `require_one`."""
        noises = {name: noise for name, noise in generator.noises().items() if noise.std() > 0}
        if not noises:
            return code
        cls.require_one(code.compose(generator).features)
        return cls(code, noises, weight=weight)

    def compose(self, generator: Generator) -> Activations:
        """Activations of layer 0, which has no noise."""
        return self.code.compose(generator)

    def render(self, generator: Generator, view: View | None = None) -> Tensor:
        """Render with the present noise maps."""
        return apply_deltas(generator, self.changes.named()).synthesize(self.compose(generator), 0, view)

    def rates(self) -> Mapping[str, float]:
        """Learning rates: that of the code, and for each noise map its deviation."""
        sizes = {f"changes.{name.replace('.', ':')}": size for name, size in self._deviations.items()}
        return {f"code.{name}": rate for name, rate in self.code.rates().items()} | sizes

    def penalty(self, generator: Generator, x: Tensor) -> Tensor:
        """The code's penalty, and the regularisation of the noise, (1,)."""
        correlation = torch.stack([noise_correlation(noise) for noise in self._present().values()]).sum()
        own = self.code.penalty(generator, x)
        return self.weight * correlation[None] + (0 if own is None else own)

    def on_step_start(self, generator: Generator, index: int, steps: int) -> bool:
        """Prepare the step of the code."""
        return self.code.on_step_start(generator, index, steps)

    @torch.no_grad()
    def project_(self, generator: Generator) -> None:
        """Give every noise map the mean and the deviation of the generator's own, in place."""
        self.code.project_(generator)
        for name, present in self._present().items():
            own = self._noises[name]
            wanted = (present - present.mean()) / present.std() * own.std() + own.mean()
            self.changes.get_parameter(name.replace(".", ":")).copy_(wanted - own)

    def on_end(self, losses: Tensor, steps: int) -> None:
        """Finish the code, and round the deltas as a bundle does."""
        self.code.on_end(losses, steps)
        super().on_end(losses, steps)

    def tensors(self, image: int) -> dict[str, Tensor]:
        """The tensors of the code."""
        return self.code.tensors(image)

    def _present(self) -> dict[str, Tensor]:
        return {name: self._noises[name] + delta for name, delta in self.changes.named().items()}


def noise_correlation(noise: Tensor) -> Tensor:
    """Compute how much neighbours in a noise map (h, w) resemble one another; 0 for white noise (appendix D).

    It is Σ over the map of mean 0 and deviation 1 and its halves, down to 8×8, of (mean n(x, y) · n(x − 1, y))² +
    (mean n(x, y) · n(x, y − 1))², where a half is twice the mean of 2×2, which white noise stays white in.
    """
    n = ((noise - noise.mean()) / noise.std())[None, None]
    terms = []
    while True:
        terms += [(n * n.roll(1, dims=side)).mean().square() for side in (2, 3)]
        if min(n.shape[-2:]) <= _COARSEST:
            return torch.stack(terms).sum()
        n = 2 * F.avg_pool2d(n, 2)
