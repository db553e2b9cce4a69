"""Evaluating methods on photos whose truth is known: they are degraded, restored, and compared with themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from torch import Tensor

from ganinvert import images
from ganinvert.degradations import Measurement
from ganinvert.errors import ImageError, UsageError
from ganinvert.losses import has_lpips
from ganinvert.metrics import (
    alexnet_moments,
    frechet_distance,
    lpips,
    mse,
    psnr,
    ssim,
)
from ganinvert.protocols import CONTESTANTS, SWEPT, Protocol
from ganinvert.settings import InversionSettings
from ganinvert.subspaces import SubspacePartition
from ganinvert.tasks.base import PreparedImage, Task
from ganinvert.tasks.comparison import INPUT, METRICS
from ganinvert.tasks.records import Result
from ganinvert.tasks.session import Inverter


@dataclass(frozen=True)
class Truth:
    """A photo in the generator's square, as it is.

    Attributes:
        levels: (3, r, r) uint8.
        sha256: Of these.
    """

    levels: Tensor
    sha256: str


def read_truth(path: Path, inverter: Inverter, protocol: Protocol) -> Truth:
    """A photo as it is, in the generator's square.

    Args:
        path: Its file.
        inverter: Loaded for `InvertTask`.
        protocol: How it is going to be degraded.

    Raises:
        ImageError: It cannot be used, or has nothing that could be lost and restored.
    """
    target = inverter.prepare(path)
    levels = target.measurement.levels
    try:
        Task.of(protocol.trial.task()).check_truth(levels)
    except ImageError as error:
        raise ImageError(f"{path}: {error.message}", hint=error.hint) from error
    return Truth(levels, target.sha256)


@dataclass(frozen=True)
class Contender:
    """A method, loaded for the task.

    Attributes:
        name: As in `protocols.CONTESTANTS`.
        inverter: With its settings and masks.
        point: Where in a sweep, empty without one.
    """

    name: str
    inverter: Inverter
    point: Mapping[str, int]

    @property
    def label(self) -> str:
        """The method's name and the point of the sweep."""
        return " ".join([self.name, *(f"{key}={value}" for key, value in self.point.items())])


def contenders(
    base: Inverter,
    names: Sequence[str],
    *,
    adjust: Callable[[InversionSettings], InversionSettings] = lambda chosen: chosen,
    sweep: Mapping[str, Sequence[int]],
) -> list[Contender]:
    """Every method at every point of the sweep, on one generator.

    Layers that are swept get random subspaces of equal sizes, all of them: most were never discovered, and discovered
    ones would not compare with random ones.

    Args:
        base: Loaded for the task; its settings are replaced.
        names: Of `CONTESTANTS`.
        adjust: Makes the changes that the user wants in a method's settings.
        sweep: Of `protocols.SWEPT`, names to values; empty for none.

    Raises:
        UsageError: There is no such layer, or there are fewer channels than subspaces, or a method has not what is
            swept, or cannot do the task.
        WeightsError: No subspaces were discovered for this generator and layer, or it lacks another network.
    """
    found = []
    for name, values in product(names, product(*sweep.values())):
        point = dict(zip(sweep, values, strict=True))
        settings = CONTESTANTS[name].settings(base.task.name, partial(_moved, adjust, name, point))
        partition = None
        if "layer" in point and settings.discovery_layer is not None:
            channels = base.generator.layer_info(settings.discovery_layer).channels
            partition = SubspacePartition.random(channels, settings.method.partition[0])
        inverter = Inverter.open(replace(base.request, settings=settings), partition, generator=base.generator)
        if CONTESTANTS[name].random_partition and inverter.partition.subspaces > 1:
            resolved = replace(inverter.resolved, partition=inverter.partition.shuffled())
            inverter = replace(inverter, resolved=resolved)
        found.append(Contender(name, inverter, point))
    return found


def _moved(
    adjust: Callable[[InversionSettings], InversionSettings],
    name: str,
    point: Mapping[str, int],
    chosen: InversionSettings,
) -> InversionSettings:
    """Settings at a point of a sweep."""
    chosen = adjust(chosen)
    changes = {SWEPT[key]: value for key, value in point.items()}
    if (steps := changes.pop("steps", None)) is not None and chosen.optimization.steps:
        chosen = replace(chosen, optimization=replace(chosen.optimization, steps=steps))
    if lacking := [key for key in point if key != "steps" and SWEPT[key] not in vars(chosen.method)]:
        raise UsageError(f"{name} has no {lacking[0]} that could be swept", hint="leave the method or the sweep out")
    return replace(chosen, method=replace(chosen.method, **changes))


def degrade(truth: Truth, protocol: Protocol) -> PreparedImage:
    """What a user would have had instead of the photo, made ready for the task.

    Args:
        truth: The photo.
        protocol: How to degrade it.

    Raises:
        UsageError: The photo cannot be so many times smaller, or the hole leaves nothing missing or nothing known.
    """
    task = Task.of(protocol.trial.task())
    rng = np.random.default_rng([protocol.seed, int(truth.sha256[:16], 16)])
    picture = task.degrade(truth.levels, protocol.trial, rng)
    return task.prepare(picture, images.fit(picture, picture.rgb.width))


def measure(
    result: Tensor, truth: Tensor, protocol: Protocol, *, measurement: Measurement | None = None
) -> dict[str, float]:
    """The metrics of one result, but for its costs.

    Args:
        result: (3, r, r) uint8.
        truth: (3, r, r) uint8.
        protocol: Whose task decides which.
        measurement: The degraded photo, for metrics of the task alone.
    """
    x, y = (levels[None].float() / 255 for levels in (result, truth))
    found = {"psnr": psnr(x, y), "ssim": ssim(x, y), "lpips_alex": lpips(x, y), "mse": mse(x, y)}
    if has_lpips("vgg"):
        found["lpips_vgg"] = lpips(x, y, net="vgg")
    if measurement is not None:
        found |= Task.of(protocol.trial.task()).metrics(x, y, measurement)
    return {name: float(found[name]) for name in METRICS if name in found}


def compare(
    results: Mapping[str, Mapping[str, Result]],
    truths: Mapping[str, Truth],
    protocol: Protocol,
) -> tuple[dict[str, dict[str, dict[str, float]]], dict[str, dict[str, float]]]:
    """Measure the results of all methods on the same photos, and what is seen without any method.

    Args:
        results: Label of the method to photo to result.
        truths: The photos.
        protocol: How they were degraded.

    Returns:
        Label to photo to metric to number, and label to metric to number for metrics of whole sets.
    """
    values: dict[str, dict[str, dict[str, float]]] = {label: {} for label in results}
    inputs: dict[str, Tensor] = {}
    for photo, truth in truths.items():
        degraded = degrade(truth, protocol).measurement
        for label, found in results.items():
            numbers = measure(found[photo].levels, truth.levels, protocol, measurement=degraded)
            values[label][photo] = {**numbers, **found[photo].record.costs}
        if protocol.task != "invert":
            seen = degraded.degradation(truth.levels.shape[-1]).guess(degraded.y)[0]
            inputs[photo] = ((seen.clamp(-1, 1) + 1) * 127.5).round().byte()
            values.setdefault(INPUT, {})[photo] = measure(inputs[photo], truth.levels, protocol, measurement=degraded)
    if len(truths) < 2:
        return values, {}
    reference = alexnet_moments(truth.levels / 255 for truth in truths.values())

    def distance(shown: Iterable[Tensor]) -> dict[str, float]:
        return {"frechet_alexnet": frechet_distance(alexnet_moments(levels / 255 for levels in shown), reference)}

    sets = {label: distance(found[photo].levels for photo in truths) for label, found in results.items()}
    return values, sets | ({INPUT: distance(inputs.values())} if inputs else {})
