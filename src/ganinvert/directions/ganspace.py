"""GANSpace (Härkönen et al. 2020, arXiv:2004.02546): directions are principal components of samples."""

from __future__ import annotations

import torch
from torch import Tensor

from ganinvert.directions.directions import Directions, edit_space, sampled_codes
from ganinvert.generators import Generator

LAYER = 1
"""Layer whose features are analysed where there is no space w: the nearest to the code, so the most linear in it."""
MOST = 64
"""Most principal components of features."""
BATCH = 500


@torch.no_grad()
def ganspace(generator: Generator) -> Directions:
    """Find the principal components of w (the paper's section 2.1), or those of features, brought to codes.

    Of a generator without w the features y of codes z are analysed: with coordinates x = Vᵀ(y - μ) along the principal
    components V, direction k is the column of the matrix U that minimises Σ |U x - z|² (section 2.2).
    """
    codes = sampled_codes(generator)
    if edit_space(generator) == "w":
        centred = codes.double() - codes.double().mean(dim=0)
        _, vectors = torch.linalg.eigh(centred.T @ centred)
        return Directions.measured("w", vectors.T.flip(0), codes)
    x = _coordinates(generator, codes)
    # Coordinates are uncorrelated: the regression of z on all of them is that on each one alone.
    return Directions.measured(edit_space(generator), x.T @ codes, codes)


def _coordinates(generator: Generator, codes: Tensor) -> Tensor:
    """Coordinates (n, k) of the features of codes along their principal components."""
    device = next(generator.parameters()).device
    features = torch.cat(
        [generator.features(part.to(device), LAYER).features.flatten(1).cpu() for part in codes.split(BATCH)]
    )
    features -= features.mean(dim=0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        rank = min(MOST, *features.shape, codes.shape[1])
        _, _, v = torch.svd_lowrank(features, q=min(2 * rank, *features.shape), niter=4)
    return features @ v[:, :rank]
