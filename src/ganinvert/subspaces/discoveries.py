"""The store of discoveries: self-expression matrices, and their clusterings."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from dataclasses import asdict
from pathlib import Path

from ganinvert import paths
from ganinvert.errors import OutputError, WeightsError
from ganinvert.generators import Generator
from ganinvert.settings import Discovery
from ganinvert.settings.common import Affinity
from ganinvert.subspaces.clustering import cluster_channels
from ganinvert.subspaces.partition import SubspacePartition, require_subspaces
from ganinvert.subspaces.self_expression import SelfExpression

logger = logging.getLogger(__name__)


def store(expression: SelfExpression) -> Path:
    """Save a self-expression matrix in the user's data directory, and return its path."""
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
    """Make a saved discovery the most recent one, which `find_partition` uses; an embedded one is copied first."""
    if path == _path(expression.digest, expression.settings):
        os.utime(path)
    else:
        store(expression)


def find_partition(generator: Generator, layer: int, subspaces: int, *, affinity: Affinity) -> SubspacePartition:
    """Find the partition of the most recent discovery for this generator and layer, or of the embedded one.

    One subspace needs no discovery.

    Raises:
        UsageError: The layer does not exist, or R is below 1 or above its number of channels.
        WeightsError: The layer has no discovery, or its file is damaged.
    """
    channels = generator.layer_info(layer).channels
    require_subspaces(subspaces, channels, layer)
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
    """Cluster a saved self-expression matrix into R subspaces (about a second), or read an earlier clustering."""
    name = f"{path.stem}.R{subspaces}.{affinity}.masks.safetensors"
    own = _path(expression.digest, expression.settings).with_name(name)
    for cached in (path.with_name(name), own):
        if cached.exists():
            try:
                return SubspacePartition.load(cached)
            except WeightsError as error:
                logger.info("cut anew: %s", error)
    partition = cluster_channels(expression.matrix, subspaces, kind=affinity)
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
