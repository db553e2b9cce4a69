"""Clustering of channels by a self-expression matrix: affinity, spectral clustering, stability."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganinvert.errors import UsageError
from ganinvert.settings.common import Affinity
from ganinvert.subspaces.partition import SubspacePartition, require_subspaces

RESEEDS = 5
"""Number of clusterings with different seeds by which the stability is measured."""


def affinity_matrix(matrix: Tensor, subspaces: int, kind: Affinity) -> NDArray[np.float64]:
    """Compute the affinity of channels, (c, c), symmetric and not negative.

    Args:
        matrix: Self-expression matrix S, (c, c).
        subspaces: Number of subspaces, R.
        kind: "paper" is the paper's A = (|S| + |Sᵀ|) / 2. "thresholded" is the post-processing of the authors' program
            and of deep subspace clustering (Ji et al. 2017): keep the largest entries of every column up to 20 % of its
            L1 norm, symmetrise, project on the r = 6R + 1 leading singular vectors, normalise rows, and raise the
            positive cosines to the power 3.
    """
    s = matrix.double().numpy()
    if kind == "paper":
        affinity: NDArray[np.float64] = (np.abs(s) + np.abs(s.T)) / 2
        return affinity
    largest = _keep_largest(s, share=0.2)
    symmetric = (largest + largest.T) / 2
    rank = min(6 * subspaces + 1, len(s))
    left, singular, _ = np.linalg.svd(symmetric)
    rows = left[:, :rank] * np.sqrt(singular[:rank])
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    cosines: NDArray[np.float64] = np.clip(rows @ rows.T, 0, 1) ** 3
    return (cosines + cosines.T) / 2


def cluster_channels(matrix: Tensor, subspaces: int, *, kind: Affinity, seed: int = 0) -> SubspacePartition:
    """Cluster the channels into R subspaces, numbered by falling size (spectral clustering, Ng, Jordan and Weiss 2002).

    There are `RESEEDS` clusterings with random seeds from `seed` on; the result is the one that agrees most with the
    others. Raises UsageError if R is below 1 or above the number of channels, or a subspace would stay empty.
    """
    channels = len(matrix)
    require_subspaces(subspaces, channels)
    if subspaces in (1, channels):
        return SubspacePartition(torch.arange(channels) % subspaces, kind)
    from sklearn.metrics import adjusted_rand_score

    affinity = affinity_matrix(matrix, subspaces, kind)
    runs = [_cluster(affinity, subspaces, kind, seed + n) for n in range(RESEEDS)]
    agreement = np.array([[adjusted_rand_score(a, b) for b in runs] for a in runs])
    complete = [len(np.unique(run)) == subspaces for run in runs]
    if not any(complete):
        most = max(len(np.unique(run)) for run in runs)
        raise UsageError(f"the channels fall into only {most} of {subspaces} subspaces", hint="choose a smaller -R")
    chosen = runs[int(np.where(complete, agreement.sum(axis=1), -np.inf).argmax())]
    rank = np.empty(subspaces, dtype=np.int64)
    rank[np.argsort(-np.bincount(chosen), kind="stable")] = np.arange(subspaces)
    stability = float(agreement[np.triu_indices(RESEEDS, 1)].mean())
    return SubspacePartition(torch.from_numpy(rank[chosen]), kind, stability)


def _keep_largest(s: NDArray[np.float64], *, share: float) -> NDArray[np.float64]:
    size = np.abs(s)
    order = np.argsort(-size, axis=0, kind="stable")
    ranked = np.take_along_axis(size, order, axis=0)
    before = np.cumsum(ranked, axis=0) - ranked
    mask = np.zeros_like(s)
    np.put_along_axis(mask, order, before <= share * size.sum(axis=0), axis=0)
    return s * mask


def _cluster(affinity: NDArray[np.float64], subspaces: int, kind: Affinity, seed: int) -> NDArray[np.int64]:
    from sklearn.cluster import SpectralClustering

    assign = "kmeans" if kind == "paper" else "discretize"
    model = SpectralClustering(
        subspaces, affinity="precomputed", assign_labels=assign, random_state=seed, eigen_solver="arpack"
    )
    with warnings.catch_warnings():
        # A graph of separate parts is ideal for clustering, not a fault.
        warnings.filterwarnings("ignore", message="Graph is not fully connected")
        labels: NDArray[np.int64] = model.fit_predict(affinity).astype(np.int64)
    return labels
