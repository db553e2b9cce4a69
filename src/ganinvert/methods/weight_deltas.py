"""Deltas of a generator's weights, or of its noise maps, as variables of a code."""

from __future__ import annotations

from collections.abc import Container, Mapping

import torch
from torch import Tensor, nn

from ganinvert.errors import UsageError
from ganinvert.generators.tuned import LEFT, RIGHT
from ganinvert.methods.base import Code

_DOT = ":"
"""Stands for the dot in names, which modules reserve."""


class WeightDeltas(nn.Module):
    """Deltas of weights by their names in the generator, initially 0.

    A convolution's delta of rank k is a product (o, k)·(k, i·h·w), as in LoRA (Hu et al. 2021). The second factor is
    random, scaled so that a step moves the product about as far as it would move a full delta. Biases, and weights
    where the product would not be smaller, have full deltas, as all do with rank 0.
    """

    def __init__(self, weights: Mapping[str, Tensor], *, rank: int, rng: torch.Generator) -> None:
        super().__init__()
        for name, weight in weights.items():
            inputs = weight[0].numel()
            if not rank or weight.ndim < 4 or rank * (len(weight) + inputs) >= weight.numel():
                self._add(name, torch.zeros_like(weight, memory_format=torch.contiguous_format))
                continue
            right = torch.randn(rank, inputs, generator=rng) * rank**-0.5
            self._add(name + LEFT, torch.zeros(len(weight), rank, device=weight.device))
            self._add(name + RIGHT, right.to(weight.device))

    def named(self, *, but: Container[str] = ()) -> dict[str, Tensor]:
        """Return differentiable deltas by name for `apply_deltas`, without those of some parameters."""
        values = {name.replace(_DOT, "."): value for name, value in self.named_parameters()}
        return {name: value for name, value in values.items() if name.removesuffix(LEFT).removesuffix(RIGHT) not in but}

    @torch.no_grad()
    def round(self) -> None:
        """Round to float16, in place, so that a bundle renders the same bits."""
        for value in self.parameters():
            value.copy_(value.half())

    def stored(self) -> dict[str, Tensor]:
        """Return the deltas for a bundle, float16 on the CPU; those of low rank as factors."""
        return {name: value.detach().half().cpu() for name, value in self.named().items()}

    def _add(self, name: str, value: Tensor) -> None:
        self.register_parameter(name.replace(".", _DOT), nn.Parameter(value))


class TuningCode(Code):
    """A code with deltas of the generator's weights, for one image."""

    single_image_only = True
    changes: WeightDeltas

    @staticmethod
    def require_one(y: Tensor) -> None:
        """Raise UsageError if there are measurements of several photos."""
        if len(y) != 1:
            raise UsageError(
                f"a generator cannot be tuned for {len(y)} photos together", hint="tune it for one after another"
            )

    def on_end(self, losses: Tensor, steps: int) -> None:  # noqa: ARG002  (the last deltas are the result)
        """Round the deltas as a bundle does."""
        self.changes.round()

    def deltas(self, image: int) -> dict[str, Tensor]:  # noqa: ARG002  (there is one)
        """Deltas for a bundle; see `WeightDeltas.stored`."""
        return self.changes.stored()
