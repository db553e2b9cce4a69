"""Inversion methods: what is optimised. They differ only in the code θ, never in the loop."""

from collections.abc import Mapping
from pkgutil import resolve_name

from ganinvert.methods.adversarial import discriminator_of as discriminator_of
from ganinvert.methods.anchored import AnchoredCode as AnchoredCode
from ganinvert.methods.anchored import Anchoring as Anchoring
from ganinvert.methods.base import Code as Code
from ganinvert.methods.base import CodeRecord as CodeRecord
from ganinvert.methods.base import Method as Method
from ganinvert.methods.composition import ComposedCode as ComposedCode
from ganinvert.methods.composition import Composition as Composition
from ganinvert.methods.composition import partition_for as partition_for
from ganinvert.methods.encoded import ActivationCode as ActivationCode
from ganinvert.methods.fine_tuning import FineTuning as FineTuning
from ganinvert.methods.initialization import encoder_of as encoder_of
from ganinvert.methods.latent import Latent as Latent
from ganinvert.methods.latent import LatentCode as LatentCode
from ganinvert.methods.residuals import ResidualCode as ResidualCode
from ganinvert.methods.residuals import Residuals as Residuals
from ganinvert.settings import MethodSettings
from ganinvert.subspaces import SubspacePartition

CODES: Mapping[str, type[Code]] = {code.kind: code for code in (ComposedCode, LatentCode, ResidualCode, ActivationCode)}
"""Classes of codes, by their kinds in bundles."""


def method_of(settings: MethodSettings, partition: SubspacePartition) -> Method:
    """The method that has these settings, on the subspaces of the editing layer."""
    method: Method = resolve_name(settings.implementation)(settings, partition)
    return method
