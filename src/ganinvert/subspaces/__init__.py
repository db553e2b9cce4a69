"""Prior subspaces: groups of feature channels that express one another."""

from ganinvert.subspaces.clustering import Clustering, affinity_matrix, cluster_channels
from ganinvert.subspaces.partition import (
    SubspacePartition,
    discovered,
    find_partition,
    partition_of,
    prefer,
    store,
    was_discovered,
)
from ganinvert.subspaces.self_expression import (
    SelfExpression,
    SelfExpressionStep,
    learn_self_expression,
)

__all__ = [
    "Clustering",
    "SelfExpression",
    "SelfExpressionStep",
    "SubspacePartition",
    "affinity_matrix",
    "cluster_channels",
    "discovered",
    "find_partition",
    "learn_self_expression",
    "partition_of",
    "prefer",
    "store",
    "was_discovered",
]
