"""Tables that compare methods: statistics over photos, and their encodings. A reader needs nothing but the file."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000
BOOTSTRAP_SEED = 0
LEVEL = 0.95
INPUT = "input"
"""What tables call the degraded photos themselves: gray, enlarged, or filled with the mean colour."""


@dataclass(frozen=True)
class Metric:
    """A number that tables hold.

    Attributes:
        title: Heads its column.
        definition: What it is, in one line, for a reader who has nothing but the table.
        digits: After the point.
        better: "higher", "lower" or "".
    """

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
"""In the order of the columns."""
COSTS = ("seconds", "memory")
"""Metrics that are measured anew by every run."""


@dataclass(frozen=True)
class Summary:
    """One metric of one method.

    Attributes:
        method: Label of the method.
        metric: Name in `METRICS`.
        count: Photos.
        mean: Over the photos; of metrics of whole sets their value.
        sd: Standard deviation over the photos (n - 1); None for one photo, for metrics of whole sets, and where a
            number is infinite.
        difference: Mean of the photos' differences to the first method; None for that itself, and as above.
        low: Lower end of the interval of that mean, see `bootstrap_interval`; None where there is none.
        high: Its upper end.
        published: Mean that the paper states, when the protocols match.
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
    """Methods, measured on the same photos.

    Attributes:
        about: What every row of the table repeats: generator, protocol, seeds, versions.
        methods: Label to the settings that tell methods apart; the first is what the others are compared with.
        values: Label to photo to metric to number, in the order of the table; the same photos for every method.
        sets: Label to metric to number, of metrics of whole sets.
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
        """Those that were measured, in the order of `METRICS`."""
        known = {name for photos in self.values.values() for photo in photos.values() for name in photo}
        known |= {name for found in self.sets.values() for name in found}
        return [name for name in METRICS if name in known]

    @property
    def summaries(self) -> list[Summary]:
        """A row per method and metric."""
        found = [self._summary(method, metric) for method in self.values for metric in self.metrics]
        return [summary for summary in found if summary is not None]

    def csv(self) -> str:
        """A row per method and metric, every one complete: settings, definition, generator, seeds, versions."""
        rows = []
        for summary in self.summaries:
            metric = METRICS[summary.metric]
            definition = {"definition": metric.definition, "better": metric.better}
            rows.append({**asdict(summary), **definition, **self.methods.get(summary.method, {}), **self.about})
        return encode_csv(rows)

    def photos_csv(self) -> str:
        """A row per method and photo."""
        return encode_csv(
            [
                {"method": method, "photo": photo, **dict.fromkeys(self.metrics, ""), **metrics, **self.about}
                for method, photos in self.values.items()
                for photo, metrics in photos.items()
            ]
        )

    def json(self) -> str:
        """Everything, numbers unrounded; null where a number is not finite."""
        content = {
            "schema": 1,
            "about": self.about,
            "notes": self.notes,
            "metrics": {name: asdict(METRICS[name]) for name in self.metrics},
            "methods": self.methods,
            "summaries": [asdict(summary) for summary in self.summaries],
            "photos": self.values,
        }
        return json.dumps(_finite(content), indent=1, ensure_ascii=False) + "\n"

    def markdown(self) -> str:
        """The table as people read it, with what it was measured on, definitions and notes below."""
        cells = {(summary.method, summary.metric): summary for summary in self.summaries}
        lines = [
            "| | " + " | ".join(METRICS[metric].title for metric in self.metrics) + " |",
            "|---|" + "---|" * len(self.metrics),
        ]
        for method in self.values:
            found = [cells.get((method, metric)) for metric in self.metrics]
            texts = ["<br>".join(filter(None, cell(summary))) if summary else "" for summary in found]
            lines.append(f"| {method} | " + " | ".join(texts) + " |")
        about = [f"- {name.replace('_', ' ')}: {value}" for name, value in self.about.items()]
        meanings = [f"- {METRICS[name].title}: {METRICS[name].definition}" for name in self.metrics]
        return "\n".join([*lines, "", *self.notes, "", *about, "", *meanings, ""])

    def _summary(self, method: str, metric: str) -> Summary | None:
        published = self.published.get((method, metric))
        numbers = self._numbers(method, metric)
        if numbers is None:
            value = self.sets.get(method, {}).get(metric)
            count = len(self.values[method])
            return None if value is None else Summary(method, metric, count, value, published=published)
        first = next(iter(self.values))
        reference = None if method == first else self._numbers(first, metric)
        mean, sd, difference, low, high = float(numbers.mean()), None, None, None, None
        # The PSNR of equal images is infinite: so is the mean then, and there is nothing else to say.
        if len(numbers) > 1 and np.isfinite(numbers).all():
            sd = float(numbers.std(ddof=1))
        if reference is not None and np.isfinite([numbers, reference]).all():
            difference = float((numbers - reference).mean())
            low, high = bootstrap_interval(numbers - reference)
        return Summary(method, metric, len(numbers), mean, sd, difference, low, high, published)

    def _numbers(self, method: str, metric: str) -> NDArray[np.float64] | None:
        photos = self.values[method].values()
        return np.array([photo[metric] for photo in photos]) if all(metric in photo for photo in photos) else None


def bootstrap_interval(
    values: NDArray[np.float64], *, resamples: int = RESAMPLES, seed: int = BOOTSTRAP_SEED, level: float = LEVEL
) -> tuple[float | None, float | None]:
    """Percentile interval of the mean of some numbers (Efron 1979): what resampling the photos makes of it.

    Args:
        values: (n,).
        resamples: How often n of them are drawn with replacement.
        seed: Of the drawing; the same for every method and metric, so that equal numbers have equal intervals.
        level: Share of the resampled means inside.

    Returns:
        Its ends; None for fewer than 2 numbers, or when one is not finite.
    """
    if len(values) < 2 or not np.isfinite(values).all():
        return None, None
    drawn = np.random.default_rng(seed).integers(0, len(values), (resamples, len(values)))
    low, high = np.quantile(values[drawn].mean(axis=1), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def cell(summary: Summary) -> tuple[str, str, str]:
    """Mean and deviation, the difference to the first method with its interval, and the paper's mean."""
    digits = METRICS[summary.metric].digits
    mean = f"{summary.mean:.{digits}f}" + (f" ± {summary.sd:.{digits}f}" if summary.sd is not None else "")
    difference = "" if summary.difference is None else f"{summary.difference:+.{digits}f}"
    interval = "" if summary.low is None else f" [{summary.low:+.{digits}f}, {summary.high:+.{digits}f}]"
    return mean, difference + interval, "" if summary.published is None else f"{summary.published:g}"


def encode_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows with a header line; the columns are the keys of all rows in order of appearance."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
