"""Directions, and what moving along one of them does to a code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ganinvert.errors import UsageError
from ganinvert.generators import Generator

SAMPLES = 10_000
"""Number of codes by which directions are found, and by which the deviation along them is measured."""


@dataclass(frozen=True)
class Shift:
    """A change of codes.

    Attributes:
        space: Name of the latent space of the vector.
        vector: Vector (d,) that is added.
        styles: Numbers of the styles to which it is added; None for all.
    """

    space: str
    vector: Tensor
    styles: Sequence[int] | None = None

    def apply(self, generator: Generator, codes: Tensor, space: str) -> tuple[Tensor, str]:
        """Shift codes (n, *shape) of a latent space; returns the codes and the name of their space.

        Codes of the vector's own space stay in it unless only some styles change. Others become styles, codes of W+.

        Raises:
            UsageError: The generator has no space W+, in which such a code could be shifted.
        """
        space = generator.space(space).name
        if not self.vector.any() or (space == self.space and self.styles is None):
            return codes + self.vector.to(codes), space
        if "w+" not in generator.spaces:
            raise UsageError(
                f"codes of {generator.name}'s space {space} cannot be moved along a direction of {self.space}",
                hint=f"invert the photo in the space {self.space}",
            )
        return self.styled(generator.styles(codes, space)), "w+"

    def styled(self, styles: Tensor) -> Tensor:
        """Shift styles (n, S, d)."""
        chosen = torch.arange(styles.shape[1]) if self.styles is None else torch.tensor(sorted(set(self.styles)))
        return styles.index_add(
            1, chosen.to(styles.device), self.vector.to(styles).expand(len(styles), len(chosen), -1)
        )


@dataclass(frozen=True)
class Directions:
    """Directions of a latent space, those that change most first.

    Attributes:
        space: Name of the latent space.
        vectors: Unit vectors (n, d), whose entry of largest size is positive.
        deviations: Standard deviation of sampled codes along each vector, (n,).
    """

    space: str
    vectors: Tensor
    deviations: Tensor

    @classmethod
    def measured(cls, space: str, vectors: Tensor, codes: Tensor) -> Directions:
        """Make directions of vectors (n, d) of any length and sign; their deviations are those of codes (m, d)."""
        largest = vectors.gather(1, vectors.abs().argmax(dim=1, keepdim=True))
        unit = vectors * largest.sign() / vectors.norm(dim=1, keepdim=True)
        return cls(space, unit.float(), (codes.to(unit) @ unit.T).std(dim=0).float())

    def shift(self, number: int, strength: float, styles: Sequence[int] | None = None) -> Shift:
        """The change along direction `number` by a strength in its standard deviations.

        Raises:
            UsageError: There is no such direction.
        """
        if number >= len(self.vectors):
            raise UsageError(f"there is no direction {number}", hint=f"choose from 0 … {len(self.vectors) - 1}")
        return Shift(self.space, strength * self.deviations[number] * self.vectors[number], styles)


def edit_space(generator: Generator) -> str:
    """The latent space of a generator's directions: w, which all styles share, or the native one."""
    return "w" if "w" in generator.spaces else generator.space().name


def sampled_codes(generator: Generator) -> Tensor:
    """Codes (n, d) of that space on the CPU, always the same ones."""
    return generator.space(edit_space(generator)).sample(SAMPLES, torch.Generator().manual_seed(0))
