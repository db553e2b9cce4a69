"""Photos whose truth is known: degraded for the task, and compared with what was restored from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ganinvert import images
from ganinvert.benchmark.comparison import INPUT, METRICS
from ganinvert.benchmark.cost import CostRecord
from ganinvert.benchmark.protocol import EvaluationProtocol
from ganinvert.degradations import Measurement
from ganinvert.errors import ImageError
from ganinvert.metrics import alexnet_moments, frechet_distance, lpips, mse, psnr, ssim
from ganinvert.perception import has_lpips
from ganinvert.settings import InvertTask
from ganinvert.tasks.base import PreparedImage, Task
from ganinvert.tasks.session import Inverter

MethodMetrics = dict[str, dict[str, dict[str, float]]]
"""Mapping of label to photo to metric to number."""


@dataclass(frozen=True)
class GroundTruth:
    """A photo in the generator's square before it is degraded, (3, r, r) uint8, and its hash as it was prepared."""

    levels: Tensor
    sha256: str


@dataclass(frozen=True)
class MethodResult:
    """Files of the restored photo and its bundle, and the cost of the optimisation."""

    image: Path
    bundle: Path
    cost: CostRecord

    @property
    def levels(self) -> Tensor:
        """Pixels of the restored photo, (3, r, r) uint8."""
        return torch.from_numpy(images.to_array(images.read(self.image).rgb))


def read_truth(path: Path, inverter: Inverter, protocol: EvaluationProtocol) -> GroundTruth:
    """Read a photo into the square of a session's generator.

    Raises:
        ImageError: The photo cannot be used, or has nothing that could be lost and restored.
    """
    prepared = replace(inverter, request=replace(inverter.request, task=InvertTask(), square=True)).prepare(path)
    levels = prepared.measurement.levels
    try:
        Task.of(protocol.task).check_truth(levels)
    except ImageError as error:
        raise ImageError(f"{path}: {error.message}", hint=error.hint) from error
    return GroundTruth(levels, prepared.sha256)


def degrade(truth: GroundTruth, protocol: EvaluationProtocol) -> PreparedImage:
    """Degrade a photo to what a user would have, and prepare that for the task.

    Raises:
        UsageError: The photo cannot be so many times smaller, or the hole leaves nothing missing or nothing known.
    """
    task = Task.of(protocol.task)
    rng = np.random.default_rng([protocol.seed, int(truth.sha256[:16], 16)])
    picture = task.degrade(truth.levels, protocol.trial, rng)
    return task.prepare(picture, images.fit(picture, picture.rgb.width))


def visible_image(measurement: Measurement, resolution: int) -> Tensor:
    """Show a degraded photo as an image (3, r, r) uint8: gray, enlarged, or filled with the mean colour."""
    guess = measurement.degradation(resolution).guess(measurement.y)[0]
    return ((guess.clamp(-1, 1) + 1) * 127.5).round().byte()


def measure(result: Tensor, truth: Tensor, protocol: EvaluationProtocol, measurement: Measurement) -> dict[str, float]:
    """Compute the metrics of a restored photo, (3, r, r) uint8, against the photo before its degradation."""
    x, y = (levels[None].float() / 255 for levels in (result, truth))
    metrics = {"psnr": psnr(x, y), "ssim": ssim(x, y), "lpips_alex": lpips(x, y), "mse": mse(x, y)}
    if has_lpips("vgg"):
        metrics["lpips_vgg"] = lpips(x, y, net="vgg")
    metrics |= Task.of(protocol.task).metrics(x, y, measurement)
    return {name: float(metrics[name]) for name in METRICS if name in metrics}


def compare(
    results: Mapping[str, Mapping[str, MethodResult]],
    truths: Mapping[str, GroundTruth],
    protocol: EvaluationProtocol,
) -> tuple[MethodMetrics, dict[str, dict[str, float]]]:
    """Measure the results of all candidates on the same photos, and the degraded photos themselves.

    Returns:
        Label to photo to metric to number; and label to metric to number, for metrics of sets of 2 photos or more.
    """
    values: MethodMetrics = {label: {} for label in results}
    inputs: dict[str, Tensor] = {}
    for photo, truth in truths.items():
        degraded = degrade(truth, protocol).measurement
        for label, of_photo in results.items():
            metrics = measure(of_photo[photo].levels, truth.levels, protocol, degraded)
            values[label][photo] = {**metrics, **of_photo[photo].cost.metrics}
        if protocol.task.degrades:
            inputs[photo] = visible_image(degraded, truth.levels.shape[-1])
            values.setdefault(INPUT, {})[photo] = measure(inputs[photo], truth.levels, protocol, degraded)
    if len(truths) < 2:
        return values, {}
    reference = alexnet_moments(truth.levels / 255 for truth in truths.values())

    def distance(restored: Iterable[Tensor]) -> dict[str, float]:
        return {"frechet_alexnet": frechet_distance(alexnet_moments(levels / 255 for levels in restored), reference)}

    sets = {label: distance(of_photo[photo].levels for photo in truths) for label, of_photo in results.items()}
    return values, sets | ({INPUT: distance(inputs.values())} if inputs else {})
