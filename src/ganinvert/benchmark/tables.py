"""Tables of a comparison: CSV, JSON and Markdown. A reader needs nothing but the file."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ganinvert.benchmark.comparison import METRICS, Comparison, MetricSummary


def metrics_csv(comparison: Comparison) -> str:
    """Encode a row per method and metric, each with its settings, definition, generator, seeds and versions."""
    rows = []
    for summary in comparison.summaries:
        metric = METRICS[summary.metric]
        definition = {"definition": metric.definition, "better": metric.better}
        rows.append({**asdict(summary), **definition, **comparison.methods.get(summary.method, {}), **comparison.about})
    return encode_csv(rows)


def photos_csv(comparison: Comparison) -> str:
    """Encode a row per method and photo."""
    return encode_csv(
        [
            {"method": method, "photo": photo, **dict.fromkeys(comparison.metrics, ""), **metrics, **comparison.about}
            for method, photos in comparison.values.items()
            for photo, metrics in photos.items()
        ]
    )


def to_json(comparison: Comparison) -> str:
    """Encode everything, numbers unrounded; null where a number is not finite."""
    content = {
        "schema": 1,
        "about": comparison.about,
        "notes": comparison.notes,
        "metrics": {name: asdict(METRICS[name]) for name in comparison.metrics},
        "methods": comparison.methods,
        "summaries": [asdict(summary) for summary in comparison.summaries],
        "photos": comparison.values,
    }
    return json.dumps(_finite(content), indent=1, ensure_ascii=False) + "\n"


def to_markdown(comparison: Comparison) -> str:
    """Format the table, with notes, the facts of the comparison and the definitions below it."""
    cells = {(summary.method, summary.metric): summary for summary in comparison.summaries}
    lines = [
        "| | " + " | ".join(METRICS[metric].title for metric in comparison.metrics) + " |",
        "|---|" + "---|" * len(comparison.metrics),
    ]
    for method in comparison.values:
        summaries = [cells.get((method, metric)) for metric in comparison.metrics]
        texts = ["<br>".join(filter(None, cell(summary))) if summary else "" for summary in summaries]
        lines.append(f"| {method} | " + " | ".join(texts) + " |")
    about = [f"- {name.replace('_', ' ')}: {value}" for name, value in comparison.about.items()]
    definitions = [f"- {METRICS[name].title}: {METRICS[name].definition}" for name in comparison.metrics]
    return "\n".join([*lines, "", *comparison.notes, "", *about, "", *definitions, ""])


def cell(summary: MetricSummary) -> tuple[str, str, str]:
    """Format mean and deviation, the difference to the first method with its interval, and the paper's mean."""
    digits = METRICS[summary.metric].digits
    mean = f"{summary.mean:.{digits}f}" + (f" ± {summary.sd:.{digits}f}" if summary.sd is not None else "")
    difference = "" if summary.difference is None else f"{summary.difference:+.{digits}f}"
    interval = "" if summary.low is None else f" [{summary.low:+.{digits}f}, {summary.high:+.{digits}f}]"
    return mean, difference + interval, "" if summary.published is None else f"{summary.published:g}"


def encode_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Encode rows below a header line; the columns are the keys of all rows in order of appearance."""
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
