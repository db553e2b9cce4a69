"""A benchmark, and its results as they were written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ganinvert import images
from ganinvert.benchmark.candidates import Candidate
from ganinvert.benchmark.comparison import INPUT
from ganinvert.benchmark.cost import CostRecord
from ganinvert.benchmark.protocol import EvaluationProtocol
from ganinvert.benchmark.truth import GroundTruth, degrade, measure, visible_image
from ganinvert.metrics import alexnet_moments, frechet_distance
from ganinvert.tasks.session import Inverter

MethodMetrics = dict[str, dict[str, dict[str, float]]]
"""Mapping of label to photo to metric to number."""


@dataclass(frozen=True)
class Benchmark:
    """Candidates that are compared on photos.

    Attributes:
        protocol: Degradation of the photos.
        inverter: Session that prepares the photos before their degradation.
        candidates: Methods; the others are compared with the first.
        folder: Folder of tables, figures and results.
        sample_seed: Random seed with which the photos were chosen.
    """

    protocol: EvaluationProtocol
    inverter: Inverter
    candidates: Sequence[Candidate]
    folder: Path
    sample_seed: int = 0


@dataclass(frozen=True)
class MethodResult:
    """Files of one result.

    Attributes:
        image: PNG file of the restored photo.
        bundle: Bundle of the inversion.
        cost: Cost of the optimisation.
    """

    image: Path
    bundle: Path
    cost: CostRecord

    @property
    def levels(self) -> Tensor:
        """Pixels of the restored photo, (3, r, r) uint8."""
        return torch.from_numpy(images.to_array(images.read(self.image).rgb))


@dataclass(frozen=True)
class StudyResult:
    """Results of a benchmark.

    Attributes:
        benchmark: The benchmark.
        truths: Photo to its ground truth; only photos that every candidate has a result of.
        results: Label of the candidate to photo to result.
        photos_asked: Number of photos that were to be measured.
    """

    benchmark: Benchmark
    truths: Mapping[str, GroundTruth]
    results: Mapping[str, Mapping[str, MethodResult]]
    photos_asked: int


def compare(
    results: Mapping[str, Mapping[str, MethodResult]],
    truths: Mapping[str, GroundTruth],
    protocol: EvaluationProtocol,
) -> tuple[MethodMetrics, dict[str, dict[str, float]]]:
    """Measure the results of all candidates on the same photos, and the degraded photos themselves.

    Args:
        results: Label of the candidate to photo to result.
        truths: Photo to its ground truth.
        protocol: Degradation of the photos.

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
