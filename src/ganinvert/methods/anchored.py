"""A code that moves only as far from its place as an edit asks for (GenVisMani)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ganinvert.degradations import Degradation
from ganinvert.errors import UsageError
from ganinvert.generators import Activations, Generator, LatentSpace
from ganinvert.methods.base import Code, Method

MOVABLE = ("z", "styles")
"""Parameters of codes that lie in a latent space; weights, residuals and features stay as they are."""


class AnchoredCode(Code):
    """Another code, whose latent codes move all alike, by one vector, with a penalty on their way from the start.

    So do its styles. Codes of a composition that moved each for itself would soon make no face any more.

    The way is A v, where A Aᵀ is the covariance C of random codes, and the penalty `closeness` · |v|² / n: the manifold
    term of Zhu et al. (2016, eq. 4), whose codes are normally distributed; and a term of the image, if there is one.
    n is the number of dimensions in which codes really differ, (tr C)² / tr C²: 32 of the 512 of ffhq-1024's W.

    Raises:
        UsageError: The code has neither latent codes nor styles.
    """

    single_image_only = True
    whole_image_only = True

    def __init__(
        self, code: Code, generator: Generator, *, closeness: float, term: Callable[[Tensor], Tensor] | None = None
    ) -> None:
        super().__init__()
        self.code, self.kind, self.space, self.layer = code, code.kind, code.space, code.layer
        self.closeness, self.term = closeness, term
        spaces = {"z": code.space, "styles": "w+"}
        moving = {name: value.detach() for name, value in code.named_parameters() if name in MOVABLE}
        if not moving:
            raise UsageError(
                "features alone do not follow strokes", hint="invert the photo with a --method that keeps codes"
            )
        code.requires_grad_(False)
        self._start = moving
        self._spread = {name: _spread(generator.space(spaces[name])).to(value) for name, value in moving.items()}
        self._dimensions = {name: _dimensions(spread) for name, spread in self._spread.items()}
        self.ways = nn.ParameterDict(
            {
                name: value.new_zeros(len(value), *[1] * (value.dim() - 2), value.shape[-1])
                for name, value in moving.items()
            }
        )

    def _move(self, made: Callable[[Tensor], Tensor] = Tensor.contiguous) -> None:
        """Set the code's parameters to where the ways lead."""
        for name, start in self._start.items():
            delattr(self.code, name)  # a parameter cannot be set to what is computed
            setattr(self.code, name, made(start + self.ways[name] @ self._spread[name].mT))

    def compose(self, generator: Generator) -> Activations:
        """Activations of the code."""
        self._move()
        return self.code.compose(generator)

    def penalty(self, generator: Generator, x: Tensor) -> Tensor:  # noqa: ARG002
        """Distance to the start, and the term of the image x, (b,)."""
        terms = [way.square().flatten(1).sum(dim=1) / self._dimensions[name] for name, way in self.ways.items()]
        total = torch.stack(terms).sum(dim=0)
        return self.closeness * total if self.term is None else self.closeness * total + self.term(x)

    def tensors(self, image: int) -> dict[str, Tensor]:
        """The tensors of the code."""
        with torch.no_grad():
            self._move(nn.Parameter)
        return self.code.tensors(image)


@dataclass(frozen=True)
class Anchoring(Method):
    """Start at a code that there is already.

    Attributes:
        code: Code to start at, which is changed in place.
        closeness: Weight of the distance to it.
        term: Term of the image in the objective, from images (b, 3, r, r) to (b,); None for none.
    """

    code: Code = field(kw_only=True)
    closeness: float = field(kw_only=True)
    term: Callable[[Tensor], Tensor] | None = field(default=None, kw_only=True)

    def start(self, generator: Generator, y: Tensor, degradation: Degradation, *, seed: int) -> AnchoredCode:  # noqa: ARG002
        """The given code."""
        return AnchoredCode(self.code, generator, closeness=self.closeness, term=self.term)


def _dimensions(spread: Tensor) -> Tensor:
    variances = spread.square().sum(dim=0)
    dimensions: Tensor = variances.sum() ** 2 / variances.square().sum()
    return dimensions


def _spread(space: LatentSpace) -> Tensor:
    """A matrix A (d, d) for which A v is distributed as random codes about their mean, if v is normally distributed."""
    rng, size = torch.Generator().manual_seed(0), space.shape[-1]
    codes = torch.cat([space.sample(1024, rng).reshape(1024, -1, size)[:, 0] for _ in range(8)])
    variances, axes = torch.linalg.eigh(torch.cov(codes.double().T))
    spread: Tensor = (axes * variances.clamp(min=0).sqrt()).float()
    return spread
