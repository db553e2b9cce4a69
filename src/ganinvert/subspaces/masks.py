"""Subspace masks with their provenance, and the store of what has been discovered."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from ganinvert import paths
from ganinvert.errors import UsageError, WeightsError
from ganinvert.generators import Generator
from ganinvert.settings import Affinity
from ganinvert.subspaces.clustering import partition
from ganinvert.subspaces.self_expression import SelfExpression
from ganinvert.weights import TensorFile


@dataclass(frozen=True)
class SubspaceMasks:
    """A partition of a layer's channels into R subspaces.

    Attributes:
        labels: (c,) int64, the subspace 0 … R-1 of every channel.
        source: Where the partition comes from: "thresholded" or "paper" (the affinity that was clustered), or
            another word for masks made otherwise, such as "whole" or "random".
        stability: Mean adjusted Rand index between clusterings with other seeds, in [-1, 1].
    """

    labels: Tensor
    source: str
    stability: float = 1.0

    @property
    def subspaces(self) -> int:
        """R."""
        return int(self.labels.max()) + 1

    @property
    def sizes(self) -> list[int]:
        """Channels per subspace."""
        return [int(size) for size in torch.bincount(self.labels)]

    @property
    def groups(self) -> list[Tensor]:
        """Channel indices per subspace."""
        return [torch.nonzero(self.labels == r)[:, 0] for r in range(self.subspaces)]

    @classmethod
    def whole(cls, channels: int) -> SubspaceMasks:
        """One subspace of all channels: mGANprior's composition."""
        return cls(torch.zeros(channels, dtype=torch.int64), "whole")

    def shuffled(self, *, seed: int = 0) -> SubspaceMasks:
        """Random masks of the same sizes, to see what discovery is worth."""
        order = torch.randperm(len(self.labels), generator=torch.Generator().manual_seed(seed))
        return SubspaceMasks(self.labels[order], "random")

    @classmethod
    def cut(cls, expression: SelfExpression, subspaces: int, *, affinity: Affinity, seed: int = 0) -> SubspaceMasks:
        """Cluster a self-expression matrix into R subspaces.

        Raises:
            UsageError: R does not fit the number of channels.
        """
        result = partition(expression.matrix, subspaces, kind=affinity, seed=seed)
        return cls(result.labels, affinity, result.stability)

    def save(self, path: Path) -> None:
        """Write a safetensors file atomically.

        Raises:
            OutputError: The file cannot be written.
        """
        about = {"kind": "subspace-masks", "source": self.source, "stability": repr(self.stability)}
        TensorFile({"labels": self.labels}, about).save(path)

    @classmethod
    def load(cls, path: Path) -> SubspaceMasks:
        """Read a file written by `save`.

        Raises:
            WeightsError: The file is missing, damaged or of another kind.
        """
        file = TensorFile.load(path)
        try:
            return cls(file.tensors["labels"], file.about["source"], float(file.about["stability"]))
        except (KeyError, ValueError) as error:
            raise WeightsError(
                f"{path}: does not hold subspace masks", hint="run `ganinvert discover` again"
            ) from error


def store(expression: SelfExpression) -> Path:
    """Keep a self-expression matrix in the user's data directory; returns its path.

    Raises:
        OutputError: The file cannot be written.
    """
    settings = hashlib.sha256(json.dumps(asdict(expression.settings), sort_keys=True).encode()).hexdigest()
    path = _folder(expression.digest, expression.layer) / f"self-expression-{settings[:12]}.safetensors"
    expression.save(path)
    return path


def find_self_expression(generator: Generator, layer: int) -> tuple[SelfExpression, Path]:
    """The most recent discovery for this generator and layer, else the embedded one.

    Raises:
        UsageError: The layer does not exist.
        WeightsError: Nothing was discovered yet, or the file is damaged.
    """
    generator.check_layer(layer)
    folder = _folder(generator.digest, layer)
    found = sorted(folder.glob("self-expression-????????????.safetensors"), key=lambda path: path.stat().st_mtime)
    embedded = paths.embedded(f"{generator.name}.layer{layer}.self-expression.safetensors")
    if embedded.exists():
        found.insert(0, embedded)
    for path in reversed(found):
        expression = SelfExpression.load(path)
        if expression.digest == generator.digest:
            return expression, path
    raise WeightsError(
        f"no subspaces have been discovered yet for {generator.name} at layer {layer}",
        hint=f"run `ganinvert discover -g {generator.name} --layer {layer}` once",
    )


def find_masks(generator: Generator, layer: int, subspaces: int, *, affinity: Affinity, seed: int = 0) -> SubspaceMasks:
    """Masks for R subspaces: from the cache, else cut from the discovered S (about a second) and cached.

    Args:
        generator: Whose channels to group.
        layer: Where it is cut.
        subspaces: R; 1 needs no discovery.
        affinity: How S becomes an affinity, see `affinity_matrix`.
        seed: Of the clustering.

    Raises:
        UsageError: The layer does not exist, or R is below 1 or above its number of channels.
        WeightsError: Nothing was discovered for this generator and layer.
        OutputError: The masks cannot be cached.
    """
    channels = generator.layer_info(layer).channels
    if not 1 <= subspaces <= channels:
        raise UsageError(
            f"{subspaces} subspaces cannot be made of the {channels} channels of layer {layer}",
            hint=f"choose -R between 1 and {channels}",
        )
    if subspaces == 1:
        return SubspaceMasks.whole(channels)
    expression, path = find_self_expression(generator, layer)
    name = f"{path.name.removesuffix('.safetensors')}.R{subspaces}.{affinity}.seed{seed}.masks.safetensors"
    for cached in (path.with_name(name), _folder(generator.digest, layer) / name):
        if cached.exists():
            return SubspaceMasks.load(cached)
    masks = SubspaceMasks.cut(expression, subspaces, affinity=affinity, seed=seed)
    masks.save(_folder(generator.digest, layer) / name)
    return masks


def _folder(digest: str, layer: int) -> Path:
    return paths.subspaces_dir() / digest[:16] / f"layer{layer}"
