"""From settings to methods, and from what a bundle keeps back to codes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from torch import nn

from ganinvert.errors import MissingNetworkError, UsageError, WeightsError
from ganinvert.generators import Generator
from ganinvert.methods.adversarial import discriminator_of
from ganinvert.methods.base import Code, Method
from ganinvert.methods.composition import ComposedCode, Composition, partition_for
from ganinvert.methods.dgp import DeepGenerativePrior
from ganinvert.methods.encoded import ActivationCode, Encoding
from ganinvert.methods.initialization import encoder_of
from ganinvert.methods.latent import Latent, LatentCode
from ganinvert.methods.residuals import ResidualCode, Residuals
from ganinvert.settings import (
    Encoded,
    GenerativePrior,
    InversionSettings,
    LayerResiduals,
    MethodSettings,
    PmSFC,
    SingleCode,
)
from ganinvert.subspaces import SubspacePartition, find_partition
from ganinvert.weights import digest


def method_of(settings: MethodSettings, partition: SubspacePartition) -> Method:
    """The method that settings are for.

    Args:
        settings: Of any method.
        partition: The subspaces that results are edited by; PmSFC composes by them, too.
    """
    match settings:
        case PmSFC():
            return Composition(settings, partition_for(settings, partition))
        case SingleCode():
            return Latent(settings)
        case LayerResiduals():
            return Residuals(settings)
        case Encoded():
            return Encoding(settings)
        case GenerativePrior():
            return DeepGenerativePrior(settings)


def adapt_to_generator(
    settings: InversionSettings, generator: Generator, *, reals: bool = False
) -> tuple[InversionSettings, str]:
    """The settings that a generator allows, and what is to be said of it.

    Near-perfect fine-tuning of a generator without a discriminator does without the terms that need one.

    Args:
        settings: As wanted.
        generator: On any device.
        reals: Whether there are real images, which only a discriminator can look at.

    Raises:
        WeightsError: The generator lacks what the settings cannot do without, or its discriminator is damaged.
    """
    tuning = settings.tuning
    if tuning is None or not (tuning.adversarial or tuning.cohesion):
        return settings, ""
    try:
        discriminator_of(generator)
    except MissingNetworkError as error:
        if reals:
            hint = "leave the real images (--reals) out: only a discriminator can look at them"
            raise MissingNetworkError(error.message, hint=hint) from error
        plain = replace(settings, tuning=replace(tuning, adversarial=0.0, cohesion=0.0))
        return plain, f"{error.message}: tuned without the terms that need one"
    return settings, ""


def auxiliary_digests(settings: InversionSettings, generator: Generator) -> dict[str, str]:
    """The other networks that an inversion is going to ask for: kind to digest of their weights.

    Raises:
        WeightsError: The generator has no encoder, or no discriminator, and needs one.
    """
    found: Mapping[str, Callable[[Generator], nn.Module]] = {
        "encoder": encoder_of,
        "discriminator": discriminator_of,
    }
    return {kind: digest(found[kind](generator).state_dict()) for kind in settings.networks}


CODES: Mapping[str, type[Code]] = {code.kind: code for code in (ComposedCode, LatentCode, ResidualCode, ActivationCode)}
"""Classes of codes, by their kinds in bundles."""


def edit_layer(settings: MethodSettings, generator: Generator) -> int:
    """Where results are edited: where the method gives features, or for codes where PmSFC composes them.

    Raises:
        WeightsError: The method needs an encoder, and the generator has none.
    """
    match settings:
        case PmSFC():
            return settings.layer
        case Encoded(into="features"):
            return encoder_of(generator).layer
        case LayerResiduals():
            return max(settings.layer, generator.edit_layer)
        case _:
            return generator.edit_layer


def edit_partition(generator: Generator, layer: int, method: MethodSettings) -> SubspacePartition:
    """The subspaces that a method composes by; for one that does without, those of PmSFC if they were discovered.

    Raises:
        UsageError: The layer does not exist, or has fewer channels than there are to be subspaces.
        WeightsError: The method needs subspaces, and none were discovered for this generator and layer.
    """
    affinity = method.affinity if isinstance(method, PmSFC) else PmSFC().affinity
    if isinstance(method, PmSFC) and method.subspaces > 1:
        return find_partition(generator, layer, method.subspaces, affinity=affinity)
    try:
        return find_partition(generator, layer, PmSFC().subspaces, affinity=affinity)
    except (UsageError, WeightsError):
        return find_partition(generator, layer, 1, affinity=affinity)
