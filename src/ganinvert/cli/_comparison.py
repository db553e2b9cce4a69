"""What `evaluate` writes and shows of the results: tables, and figures with their data."""

from __future__ import annotations

import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from ganinvert.cli._console import output
from ganinvert.cli._results import Item
from ganinvert.files import write_atomically
from ganinvert.settings import TASKS

if TYPE_CHECKING:
    from ganinvert.cli._study import Study
    from ganinvert.tasks.comparison import Comparison
    from ganinvert.tasks.evaluation import Contender, Truth

MOST_IN_FULL = 8
"""Methods of which the terminal shows every metric."""
PACKAGES = ("ganinvert", "torch", "torchvision", "lpips", "numpy")


@dataclass(frozen=True)
class Report:
    """A comparison whose results are made.

    Attributes:
        study: What was compared, and how.
        made: Label of the method to label of the photo to the files of the result; the same photos for every method.
        truths: Label of the photo to the photo as it is.
        asked: How many photos were to be measured.
    """

    study: Study
    made: Mapping[str, Mapping[str, Item]]
    truths: Mapping[str, Truth]
    asked: int

    def tabulate(self) -> None:
        """Measure, show the table, and write it; for a sweep also its figure, whose data the table is."""
        from ganinvert.tasks.comparison import Comparison
        from ganinvert.tasks.evaluation import compare
        from ganinvert.tasks.published import published_figures
        from ganinvert.tasks.records import Record, Result

        results = {
            label: {
                photo: Result(item.paths["image"], Record.load(item.paths["record"])) for photo, item in found.items()
            }
            for label, found in self.made.items()
        }
        values, sets = compare(results, self.truths, self.study.protocol)
        generator = self.study.inverter.generator
        paper, note = published_figures(
            self.study.protocol, generator=generator.name, resolution=generator.resolution, photos=len(self.truths)
        )
        methods = {each.label: _settings(each) for each in self.study.contenders}
        comparison = Comparison(self._about(), methods, values, sets, paper, [*self._notes(), note])
        _show(comparison, [*TASKS[self.study.protocol.task].main_metrics, "seconds"])
        self._write(".csv", comparison.csv())
        self._write(".photos.csv", comparison.photos_csv())
        self._write(".json", comparison.json())
        self._write(".md", comparison.markdown())
        if self.study.contenders[0].point:
            self._draw_sweep(comparison)

    def draw_curves(self) -> None:
        """Quality against time."""
        from ganinvert.figures import draw_curves
        from ganinvert.tasks.comparison import encode_csv
        from ganinvert.tasks.records import Record, mean_curve

        curves = {
            label: mean_curve([Record.load(item.paths["record"]) for item in found.values()])
            for label, found in self.made.items()
        }
        about = self._about()
        rows = [
            {"method": label, "steps": steps, "seconds": seconds, "psnr": psnr, **about}
            for label, curve in curves.items()
            for steps, seconds, psnr in curve
        ]
        self._write(".curve.csv", encode_csv(rows))
        draw_curves(curves, self._path(".curve.png"))
        output.data(str(self._path(".curve.png")))

    def walk(self, frames: int) -> None:
        """How smooth the ways from each photo's inversion to the next are, in so many frames."""
        from ganinvert.bundle import LatentBundle
        from ganinvert.figures import draw_walks
        from ganinvert.tasks.comparison import encode_csv
        from ganinvert.tasks.walks import walks

        if len(self.truths) < 2:
            output.say("warning: there is no way from one photo alone to another", style="yellow")
            return
        generator = self.study.inverter.generator.cpu()
        found = {}
        for label, items in self.made.items():
            bundles = [LatentBundle.load(item.paths["bundle"]) for item in items.values()]
            output.say(f"{label}: {len(bundles) - 1} ways of {frames} frames", level=1)
            found[label] = walks(bundles, generator, frames=frames)
        about = {"frames": frames, **self._about()}
        rows = [
            {"method": label, "way": n, **walk.summary, **about}
            for label, ways in found.items()
            for n, walk in enumerate(ways, 1)
        ]
        self._write(".interpolation.csv", encode_csv(rows))
        draw_walks(
            {label: [walk.neighbours for walk in ways] for label, ways in found.items()},
            self._path(".interpolation.png"),
        )
        output.data(str(self._path(".interpolation.png")))
        for label, ways in found.items():
            means = {name: sum(walk.summary[name] for walk in ways) / len(ways) for name in ways[0].summary}
            output.say(f"{label}: " + "  ".join(f"{name} {number:.4f}" for name, number in means.items()))

    def _draw_sweep(self, comparison: Comparison) -> None:
        from ganinvert.figures import draw_sweep
        from ganinvert.tasks.comparison import METRICS

        means = {(summary.method, summary.metric): summary.mean for summary in comparison.summaries}
        rows = [
            (
                each.name,
                each.point,
                [means[each.label, metric] for metric in TASKS[self.study.protocol.task].main_metrics],
            )
            for each in self.study.contenders
        ]
        titles = [METRICS[metric].title for metric in TASKS[self.study.protocol.task].main_metrics]
        draw_sweep(rows, titles, self._path(".png"))
        output.data(str(self._path(".png")))

    def _about(self) -> dict[str, Any]:
        """What a file says of how it came about."""
        from ganinvert.tasks.comparison import BOOTSTRAP_SEED, LEVEL, RESAMPLES

        study, generator = self.study, self.study.inverter.generator
        return {
            **study.protocol.described,
            "generator": generator.name,
            "digest": generator.digest,
            "resolution": generator.resolution,
            "photos_asked": self.asked,
            "photos_left_out": self.asked - len(self.truths),
            "fit": study.inverter.request.fit,
            "align": study.inverter.request.align,
            "seed": study.inverter.request.seed,
            "sample_seed": study.sample_seed,
            "intervals": f"bootstrap of the mean difference: {LEVEL:.0%}, {RESAMPLES} resamples, seed {BOOTSTRAP_SEED}",
            "device": str(study.inverter.device),
            "threads": _threads(),
            "dtype": str(study.inverter.resolved.dtype).removeprefix("torch."),
            "python": platform.python_version(),
            **{package: version(package) for package in PACKAGES},
            "command": shlex.join(["ganinvert", *sys.argv[1:]]),
        }

    def _notes(self) -> list[str]:
        from ganinvert.losses import has_lpips

        notes = [
            f"Means ± standard deviations over {len(self.truths)} photos, and mean differences to"
            f" {self.study.contenders[0].label}, photo by photo, with their 95 % intervals.",
            "All photos are resized to the generator's square, and metrics are those of 8-bit images of that size.",
        ]
        notes += dict.fromkeys(
            each.inverter.resolved.remark for each in self.study.contenders if each.inverter.resolved.remark
        )
        if "layer" in self.study.contenders[0].point:
            notes.append("Subspaces are random ones of equal sizes: most layers were never discovered.")
        if not has_lpips("vgg"):
            notes.append(
                "LPIPS with VGG is missing: its weights are not in the cache (`ganinvert fetch-weights vgg16`)."
            )
        if caveat := TASKS[self.study.protocol.task].caveat:
            notes.append(caveat)
        return notes

    def _path(self, suffix: str) -> Path:
        """Tables of sweeps do not replace those of methods."""
        sweep = ".sweep" if self.study.contenders[0].point else ""
        return self.study.folder / f"{self.study.protocol.task}{sweep}{suffix}"

    def _write(self, suffix: str, text: str) -> None:
        write_atomically(self._path(suffix), text.encode())
        output.data(str(self._path(suffix)))


def _settings(contender: Contender) -> dict[str, Any]:
    """What tells a method from the others."""
    from ganinvert.methods import partition_for

    settings, partition = contender.inverter.settings, contender.inverter.partition
    if settings.method.composes:
        partition = partition_for(settings.method, partition)
    return {
        **{name: getattr(settings.method, name, "") for name in ("subspaces", "codes", "layer", "weighting")},
        "masks": partition.source,
        "steps": settings.optimization.steps,
        "lr": settings.optimization.lr,
        "settings_hash": contender.inverter.settings_hash,
    }


def _threads() -> int:
    import torch

    return torch.get_num_threads()


def _show(comparison: Comparison, main: Sequence[str]) -> None:
    """The table on stderr, where people read; of many methods only the main metrics."""
    from ganinvert.tasks.comparison import METRICS, cell

    metrics = comparison.metrics if len(comparison.values) <= MOST_IN_FULL else main
    found = {(summary.method, summary.metric): summary for summary in comparison.summaries}
    table = Table(box=None, pad_edge=False)
    for heading in ("", "mean", "difference [95 %]", *(["paper"] if comparison.published else [])):
        table.add_column(heading, justify="left" if not heading else "right", no_wrap=True)
    for metric in metrics:
        table.add_row(METRICS[metric].title, style="bold")
        for method in comparison.values:
            if (summary := found.get((method, metric))) is not None:
                table.add_row(f"  {method}", *cell(summary)[: len(table.columns) - 1])
    if output.verbosity >= 0:
        output.console.print(table, soft_wrap=False, highlight=False)
    for note in comparison.notes:
        output.say(note)
