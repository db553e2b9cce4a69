"""Resolution of a request: done once, before there is any work to lose; with the identity and provenance of results."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from typing import Any, Self

import torch

from ganinvert import __version__
from ganinvert.devices import resolve_device, resolve_precision, undisturbed
from ganinvert.errors import MissingNetworkError, UsageError, WeightsError
from ganinvert.faces import Alignment
from ganinvert.generators import Generator, load_generator
from ganinvert.images.folder import ImageFolder
from ganinvert.methods import discriminator_of, encoder_of
from ganinvert.optimize import Outcome
from ganinvert.settings import InversionSettings, MethodSettings, Objective, Optimization, Request, divergences
from ganinvert.settings.common import plain
from ganinvert.subspaces import SubspacePartition, find_partition
from ganinvert.tasks.base import PreparedImage, Task
from ganinvert.weights import digest

SMALLEST_PART, MOST_PARTS = 128, 4
"""Least side in pixels of the parts of images at which steps look, and their largest number along a side."""
LOSS_SIDE = 512
"""Side in pixels to which larger images are averaged for the loss."""


@dataclass(frozen=True)
class ResolvedRequest:
    """A request, resolved for one generator and device.

    Attributes:
        request: Task, settings and everything else that results depend on.
        settings: Method, optimiser, loss weights and fine-tuning, as far as the generator allows them.
        generator: The generator, on the device.
        layer: Layer at which results can be edited.
        partition: Subspaces of that layer.
        networks: Digests of the other networks that the method uses, by kind.
        reals: Real images for near-perfect fine-tuning; None: the generator's own samples.
        device: Device to compute on.
        dtype: Data type of convolutions.
        remark: Note on every result; empty for none.
    """

    request: Request
    settings: InversionSettings
    generator: Generator
    layer: int
    partition: SubspacePartition
    networks: Mapping[str, str]
    reals: ImageFolder | None
    device: torch.device
    dtype: torch.dtype
    remark: str

    @classmethod
    @undisturbed()
    def open(
        cls, request: Request, partition: SubspacePartition | None = None, *, generator: Generator | None = None
    ) -> Self:
        """Load the generator of a request, and resolve its settings.

        Args:
            request: Task, settings and everything else that results depend on.
            partition: Subspaces to use instead of the discovered ones; a method that composes by them gets as many.
            generator: The request's generator if it is loaded already; it is shared, not copied.

        Raises:
            UsageError: The device, layer, face or number of subspaces does not exist.
            WeightsError: The generator is unknown or damaged, it lacks a network that the method needs, or no
                subspaces were discovered for it.
        """
        Alignment(request.align, request.faces)
        device = resolve_device(request.device)
        generator = load_generator(request.generator) if generator is None else generator
        dtype = resolve_precision(request.dtype, device, allows_bfloat16=generator.allows_bfloat16)
        settings = request.settings_for(styled=generator.is_styled)
        for name in {settings.method.code_space, *(("w+",) if settings.method.space == "f" else ())}:
            generator.space(name)
        settings, remark = _adapt(settings, generator, reals=request.reals is not None)
        settings = _by_parts(settings, generator)
        load = {"encoder": encoder_of, "discriminator": discriminator_of}
        networks = {kind: digest(load[kind](generator).state_dict()) for kind in settings.networks}  # type: ignore[operator]
        encoder = encoder_of(generator).layer if "encoder" in settings.method.networks else generator.edit_layer
        layer = settings.method.edit_layer(generator.edit_layer, encoder)
        if partition is None:
            partition = _partition(generator, layer, settings.method)
        elif settings.method.discovery_layer is not None:
            settings = replace(settings, method=replace(settings.method, subspaces=partition.subspaces))  # type: ignore[call-arg]
        Task.of(request.task).check(generator.resolution, whole=request.gives_whole)
        reals = None if request.reals is None else ImageFolder.load(request.reals, generator.resolution)
        return cls(request, settings, generator.to(device), layer, partition, networks, reals, device, dtype, remark)

    @cached_property
    def task(self) -> Task[Any]:
        """The task."""
        return Task.of(self.request.task)

    @property
    def settings_hash(self) -> str:
        """SHA-256 over every setting, weight and partition that determines a result, except the input image."""
        content = {
            **self._origin,
            "settings": plain(self.settings),
            "masks": self.partition.labels.tolist(),
            "generator": self.generator.digest,
            "helpers": dict(self.networks),
            "dtype": str(self.dtype),
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def provenance(self, prepared: PreparedImage, outcome: Outcome) -> dict[str, Any]:
        """The provenance that a bundle keeps: input hash, settings hash, notes, versions; strings and numbers."""
        place = prepared.fit.placement
        different = divergences(self.settings, self.request.task.name)
        return {
            "input_sha256": prepared.sha256,
            "settings_hash": self.settings_hash,
            "notes": "; ".join(map(str, prepared.notes)),
            "outcome": outcome.name,
            "diverges": "; ".join(f"{key}: {text}" for key, text in different.items()),
            "device": str(self.device),
            "dtype": str(self.dtype).removeprefix("torch."),
            **self._origin,
            "place": " ".join(
                f"{number:g}" for vector in (place.corner, place.across, place.down) for number in vector
            ),
            "licence": self.generator.licence,
            **software(),
        }

    @property
    def _origin(self) -> dict[str, Any]:
        """The task's options, and those of the request that are plain values."""
        request, tuning = self.request, self.settings.tuning
        reals = ""
        if tuning is not None and tuning.cohesion:
            reals = "samples" if self.reals is None else self.reals.sha256
        return {
            "seed": request.seed,
            "reals": reals,
            "fit": request.fit,
            "align": request.align,
            "face": request.faces,
            "paste_back": request.gives_whole,
            **request.task.identity,
        }


def software() -> dict[str, str]:
    """The time, and the versions of the software, for a bundle's provenance."""
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "ganinvert": __version__,
        "torch": version("torch"),
    }


def _adapt(settings: InversionSettings, generator: Generator, *, reals: bool) -> tuple[InversionSettings, str]:
    """Drop the loss terms whose network the generator lacks; return the settings and a remark on what was dropped."""
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


def _by_parts(settings: InversionSettings, generator: Generator) -> InversionSettings:
    """Let steps look at parts of large images, where the settings leave that to the generator and it computes less."""
    if generator.resolution < 2 * SMALLEST_PART or generator.reach(generator.num_layers) is None:
        return settings
    tuning, r = settings.tuning, generator.resolution
    whole = settings.method.tunes_generator
    first = _parted(settings.optimization, settings.objective, r, whole=whole)
    if tuning is not None:
        whole = bool(tuning.adversarial or tuning.cohesion or tuning.stop)
        tuning = replace(tuning, **_parted(tuning.optimization, tuning.objective, r, whole=whole))
    return replace(settings, tuning=tuning, **first)


def _parted(optimization: Optimization, objective: Objective, resolution: int, *, whole: bool) -> dict[str, Any]:
    """Fields with the number of parts; steps that need the whole image have one."""
    if optimization.parts or not optimization.steps:
        return {}
    if whole or optimization.optimizer == "lbfgs":
        return {"optimization": replace(optimization, parts=1)}
    side = objective.side or (LOSS_SIDE if resolution > LOSS_SIDE else 0)
    parts = min(resolution // SMALLEST_PART, MOST_PARTS)
    return {"optimization": replace(optimization, parts=parts), "objective": replace(objective, side=side)}


def _partition(generator: Generator, layer: int, settings: MethodSettings) -> SubspacePartition:
    """The subspaces that a method composes by; for one that does without, those of PmSFC if they were discovered."""
    count, affinity = settings.partition
    try:
        return find_partition(generator, layer, count, affinity=affinity)
    except (UsageError, WeightsError):
        if settings.discovery_layer is not None:
            raise
        return find_partition(generator, layer, 1, affinity=affinity)
