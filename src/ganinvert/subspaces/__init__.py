"""Prior subspaces: groups of feature channels that express one another."""

from ganinvert.subspaces.clustering import Partition, affinity_matrix, partition
from ganinvert.subspaces.masks import SubspaceMasks, find_masks, find_self_expression
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
    "find_masks",
    "find_self_expression",
    "learn_self_expression",
    "partition",
]
