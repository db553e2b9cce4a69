"""Discovery of a generator's subspaces, which are kept for every later inversion."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ganinvert.devices import resolve_device, undisturbed
from ganinvert.generators import load_generator
from ganinvert.settings import Discovery
from ganinvert.settings.common import DEFAULT_GENERATOR, Affinity
from ganinvert.subspaces import SelfExpression, SelfExpressionStep, SubspacePartition, learn_self_expression
from ganinvert.subspaces.discoveries import discovered, partition_of, prefer, store
from ganinvert.subspaces.partition import require_subspaces


@dataclass(frozen=True)
class DiscoveredSubspaces:
    """Subspaces of a generator's layer.

    Attributes:
        expression: Self-expression matrix S with its loss history.
        partition: Channels of the layer in R subspaces.
        path: File that keeps S.
        reused: True if S had been learned before with the same settings.
    """

    expression: SelfExpression
    partition: SubspacePartition
    path: Path
    reused: bool


@undisturbed()
def discover(
    generator: str | Path = DEFAULT_GENERATOR,
    *,
    subspaces: int = 6,
    settings: Discovery | None = None,
    affinity: Affinity = "thresholded",
    device: str = "auto",
    again: bool = False,
    callback: Callable[[SelfExpressionStep], None] | None = None,
) -> DiscoveredSubspaces:
    """Discover a generator's subspaces and keep them for `invert` (PmSFC, eqs. 3–5 and algorithm 1).

    Args:
        generator: Name of a generator, or path of its file.
        subspaces: Number of subspaces, R.
        settings: Layer, steps, learning rate and weights; `settings.DISCOVERY["paper"]` is the paper's.
        affinity: Comparison of channels by S, see `affinity_matrix`.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        again: Learn S even if it has been learned with the same settings.
        callback: Called after every step.

    Raises:
        UsageError: The layer, device or number of subspaces does not exist.
        WeightsError: The generator is unknown or damaged.
        OutputError: The user's data directory cannot be written.
    """
    settings = settings or Discovery()
    place = resolve_device(device)
    loaded = load_generator(generator)
    require_subspaces(subspaces, loaded.layer_info(settings.layer).channels)
    stored = None if again else discovered(loaded, settings)
    if stored is None:
        expression = learn_self_expression(loaded.to(place), settings, callback=callback)
        path = store(expression)
    else:
        expression, path = stored
        prefer(expression, path)
    partition = partition_of(expression, path, subspaces, affinity=affinity)
    return DiscoveredSubspaces(expression, partition, path, reused=stored is not None)
