"""Partitions of channels into subspaces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ganinvert.errors import UsageError, WeightsError
from ganinvert.weights import TensorFile


def require_subspaces(subspaces: int, channels: int, layer: int | None = None) -> None:
    """Raise UsageError unless the channels (of a layer) can be divided into so many subspaces."""
    if not 1 <= subspaces <= channels:
        whole = f"{channels} channels" if layer is None else f"the {channels} channels of layer {layer}"
        raise UsageError(f"{subspaces} subspaces cannot be made of {whole}", hint=f"choose -R between 1 and {channels}")


@dataclass(frozen=True)
class SubspacePartition:
    """A partition of a layer's channels into R subspaces.

    Attributes:
        labels: Subspace 0 … R-1 of every channel, (c,) int64.
        source: Origin of the partition: the affinity that was clustered, "thresholded" or "paper", or another word,
            such as "whole" or "random".
        stability: Mean adjusted Rand index between clusterings with other seeds, in [-1, 1].
    """

    labels: Tensor
    source: str
    stability: float = 1.0

    @property
    def subspaces(self) -> int:
        """Number of subspaces, R."""
        return int(self.labels.max()) + 1

    @property
    def sizes(self) -> list[int]:
        """Number of channels of each subspace."""
        return [int(size) for size in torch.bincount(self.labels)]

    @property
    def groups(self) -> list[Tensor]:
        """Channel indices of each subspace."""
        return [torch.nonzero(self.labels == r)[:, 0] for r in range(self.subspaces)]

    def channels(self, subspaces: Sequence[int]) -> Tensor:
        """Select the channels of the subspaces with these numbers from 1 to R, (c,) bool.

        Raises:
            UsageError: There is no such subspace.
        """
        for number in subspaces:
            if not 1 <= number <= self.subspaces:
                raise UsageError(f"there is no subspace {number}", hint=f"choose from 1 … {self.subspaces}")
        return torch.isin(self.labels, torch.tensor([number - 1 for number in subspaces], dtype=torch.int64))

    @classmethod
    def whole(cls, channels: int) -> SubspacePartition:
        """Make one subspace of all channels, as in mGANprior's composition."""
        return cls(torch.zeros(channels, dtype=torch.int64), "whole")

    @classmethod
    def random(cls, channels: int, subspaces: int, *, seed: int = 0) -> SubspacePartition:
        """Make random subspaces of equal sizes, for layers without a discovery."""
        require_subspaces(subspaces, channels)
        return cls(torch.arange(channels) % subspaces, "equal").shuffled(seed=seed)

    def shuffled(self, *, seed: int = 0) -> SubspacePartition:
        """Make random subspaces of the same sizes, as a baseline of discovery."""
        order = torch.randperm(len(self.labels), generator=torch.Generator().manual_seed(seed))
        return SubspacePartition(self.labels[order], "random")

    def save(self, path: Path) -> None:
        """Write a safetensors file atomically."""
        about = {"kind": "subspace-masks", "source": self.source, "stability": repr(self.stability)}
        TensorFile({"labels": self.labels}, about).save(path)

    @classmethod
    def load(cls, path: Path) -> SubspacePartition:
        """Read a file written by `save`; raise WeightsError if it is missing, damaged or of another kind."""
        file = TensorFile.load(path)
        try:
            return cls(file.tensors["labels"], file.about["source"], float(file.about["stability"]))
        except (KeyError, ValueError) as error:
            raise WeightsError(
                f"{path}: does not hold subspace masks", hint="run `ganinvert discover --again`"
            ) from error
