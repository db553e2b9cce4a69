"""Candidates of a benchmark: methods with their settings at the points of a sweep, loaded for the task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import Any

from ganinvert.benchmark.protocol import SWEPT, Adjustment, EvaluationProtocol, variants
from ganinvert.benchmark.session import CandidateRequest
from ganinvert.errors import UsageError
from ganinvert.methods import partition_for
from ganinvert.settings import InversionSettings
from ganinvert.tasks.session import Inverter


@dataclass(frozen=True)
class Candidate:
    """A method variant of `protocol.variants`, loaded for the task, at a point of the sweep; empty without a sweep."""

    name: str
    request: CandidateRequest
    inverter: Inverter
    point: Mapping[str, int]

    @property
    def label(self) -> str:
        """Name of the method, and the point of the sweep."""
        return " ".join([self.name, *(f"{key}={value}" for key, value in self.point.items())])

    @property
    def described(self) -> dict[str, Any]:
        """Settings that tell the candidates of a table apart."""
        settings, partition = self.inverter.settings, self.inverter.partition
        if settings.method.composes:
            partition = partition_for(settings.method, partition)
        return {
            **{name: getattr(settings.method, name, "") for name in ("subspaces", "codes", "layer", "weighting")},
            "masks": partition.source,
            "steps": settings.optimization.steps,
            "lr": settings.optimization.lr,
            "settings_hash": self.inverter.settings_hash,
        }


def load_candidates(
    base: Inverter,
    protocol: EvaluationProtocol,
    names: Sequence[str],
    *,
    adjust: Adjustment = lambda settings: settings,
    sweep: Mapping[str, Sequence[int]],
    batch_size: int | None = None,
) -> list[Candidate]:
    """Load every method at every point of the sweep, on one generator.

    All swept layers get random subspaces of equal sizes: most layers were never discovered, and discovered subspaces
    would not compare with random ones.

    Args:
        base: Session of the task; its settings are replaced.
        protocol: Degradation of the photos.
        names: Names of method variants, as `variants` has them.
        adjust: Function that makes the user's changes in the settings of a method.
        sweep: Keys of `protocol.SWEPT` to values; empty for no sweep.
        batch_size: Photos that an accelerator optimises together; None: as many as fit.

    Raises:
        UsageError: A method lacks the swept setting or cannot do the task, or the layer does not fit.
    """
    candidates = []
    for name, values in product(names, product(*sweep.values())):
        point = dict(zip(sweep, values, strict=True))
        variant = variants()[name]
        request = CandidateRequest(
            request=replace(
                base.request,
                settings=variant.settings(
                    base.task.name, partial(_at_point, adjust, name, point), styled=base.generator.is_styled
                ),
            ),
            batch_size=batch_size,
            protocol=protocol,
            equal_subspaces="layer" in point,
            shuffled=variant.shuffled,
        )
        candidates.append(Candidate(name, request, request.open_inverter(base.generator), point))
    return candidates


def _at_point(
    adjust: Adjustment, name: str, point: Mapping[str, int], settings: InversionSettings
) -> InversionSettings:
    settings = adjust(settings)
    changes = {SWEPT[key]: value for key, value in point.items()}
    if (steps := changes.pop("steps", None)) is not None and settings.optimization.steps:
        settings = replace(settings, optimization=replace(settings.optimization, steps=steps))
    if lacking := [key for key in point if key != "steps" and SWEPT[key] not in vars(settings.method)]:
        raise UsageError(f"{name} has no {lacking[0]} that could be swept", hint="leave the method or the sweep out")
    return replace(settings, method=replace(settings.method, **changes))  # type: ignore[arg-type]  # numbers
