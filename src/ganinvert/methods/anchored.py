"""A code that moves only as far from its place as an edit asks for (GenVisMani)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ganinvert.degradations import Degradation
from ganinvert.errors import UsageError
from ganinvert.generators import Activations, Generator
from ganinvert.methods.base import Code, Method
from ganinvert.methods.latent import mean_distance

MOVABLE = ("z", "styles")
"""Parameters of codes that lie in a latent space; weights, residuals and features stay as they are."""


class AnchoredCode(Code):
    """Another code, whose latent codes move all alike, by one vector, with a penalty on their way from the start.

    So do its styles. Codes of a composition that moved each for itself would soon make no face any more.

    The penalty is `closeness` · mean ((z - z₀) / s)², the manifold term of Zhu et al. (2016, eq. 4), where s is the
    standard deviation of the entries of random codes; and a term of the image, if there is one.

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
        self._moving = {name: value for name, value in code.named_parameters() if name in MOVABLE}
        if not self._moving:
            raise UsageError(
                "features alone do not follow strokes", hint="invert the photo with a --method that keeps codes"
            )
        for name, value in code.named_parameters():
            value.requires_grad_(name in self._moving)
        for value in self._moving.values():
            value.register_hook(_alike)
        self._start = {name: value.detach().clone() for name, value in self._moving.items()}
        self._sizes = {name: _deviation(generator, spaces[name]) for name in self._moving}

    def compose(self, generator: Generator) -> Activations:
        """Activations of the code."""
        return self.code.compose(generator)

    def penalty(self, generator: Generator, x: Tensor) -> Tensor:  # noqa: ARG002
        """Distance to the start, and the term of the image x, (b,)."""
        ways = [(value - self._start[name]) / self._sizes[name] for name, value in self._moving.items()]
        total = self.closeness * torch.stack([way.square().flatten(1).mean(dim=1) for way in ways]).sum(dim=0)
        return total if self.term is None else total + self.term(x)

    def rates(self) -> Mapping[str, float]:
        """Learning rates in standard deviations of random codes."""
        return {f"code.{name}": self._sizes.get(name, 0.0) for name, _ in self.code.named_parameters()}

    @torch.no_grad()
    def project_(self, generator: Generator) -> None:
        """Bring the code back to where it is allowed to be, in place."""
        self.code.project_(generator)

    def tensors(self, image: int) -> dict[str, Tensor]:
        """The tensors of the code."""
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


def _alike(gradient: Tensor) -> Tensor:
    """Give all vectors (b, …, d) of an image their mean gradient, so that Adam moves them alike."""
    if gradient.dim() == 2:
        return gradient
    return gradient.mean(dim=tuple(range(1, gradient.dim() - 1)), keepdim=True).expand_as(gradient).contiguous()


def _deviation(generator: Generator, space: str) -> float:
    found = generator.space(space)
    return mean_distance(found) / math.sqrt(found.shape[-1])
