"""Resolution of a request against its generator: done once, before there is any work to lose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch

from ganinvert.generators import Generator
from ganinvert.images.folder import ImageFolder
from ganinvert.methods import adapt_to_generator, auxiliary_digests, edit_layer, edit_partition
from ganinvert.settings import InversionSettings, Request
from ganinvert.subspaces import SubspacePartition


@dataclass(frozen=True)
class ResolvedSettings:
    """Settings of a request, resolved for one generator and device.

    Attributes:
        settings: Method, optimiser, loss weights and fine-tuning, as far as the generator allows them.
        layer: Layer whose features can be edited in results.
        partition: Subspaces of that layer.
        digest: Digest of the generator's weights.
        licence: Licence of the generator.
        networks: Digests of the other networks that the method uses, by kind.
        reals: Source of real images for fine-tuning: "samples" of the generator, the hash of a folder, or "" for none.
        device: Device to compute on.
        dtype: Data type of convolutions.
        remark: Note on every result; empty for none.
        images: Real images for fine-tuning; None: the generator's own samples.
    """

    settings: InversionSettings
    layer: int
    partition: SubspacePartition
    digest: str
    licence: str
    networks: Mapping[str, str]
    reals: str
    device: torch.device
    dtype: torch.dtype
    remark: str = ""
    images: ImageFolder | None = None


def resolve(
    request: Request,
    generator: Generator,
    *,
    device: torch.device,
    dtype: torch.dtype,
    partition: SubspacePartition | None = None,
) -> ResolvedSettings:
    """Resolve a request against its generator.

    Args:
        request: Task, settings and seed.
        generator: The loaded generator.
        device: Device to compute on.
        dtype: Data type of convolutions.
        partition: Subspaces to use instead of the discovered ones; a method that composes by subspaces gets as many.

    Raises:
        UsageError: The layer or number of subspaces does not exist.
        WeightsError: The generator lacks a network that the method needs, or no subspaces were discovered for it.
    """
    settings, remark = adapt_to_generator(request.settings, generator, reals=request.reals is not None)
    networks = auxiliary_digests(settings, generator)
    layer = edit_layer(settings.method, generator)
    if partition is None:
        partition = edit_partition(generator, layer, settings.method)
    elif settings.discovery_layer is not None:
        settings = replace(settings, method=replace(settings.method, subspaces=partition.subspaces))  # type: ignore[call-arg]
    images = None if request.reals is None else ImageFolder.load(request.reals, generator.resolution)
    source = ""
    if settings.tuning is not None and settings.tuning.cohesion:
        source = "samples" if images is None else images.sha256
    licence = generator.licence
    return ResolvedSettings(
        settings, layer, partition, generator.digest, licence, networks, source, device, dtype, remark, images
    )
