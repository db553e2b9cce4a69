"""Photos whose truth is known: degraded for the task, and compared with what was restored from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from ganinvert import images
from ganinvert.benchmark.comparison import METRICS
from ganinvert.benchmark.protocol import EvaluationProtocol
from ganinvert.degradations import Measurement
from ganinvert.errors import ImageError
from ganinvert.losses import has_lpips
from ganinvert.metrics import lpips, mse, psnr, ssim
from ganinvert.tasks.base import PreparedImage, Task
from ganinvert.tasks.session import Inverter


@dataclass(frozen=True)
class GroundTruth:
    """A photo in the generator's square, before it is degraded.

    Attributes:
        levels: Pixels, (3, r, r) uint8.
        sha256: SHA-256 of the photo as it was prepared.
    """

    levels: Tensor
    sha256: str


def read_truth(path: Path, inverter: Inverter, protocol: EvaluationProtocol) -> GroundTruth:
    """Read a photo into the generator's square.

    Args:
        path: File of the photo.
        inverter: Session of the task `InvertTask`.
        protocol: Degradation that follows.

    Raises:
        ImageError: The photo cannot be used, or has nothing that could be lost and restored.
    """
    prepared = inverter.prepare(path)
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
    """Compute the metrics of one result, without its cost.

    Args:
        result: Restored photo, (3, r, r) uint8.
        truth: Photo before its degradation, of the same shape.
        protocol: Degradation, whose task has metrics of its own.
        measurement: The degraded photo.
    """
    x, y = (levels[None].float() / 255 for levels in (result, truth))
    metrics = {"psnr": psnr(x, y), "ssim": ssim(x, y), "lpips_alex": lpips(x, y), "mse": mse(x, y)}
    if has_lpips("vgg"):
        metrics["lpips_vgg"] = lpips(x, y, net="vgg")
    metrics |= Task.of(protocol.task).metrics(x, y, measurement)
    return {name: float(metrics[name]) for name in METRICS if name in metrics}
