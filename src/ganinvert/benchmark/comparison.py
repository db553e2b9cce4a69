"""Comparison of methods: metrics, and their statistics over photos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap

RESAMPLES = 10_000
BOOTSTRAP_SEED = 0
LEVEL = 0.95
INPUT = "input"
"""Label of the degraded photos themselves: gray, enlarged, or filled with the mean colour."""


@dataclass(frozen=True)
class Metric:
    """A metric of the tables: its heading and definition, digits after the point, and direction of better values."""

    title: str
    definition: str
    digits: int
    better: str = ""


METRICS: Mapping[str, Metric] = {
    "psnr": Metric("PSNR, dB", "-10 log10 of the mean squared difference, images in [0, 1], 8 bits", 2, "higher"),
    "psnr_missing": Metric("PSNR of the hole, dB", "PSNR of the missing pixels only", 2, "higher"),
    "ssim": Metric(
        "SSIM",
        "Wang et al. 2004: Gaussian window 11x11, sigma 1.5, K1 .01, K2 .03, biased covariances, mean over RGB",
        3,
        "higher",
    ),
    "color_auc_149": Metric(
        "colour AuC 0…149, %",
        "mean over thresholds 0, 1 … 149 of the share of pixels whose distance in a*b* (CIELAB, D65) is within",
        2,
        "higher",
    ),
    "color_auc_150": Metric("colour AuC 0…150, %", "the same with thresholds 0, 1 … 150", 2, "higher"),
    "lpips_alex": Metric("LPIPS alex", "Zhang et al. 2018, version 0.1, AlexNet, images in [-1, 1]", 4, "lower"),
    "lpips_vgg": Metric("LPIPS vgg", "Zhang et al. 2018, version 0.1, VGG16, images in [-1, 1]", 4, "lower"),
    "mse": Metric("MSE", "mean squared difference, images in [-1, 1]", 4, "lower"),
    "frechet_alexnet": Metric(
        "Fréchet (AlexNet)",
        "Fréchet distance of all results to all photos in AlexNet's relu5 features averaged over positions, images"
        " at 128 px; not an FID; biased upwards by few photos",
        2,
        "lower",
    ),
    "seconds": Metric(
        "s/photo", "wall time per photo (a batch in equal parts), without what is loaded or rendered once for all", 1
    ),
    "memory": Metric(
        "memory, MB", "peak while optimising: of tensors on CUDA, else resident memory of the whole process", 0
    ),
}
"""Metrics by name, in the order of the columns."""


@dataclass(frozen=True)
class MetricSummary:
    """Statistics of one metric of one method.

    Attributes:
        method: Label of the method.
        metric: Name of the metric, a key of `METRICS`.
        count: Number of photos.
        mean: Mean over the photos; for metrics of whole sets their value.
        sd: Standard deviation over the photos (n - 1); None for one photo, and where a number is infinite.
        difference: Mean of the photos' differences to the first method; None for the first method itself.
        low: Lower end of the interval of the difference, see `bootstrap_interval`.
        high: Upper end of that interval.
        published: Mean in the paper, when the protocols match.
    """

    method: str
    metric: str
    count: int
    mean: float
    sd: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    published: float | None = None


@dataclass(frozen=True)
class Comparison:
    """Metrics of methods on the same photos.

    Attributes:
        about: Facts that every row of the table repeats: generator, protocol, seeds, versions.
        methods: Label to the settings that tell methods apart; the others are compared with the first.
        values: Label to photo to metric to number, in the order of the table; the same photos for every method.
        sets: Label to metric to number, for metrics of whole sets.
        published: Label and metric to the paper's mean.
        notes: Sentences that belong to the table.
    """

    about: Mapping[str, Any]
    methods: Mapping[str, Mapping[str, Any]]
    values: Mapping[str, Mapping[str, Mapping[str, float]]]
    sets: Mapping[str, Mapping[str, float]]
    published: Mapping[tuple[str, str], float]
    notes: Sequence[str]

    @property
    def metrics(self) -> list[str]:
        """Names of the metrics that were measured, in the order of `METRICS`."""
        measured = {name for photos in self.values.values() for photo in photos.values() for name in photo}
        measured |= {name for of_set in self.sets.values() for name in of_set}
        return [name for name in METRICS if name in measured]

    @cached_property
    def summaries(self) -> list[MetricSummary]:
        """Statistics of every method and metric."""
        summaries = [self._summary(method, metric) for method in self.values for metric in self.metrics]
        return [summary for summary in summaries if summary is not None]

    def _summary(self, method: str, metric: str) -> MetricSummary | None:
        published = self.published.get((method, metric))
        numbers = self._numbers(method, metric)
        if numbers is None:
            value, count = self.sets.get(method, {}).get(metric), len(self.values[method])
            return None if value is None else MetricSummary(method, metric, count, value, published=published)
        summary = MetricSummary(method, metric, len(numbers), float(numbers.mean()), published=published)
        # The PSNR of equal images is infinite: so is the mean then, and there is nothing else to say.
        if len(numbers) > 1 and np.isfinite(numbers).all():
            summary = replace(summary, sd=float(numbers.std(ddof=1)))
        first = next(iter(self.values))
        reference = None if method == first else self._numbers(first, metric)
        if reference is None or not np.isfinite([numbers, reference]).all():
            return summary
        low, high = bootstrap_interval(numbers - reference)
        return replace(summary, difference=float((numbers - reference).mean()), low=low, high=high)

    def _numbers(self, method: str, metric: str) -> NDArray[np.float64] | None:
        photos = self.values[method].values()
        return np.array([photo[metric] for photo in photos]) if all(metric in photo for photo in photos) else None


def bootstrap_interval(values: NDArray[np.float64], *, level: float = LEVEL) -> tuple[float | None, float | None]:
    """Compute the percentile bootstrap interval of a mean (Efron 1979), by resampling the photos (n,).

    It holds the share `level` of the resampled means. Every method and metric has the same random seed, so that equal
    numbers have equal intervals. Fewer than 2 numbers, or infinite ones, have no interval: None.
    """
    if len(values) < 2 or not np.isfinite(values).all():
        return None, None
    interval = bootstrap(
        (values,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=level,
        method="percentile",
        random_state=np.random.default_rng(BOOTSTRAP_SEED),
    ).confidence_interval
    return float(interval.low), float(interval.high)
