"""Partitions of channels into subspaces, and the store of discoveries."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from ganinvert import paths
from ganinvert.errors import OutputError, UsageError, WeightsError
from ganinvert.generators import Generator
from ganinvert.settings import Affinity, Discovery
from ganinvert.subspaces.clustering import cluster_channels
from ganinvert.subspaces.self_expression import SelfExpression
from ganinvert.weights import TensorFile

logger = logging.getLogger(__name__)


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
        """Select the channels of some subspaces, (c,) bool.

        Args:
            subspaces: Numbers of the subspaces, 1 … R.

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
        """Make random subspaces of equal sizes, for layers without a discovery.

        Raises:
            UsageError: There are fewer channels than subspaces.
        """
        if subspaces > channels:
            raise UsageError(
                f"{subspaces} subspaces cannot be made of {channels} channels", hint=f"choose at most {channels}"
            )
        return cls(torch.arange(channels) % subspaces, "equal").shuffled(seed=seed)

    def shuffled(self, *, seed: int = 0) -> SubspacePartition:
        """Make random subspaces of the same sizes, as a baseline of discovery."""
        order = torch.randperm(len(self.labels), generator=torch.Generator().manual_seed(seed))
        return SubspacePartition(self.labels[order], "random")

    @classmethod
    def cut(cls, expression: SelfExpression, subspaces: int, *, affinity: Affinity) -> SubspacePartition:
        """Cluster a self-expression matrix into R subspaces.

        Raises:
            UsageError: R does not fit the number of channels.
        """
        result = cluster_channels(expression.matrix, subspaces, kind=affinity)
        return cls(result.labels, affinity, result.stability)

    def save(self, path: Path) -> None:
        """Write a safetensors file atomically.

        Raises:
            OutputError: The file cannot be written.
        """
        about = {"kind": "subspace-masks", "source": self.source, "stability": repr(self.stability)}
        TensorFile({"labels": self.labels}, about).save(path)

    @classmethod
    def load(cls, path: Path) -> SubspacePartition:
        """Read a file written by `save`.

        Raises:
            WeightsError: The file is missing, damaged or of another kind.
        """
        file = TensorFile.load(path)
        try:
            return cls(file.tensors["labels"], file.about["source"], float(file.about["stability"]))
        except (KeyError, ValueError) as error:
            raise WeightsError(
                f"{path}: does not hold subspace masks", hint="run `ganinvert discover --again`"
            ) from error


def store(expression: SelfExpression) -> Path:
    """Save a self-expression matrix in the user's data directory, and return its path.

    Raises:
        OutputError: The file cannot be written.
    """
    path = _path(expression.digest, expression.settings)
    for stale in path.parent.glob(f"{path.stem}.*.masks.safetensors"):
        stale.unlink(missing_ok=True)
    expression.save(path)
    return path


def discovered(generator: Generator, settings: Discovery) -> tuple[SelfExpression, Path] | None:
    """Find the readable self-expression matrix that was learned for this generator with exactly these settings."""
    for path in (_path(generator.digest, settings), _embedded(generator, settings.layer)):
        if path.exists():
            try:
                expression = SelfExpression.load(path)
            except WeightsError as error:
                logger.info("learned anew: %s", error)
                continue
            if (expression.digest, expression.settings) == (generator.digest, settings):
                return expression, path
    return None


def prefer(expression: SelfExpression, path: Path) -> None:
    """Make a saved discovery the most recent one, which `find_partition` uses; an embedded one is copied first.

    Raises:
        OutputError: The user's data directory cannot be written.
    """
    if path == _path(expression.digest, expression.settings):
        os.utime(path)
    else:
        store(expression)


def find_partition(generator: Generator, layer: int, subspaces: int, *, affinity: Affinity) -> SubspacePartition:
    """Find the partition of the most recent discovery for this generator and layer, or of the embedded one.

    Args:
        generator: Generator whose channels are grouped.
        layer: Layer of the channels.
        subspaces: Number of subspaces, R; 1 needs no discovery.
        affinity: Affinity of the clustering, see `affinity_matrix`.

    Raises:
        UsageError: The layer does not exist, or R is below 1 or above its number of channels.
        WeightsError: The layer has no discovery, or its file is damaged.
    """
    channels = generator.layer_info(layer).channels
    if not 1 <= subspaces <= channels:
        raise UsageError(
            f"{subspaces} subspaces cannot be made of the {channels} channels of layer {layer}",
            hint=f"choose -R between 1 and {channels}",
        )
    if subspaces == 1:
        return SubspacePartition.whole(channels)
    folder = _path(generator.digest, Discovery(layer=layer)).parent
    files = sorted(folder.glob(f"self-expression-{'?' * 12}.safetensors"), key=lambda path: path.stat().st_mtime)
    for path in (*reversed(files), _embedded(generator, layer)):
        if path.exists():
            expression = SelfExpression.load(path)
            if expression.digest == generator.digest:
                return partition_of(expression, path, subspaces, affinity=affinity)
    raise WeightsError(
        f"no subspaces have been discovered yet for {generator.name} at layer {layer}",
        hint=f"run `ganinvert discover -g {generator.name} --layer {layer}` once, with your generator's name or file",
    )


def was_discovered(digest: str, layer: int) -> bool:
    """Return True if subspaces were discovered for the generator of this digest at this layer."""
    return any(_path(digest, Discovery(layer=layer)).parent.glob("self-expression-*.safetensors")) if digest else False


def partition_of(expression: SelfExpression, path: Path, subspaces: int, *, affinity: Affinity) -> SubspacePartition:
    """Cluster a saved self-expression matrix into R subspaces (about a second), or read an earlier clustering.

    Raises:
        UsageError: R does not fit the number of channels.
    """
    name = f"{path.stem}.R{subspaces}.{affinity}.masks.safetensors"
    own = _path(expression.digest, expression.settings).with_name(name)
    for cached in (path.with_name(name), own):
        if cached.exists():
            try:
                return SubspacePartition.load(cached)
            except WeightsError as error:
                logger.info("cut anew: %s", error)
    partition = SubspacePartition.cut(expression, subspaces, affinity=affinity)
    try:
        partition.save(own)
    except OutputError as error:
        logger.info("not kept for the next time: %s", error)
    return partition


def _path(digest: str, settings: Discovery) -> Path:
    key = hashlib.sha256(json.dumps(asdict(settings), sort_keys=True).encode()).hexdigest()
    return paths.subspaces_dir() / digest[:16] / f"layer{settings.layer}" / f"self-expression-{key[:12]}.safetensors"


def _embedded(generator: Generator, layer: int) -> Path:
    return paths.embedded(f"{generator.name}.layer{layer}.self-expression.safetensors")
