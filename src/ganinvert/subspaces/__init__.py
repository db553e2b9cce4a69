"""Prior subspaces: groups of feature channels that express one another."""

from ganinvert.subspaces.clustering import Partition, affinity_matrix, partition
from ganinvert.subspaces.masks import SubspaceMasks, discovered, find_masks, masks_of, prefer, store, was_discovered
from ganinvert.subspaces.self_expression import (
    SelfExpression,
    SelfExpressionStep,
    learn_self_expression,
)

__all__ = [
    "Partition",
    "SelfExpression",
    "SelfExpressionStep",
    "SubspaceMasks",
    "affinity_matrix",
    "discovered",
    "find_masks",
    "learn_self_expression",
    "masks_of",
    "partition",
    "prefer",
    "store",
    "was_discovered",
]
