"""SeFa (Shen and Zhou 2021, arXiv:2007.06600): directions in closed form, from the weights alone."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ganinvert.directions.directions import Directions, edit_space, sampled_codes
from ganinvert.errors import UsageError
from ganinvert.generators import Generator


@torch.no_grad()
def sefa(generator: Generator, styles: Sequence[int] | None = None) -> Directions:
    """Find the directions n that the first linear maps enlarge most: eigenvectors of AᵀA, as |A n|² is greatest.

    A stacks the matrices by which styles enter the network, each row at length 1, as in the authors' program: rows of
    different layers are scaled differently, and the layers themselves make up for it.

    Args:
        generator: Generator whose family tells its `style_inputs`.
        styles: Numbers of the styles whose matrices are stacked; None for all.

    Raises:
        UsageError: The family tells none, or its matrices do not act on a latent space of vectors.
    """
    inputs, space = generator.style_inputs(), edit_space(generator)
    if not inputs or inputs[0].matrix.shape[1:] != generator.space(space).shape:
        raise UsageError(f"{generator.name} has no matrices of styles, which sefa needs", hint="use ganspace")
    numbers = range(len(inputs)) if styles is None else sorted(set(styles))
    rows = torch.cat([inputs[number].matrix for number in numbers]).cpu().double()
    rows = rows / rows.norm(dim=1, keepdim=True).clamp(min=1e-12)
    _, vectors = torch.linalg.eigh(rows.T @ rows)
    return Directions.measured(space, vectors.T.flip(0), sampled_codes(generator))
