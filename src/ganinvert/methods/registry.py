"""From settings to methods, and from what a bundle keeps back to codes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pkgutil import resolve_name

from torch import nn

from ganinvert.errors import MissingNetworkError, UsageError, WeightsError
from ganinvert.generators import Generator
from ganinvert.methods.adversarial import discriminator_of
from ganinvert.methods.base import Code, Method
from ganinvert.methods.composition import ComposedCode, partition_for
from ganinvert.methods.encoded import ActivationCode
from ganinvert.methods.initialization import encoder_of
from ganinvert.methods.latent import LatentCode
from ganinvert.methods.residuals import ResidualCode
from ganinvert.settings import (
    InversionSettings,
    MethodSettings,
)
from ganinvert.subspaces import SubspacePartition, find_partition
from ganinvert.weights import digest


def method_of(settings: MethodSettings, partition: SubspacePartition) -> Method:
    """The method that has these settings, with the subspaces if it composes by them."""
    method: Callable[..., Method] = resolve_name(settings.implementation)
    return method(settings, partition_for(settings, partition)) if settings.composes else method(settings)


def adapt_to_generator(
    settings: InversionSettings, generator: Generator, *, reals: bool = False
) -> tuple[InversionSettings, str]:
    """Drop the loss terms whose network the generator lacks; return the settings and a remark on what was dropped.

    Args:
        settings: Settings that were asked for.
        generator: Generator, on any device.
        reals: True if there are real images, which only a discriminator can look at.

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
    """Digests of the other networks that an inversion uses, by kind.

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
    """The layer at which results are edited.

    Raises:
        WeightsError: The method needs an encoder, and the generator has none.
    """
    default = generator.edit_layer
    encoder = encoder_of(generator).layer if "encoder" in settings.networks else default
    return settings.edit_layer(default, encoder)


def edit_partition(generator: Generator, layer: int, settings: MethodSettings) -> SubspacePartition:
    """The subspaces that a method composes by; for one that does without, those of PmSFC if they were discovered.

    Raises:
        UsageError: The layer does not exist, or has fewer channels than there are to be subspaces.
        WeightsError: The method needs subspaces, and none were discovered for this generator and layer.
    """
    count, affinity = settings.partition
    try:
        return find_partition(generator, layer, count, affinity=affinity)
    except (UsageError, WeightsError):
        if settings.discovery_layer is not None:
            raise
        return find_partition(generator, layer, 1, affinity=affinity)
