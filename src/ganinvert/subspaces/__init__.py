"""Prior subspaces: groups of feature channels that express one another."""

from ganinvert.subspaces.clustering import affinity_matrix as affinity_matrix
from ganinvert.subspaces.clustering import cluster_channels as cluster_channels
from ganinvert.subspaces.discoveries import discovered as discovered
from ganinvert.subspaces.discoveries import find_partition as find_partition
from ganinvert.subspaces.discoveries import partition_of as partition_of
from ganinvert.subspaces.discoveries import prefer as prefer
from ganinvert.subspaces.discoveries import store as store
from ganinvert.subspaces.discoveries import was_discovered as was_discovered
from ganinvert.subspaces.partition import SubspacePartition as SubspacePartition
from ganinvert.subspaces.partition import require_subspaces as require_subspaces
from ganinvert.subspaces.self_expression import SelfExpression as SelfExpression
from ganinvert.subspaces.self_expression import SelfExpressionStep as SelfExpressionStep
from ganinvert.subspaces.self_expression import learn_self_expression as learn_self_expression
