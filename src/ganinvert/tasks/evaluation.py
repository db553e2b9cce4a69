"""Evaluating methods on photos whose truth is known: they are degraded, restored, and compared with themselves."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ganinvert import images
from ganinvert.degradations import Downsample, Grayscale
from ganinvert.errors import ImageError, UsageError
from ganinvert.losses import has_lpips
from ganinvert.methods import adapt_to_generator, auxiliary_digests, edit_layer, edit_partition
from ganinvert.metrics import (
    alexnet_moments,
    color_auc,
    frechet_distance,
    lpips,
    mse,
    psnr,
    ssim,
)
from ganinvert.protocols import CONTESTANTS, SWEPT, Protocol
from ganinvert.settings import InversionSettings, PmSFC
from ganinvert.subspaces import SubspacePartition
from ganinvert.tasks.base import ColorizeTask, InpaintTask, InvertTask, PreparedImage, Task, UpscaleTask, is_gray
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
    if protocol.task == "colorize" and is_gray(levels):
        raise ImageError(f"{path}: has no colours that could be restored", hint="leave gray photos out of the folder")
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
        method = settings.method
        layer = edit_layer(method, base.generator)
        if "layer" in point and isinstance(method, PmSFC) and method.subspaces > 1:
            partition = SubspacePartition.random(base.generator.layer_info(layer).channels, method.subspaces)
        else:
            partition = edit_partition(base.generator, layer, method)
        if CONTESTANTS[name].random_partition and partition.subspaces > 1:
            partition = partition.shuffled()
        chosen, remark = adapt_to_generator(settings, base.generator)
        networks = auxiliary_digests(chosen, base.generator)
        inverter = replace(
            base, settings=chosen, layer=layer, partition=partition, auxiliary_digests=networks, remark=remark
        )
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
    if lacking := [key for key in point if key != "steps" and not hasattr(chosen.method, SWEPT[key])]:
        raise UsageError(f"{name} has no {lacking[0]} that could be swept", hint="leave the method or the sweep out")
    return replace(chosen, method=replace(chosen.method, **changes))  # type: ignore[arg-type]  # they are integers


def task_of(protocol: Protocol) -> Task:
    """The task that undoes the degradation."""
    match protocol.task:
        case "colorize":
            return ColorizeTask(protocol.luma)
        case "upscale":
            return UpscaleTask(None, protocol.kernel)
        case "inpaint":
            return InpaintTask()
        case _:
            return InvertTask()


def degrade(truth: Truth, protocol: Protocol) -> PreparedImage:
    """What a user would have had instead of the photo, made ready for the task.

    Args:
        truth: The photo.
        protocol: How to degrade it.

    Raises:
        UsageError: The photo cannot be so many times smaller, or the hole leaves nothing missing or nothing known.
    """
    resolution = truth.levels.shape[-1]
    x = truth.levels[None].float() / 127.5 - 1
    match protocol.task:
        case "colorize":
            picture = _picture(Grayscale(protocol.luma)(x).expand(-1, 3, -1, -1))
        case "upscale":
            side = UpscaleTask(protocol.factor, protocol.kernel).side(_picture(x), resolution)
            picture = _picture(Downsample(resolution, side, kernel=protocol.kernel)(x))
        case "inpaint":
            missing = missing_pixels(protocol, resolution, truth.sha256)
            hole = images.to_pil(missing.expand(3, -1, -1).float().numpy()).convert("L")
            picture = images.with_hole(_picture(x), hole)
        case _:
            picture = _picture(x)
    return task_of(protocol).target(picture, images.fit(picture, picture.rgb.width))


def missing_pixels(protocol: Protocol, side: int, input_sha256: str) -> Tensor:
    """The hole, (side, side) bool: a box in the middle, or pixels drawn for this photo whatever its place in a folder.

    Raises:
        UsageError: The share is less than half a pixel, or all but that.
    """
    missing = np.zeros((side, side), dtype=bool)
    if protocol.hole == "box":
        length = round(side * math.sqrt(protocol.share))
        start = (side - length) // 2
        missing[start : start + length, start : start + length] = True
    else:
        rng = np.random.default_rng([protocol.seed, int(input_sha256[:16], 16)])
        missing.flat[rng.permutation(side * side)[: round(protocol.share * side * side)]] = True
    if not missing.any() or missing.all():
        raise UsageError(
            f"a missing share of {protocol.share:g} leaves {'nothing' if missing.all() else 'everything'} known at"
            f" {side} pixels",
            hint="choose one farther from 0 and 1",
        )
    return torch.from_numpy(missing)


def measure(result: Tensor, truth: Tensor, protocol: Protocol, *, missing: Tensor | None = None) -> dict[str, float]:
    """The metrics of one result, but for its costs.

    Args:
        result: (3, r, r) uint8.
        truth: (3, r, r) uint8.
        protocol: Whose task decides which.
        missing: (r, r) bool, the hole of `inpaint`.
    """
    x, y = (levels[None].float() / 255 for levels in (result, truth))
    found = {"psnr": psnr(x, y), "ssim": ssim(x, y), "lpips_alex": lpips(x, y), "mse": mse(x, y)}
    if has_lpips("vgg"):
        found["lpips_vgg"] = lpips(x, y, net="vgg")
    if protocol.task == "colorize":
        found |= {f"color_auc_{top}": color_auc(x, y, top=top) for top in (149, 150)}
    if missing is not None:
        found["psnr_missing"] = psnr(x[:, :, missing], y[:, :, missing])
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
        missing = None if degraded.known is None else ~degraded.known
        for label, found in results.items():
            numbers = measure(found[photo].levels, truth.levels, protocol, missing=missing)
            values[label][photo] = {**numbers, **found[photo].record.costs}
        if protocol.task != "invert":
            seen = degraded.degradation(truth.levels.shape[-1]).guess(degraded.y)[0]
            inputs[photo] = ((seen.clamp(-1, 1) + 1) * 127.5).round().byte()
            values.setdefault(INPUT, {})[photo] = measure(inputs[photo], truth.levels, protocol, missing=missing)
    if len(truths) < 2:
        return values, {}
    reference = alexnet_moments(truth.levels / 255 for truth in truths.values())

    def distance(shown: Iterable[Tensor]) -> dict[str, float]:
        return {"frechet_alexnet": frechet_distance(alexnet_moments(levels / 255 for levels in shown), reference)}

    sets = {label: distance(found[photo].levels for photo in truths) for label, found in results.items()}
    return values, sets | ({INPUT: distance(inputs.values())} if inputs else {})


def _picture(x: Tensor) -> images.Picture:
    return images.Picture(images.to_pil(((x[0].clamp(-1, 1) + 1) / 2).numpy()))
