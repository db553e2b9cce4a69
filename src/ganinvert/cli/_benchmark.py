"""Running a benchmark with the runner of the other commands, and showing its table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.table import Table

from ganinvert.batch.executors import Executor, Serial
from ganinvert.batch.inputs import Input
from ganinvert.batch.outputs import plan_outputs
from ganinvert.batch.session import RunOptions
from ganinvert.benchmark.candidates import Candidate
from ganinvert.benchmark.comparison import METRICS, Comparison
from ganinvert.benchmark.cost import CostRecord
from ganinvert.benchmark.protocol import variants
from ganinvert.benchmark.report import Report
from ganinvert.benchmark.session import CandidateSession
from ganinvert.benchmark.tables import cell
from ganinvert.benchmark.truth import GroundTruth, MethodResult, degrade, read_truth
from ganinvert.cli._console import output
from ganinvert.cli._reporter import run_command
from ganinvert.errors import InputError

SUFFIXES = {"image": ".png", "record": ".json", "bundle": ".pt"}
"""Suffixes of the files of a result; the record holds the cost of the optimisation."""
MOST_IN_FULL = 8
"""Number of methods up to which the terminal shows every metric."""


def run_candidates(
    candidates: Sequence[Candidate], inputs: Sequence[Input], folder: Path, *, overwrite: bool, executor: Executor
) -> tuple[dict[str, GroundTruth], dict[str, dict[str, MethodResult]]]:
    """Restore photos with every candidate, loaded on one generator for one protocol; skip what is up to date.

    Returns:
        Photo to its ground truth, and label of the candidate to photo to result, of those photos that every candidate
        has a result of.

    Raises:
        InputError: There is no such photo.
        typer.Exit: The run was stopped.
    """
    truths = _read_truths(candidates[0], inputs)
    photos = {photo.path: degrade(truth, candidates[0].request.protocol) for photo, truth in truths.items()}
    results = {}
    for each in candidates:
        jobs = plan_outputs(
            [[photo] for photo in truths],
            folder / "results" / each.label.replace(" ", "-").replace("=", ""),
            task=each.inverter.task.name,
            suffixes=SUFFIXES,
            name="{stem}-{suffix}.{task}",  # photos may differ in their suffix only
        )
        output.say(f"{each.label}: {variants()[each.name].about}", style="bold")
        if isinstance(executor, Serial):
            executor = Serial(CandidateSession(each.request, each.inverter, photos))
        run = RunOptions(overwrite=overwrite)
        ended = run_command(each.request, jobs, run, executor=executor, accepted=(0, 1))
        results[each.label] = {end.job.label: _result(end.job.paths) for end in ended if end.status != "failed"}
    common = [photo.label for photo in truths if all(photo.label in of_photo for of_photo in results.values())]
    if not common:
        raise InputError("no photo has a result of every method", hint="the errors above say why")
    if missing := len(inputs) - len(common):
        output.say(f"{missing} of {len(inputs)} photos are left out of every mean", style="yellow")
    by_label = {photo.label: truth for photo, truth in truths.items()}
    return {label: by_label[label] for label in common}, {
        method: {label: of_photo[label] for label in common} for method, of_photo in results.items()
    }


def _result(paths: Mapping[str, Path]) -> MethodResult:
    return MethodResult(paths["image"], paths["bundle"], CostRecord.load(paths["record"]))


def show_report(report: Report, *, curve: bool, frames: int) -> None:
    """Show the table of a report, write its files, and print their paths.

    With `curve`, also draw quality over time; with `frames`, interpolate from each photo to the next by so many.
    """
    _show_table(report.comparison, [*report.main_metrics, "seconds"])
    _print_paths(report.write_tables())
    if curve:
        _print_paths(report.write_curves())
    if frames and len(report.truths) < 2:
        output.say("warning: an interpolation needs two photos", style="yellow")
    elif frames:
        smoothness = report.measure_smoothness(frames)
        _print_paths(report.write_smoothness(smoothness, frames))
        for label, paths in smoothness.items():
            means = {key: sum(path.summary[key] for path in paths) / len(paths) for key in paths[0].summary}
            output.say(f"{label}: " + "  ".join(f"{name} {number:.4f}" for name, number in means.items()))


def _print_paths(paths: Sequence[Path]) -> None:
    for path in paths:
        output.data(str(path))


def _read_truths(candidate: Candidate, inputs: Sequence[Input]) -> dict[Input, GroundTruth]:
    """Read the photos; those that cannot be used are reported once, here."""
    truths: dict[Input, GroundTruth] = {}
    with output.progress("reading photos") as show:
        for n, photo in enumerate(inputs, 1):
            try:
                if photo.problem is not None:
                    raise photo.problem
                truths[photo] = read_truth(photo.path, candidate.inverter, candidate.request.protocol)
            except InputError as error:
                output.error(error)
            show(n, len(inputs), lambda: "")
    return truths


def _show_table(comparison: Comparison, main: Sequence[str]) -> None:
    """Print the table on stderr; of many methods only the main metrics."""
    metrics = comparison.metrics if len(comparison.values) <= MOST_IN_FULL else main
    summaries = {(summary.method, summary.metric): summary for summary in comparison.summaries}
    table = Table(box=None, pad_edge=False)
    for heading in ("", "mean", "difference [95 %]", *(["paper"] if comparison.published else [])):
        table.add_column(heading, justify="left" if not heading else "right", no_wrap=True)
    for metric in metrics:
        table.add_row(METRICS[metric].title, style="bold")
        for method in comparison.values:
            if (summary := summaries.get((method, metric))) is not None:
                table.add_row(f"  {method}", *cell(summary)[: len(table.columns) - 1])
    if output.verbosity >= 0:
        output.console.print(table, soft_wrap=False, highlight=False)
    for note in comparison.notes:
        output.say(note)
