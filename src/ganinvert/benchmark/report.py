"""Files about the results of a benchmark: tables, and figures with their data."""

from __future__ import annotations

import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from ganinvert import __version__
from ganinvert.benchmark import figures, tables
from ganinvert.benchmark.candidates import Candidate
from ganinvert.benchmark.comparison import BOOTSTRAP_SEED, LEVEL, METRICS, RESAMPLES, Comparison
from ganinvert.benchmark.cost import mean_curve
from ganinvert.benchmark.protocol import EvaluationProtocol
from ganinvert.benchmark.published import published_figures
from ganinvert.benchmark.smoothness import Smoothness, measure_smoothness
from ganinvert.benchmark.truth import GroundTruth, MethodResult, compare
from ganinvert.bundle import LatentBundle
from ganinvert.files import write_atomically
from ganinvert.perception import has_lpips
from ganinvert.tasks.session import Inverter

TABLES = {
    ".csv": tables.metrics_csv,
    ".photos.csv": tables.photos_csv,
    ".json": tables.to_json,
    ".md": tables.to_markdown,
}
"""Encoders of the tables by suffix, in the order of writing."""
PACKAGES = ("torch", "torchvision", "lpips", "numpy")
"""Packages whose versions the files state."""


@dataclass(frozen=True)
class Report:
    """Results of a benchmark. The methods `write_…` write files into the folder and return their paths.

    The inverter is the session that prepared the photos. Candidates are compared with the first; truths are those of
    the photos that every candidate has a result of, and results go from the candidate's label to the photo.
    """

    protocol: EvaluationProtocol
    inverter: Inverter
    candidates: Sequence[Candidate]
    folder: Path
    sample_seed: int
    truths: Mapping[str, GroundTruth]
    results: Mapping[str, Mapping[str, MethodResult]]
    photos_asked: int

    @cached_property
    def comparison(self) -> Comparison:
        """Metrics of all results, measured now."""
        generator = self.inverter.generator
        values, sets = compare(self.results, self.truths, self.protocol)
        paper, note = published_figures(
            self.protocol, generator=generator.name, resolution=generator.resolution, photos=len(self.truths)
        )
        settings = {candidate.label: candidate.described for candidate in self.candidates}
        return Comparison(self._about(), settings, values, sets, paper, [*self._notes(), note])

    @property
    def main_metrics(self) -> Sequence[str]:
        """Names of the two metrics that matter most for the task."""
        return self.protocol.task.main_metrics

    def write_tables(self) -> list[Path]:
        """Write the tables, and for a sweep its figure, whose data the table is."""
        paths = [self._write(suffix, encode(self.comparison)) for suffix, encode in TABLES.items()]
        if not self.candidates[0].point:
            return paths
        means = {(summary.method, summary.metric): summary.mean for summary in self.comparison.summaries}
        rows = [
            (each.name, each.point, [means[each.label, name] for name in self.main_metrics]) for each in self.candidates
        ]
        figures.draw_sweep(rows, [METRICS[name].title for name in self.main_metrics], self._path(".png"))
        return [*paths, self._path(".png")]

    def write_curves(self) -> list[Path]:
        """Write and draw quality over time."""
        about, names = self._about(), ("steps", "seconds", "psnr")
        curves = {label: mean_curve([each.cost for each in photos.values()]) for label, photos in self.results.items()}
        rows = [
            {"method": label, **dict(zip(names, row, strict=True)), **about}
            for label, curve in curves.items()
            for row in curve
        ]
        table = self._write(".curve.csv", tables.encode_csv(rows))
        figures.draw_curves(curves, self._path(".curve.png"))
        return [table, self._path(".curve.png")]

    def measure_smoothness(self, frames: int) -> dict[str, list[Smoothness]]:
        """Interpolate from each photo's inversion to the next: label to smoothness of the interpolations."""
        generator, smoothness = self.inverter.generator.cpu(), {}
        for label, results in self.results.items():
            bundles = [LatentBundle.load(result.bundle) for result in results.values()]
            smoothness[label] = measure_smoothness(bundles, generator, frames=frames)
        return smoothness

    def write_smoothness(self, smoothness: Mapping[str, Sequence[Smoothness]], frames: int) -> list[Path]:
        """Write and draw what `measure_smoothness` returned."""
        about = {"frames": frames, **self._about()}
        rows = [
            {"method": label, "way": n, **path.summary, **about}
            for label, paths in smoothness.items()
            for n, path in enumerate(paths, 1)
        ]
        table = self._write(".interpolation.csv", tables.encode_csv(rows))
        steps = {label: [path.neighbours for path in paths] for label, paths in smoothness.items()}
        figures.draw_smoothness(steps, self._path(".interpolation.png"))
        return [table, self._path(".interpolation.png")]

    def _about(self) -> dict[str, Any]:
        inverter = self.inverter
        return {
            **self.protocol.described,
            "generator": inverter.generator.name,
            "digest": inverter.generator.digest,
            "resolution": inverter.generator.resolution,
            "photos_asked": self.photos_asked,
            "photos_left_out": self.photos_asked - len(self.truths),
            "fit": inverter.request.fit,
            "align": inverter.request.align,
            "seed": inverter.request.seed,
            "sample_seed": self.sample_seed,
            "intervals": f"bootstrap of the mean difference: {LEVEL:.0%}, {RESAMPLES} resamples, seed {BOOTSTRAP_SEED}",
            "device": str(inverter.device),
            "threads": torch.get_num_threads(),
            "dtype": str(inverter.dtype).removeprefix("torch."),
            "python": platform.python_version(),
            "ganinvert": __version__,
            **{package: version(package) for package in PACKAGES},
            "command": shlex.join(["ganinvert", *sys.argv[1:]]),
        }

    def _notes(self) -> list[str]:
        notes = [
            f"Means ± standard deviations over {len(self.truths)} photos, and mean differences to"
            f" {self.candidates[0].label}, photo by photo, with their 95 % intervals.",
            "All photos are resized to the generator's square, and metrics are those of 8-bit images of that size.",
        ]
        notes += dict.fromkeys(filter(None, (candidate.inverter.remark for candidate in self.candidates)))
        if "layer" in self.candidates[0].point:
            notes.append("Subspaces are random ones of equal sizes: most layers were never discovered.")
        if not has_lpips("vgg"):
            notes.append(
                "LPIPS with VGG is missing: its weights are not in the cache (`ganinvert fetch-weights vgg16`)."
            )
        if caveat := self.protocol.task.caveat:
            notes.append(caveat)
        return notes

    def _path(self, suffix: str) -> Path:
        """Path of a file; tables of sweeps do not replace those of methods."""
        sweep = ".sweep" if self.candidates[0].point else ""
        return self.folder / f"{self.protocol.task.name}{sweep}{suffix}"

    def _write(self, suffix: str, text: str) -> Path:
        write_atomically(self._path(suffix), text.encode())
        return self._path(suffix)
