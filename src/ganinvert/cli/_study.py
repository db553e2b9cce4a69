"""The work behind `evaluate`: results of every method, made by the runner of the other commands."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ganinvert.cli._batch import treat
from ganinvert.cli._comparison import Report
from ganinvert.cli._console import Show, output
from ganinvert.cli._inputs import Input, natural
from ganinvert.cli._photos import photo_work
from ganinvert.cli._results import Item, plan
from ganinvert.cli._work import Conduct, Done, Work
from ganinvert.errors import InputError, OutputError
from ganinvert.protocols import CONTESTANTS, Protocol

if TYPE_CHECKING:
    from ganinvert.optimize import Step
    from ganinvert.tasks import Inverter, PreparedImage
    from ganinvert.tasks.evaluation import Contender, Truth

SUFFIXES = {"image": ".png", "record": ".json", "bundle": ".pt"}
"""Of a result: the record holds what the optimisation cost."""


def selected(inputs: Sequence[Input], *, limit: int | None, seed: int) -> list[Input]:
    """Some of the inputs at random, in natural order; the same whatever the order in which they are given."""
    ordered = sorted(inputs, key=lambda each: natural(each.path))
    if limit is None or limit >= len(ordered):
        return ordered
    return sorted(random.Random(seed).sample(ordered, limit), key=lambda each: natural(each.path))


@dataclass(frozen=True)
class Study:
    """A comparison to be made.

    Attributes:
        protocol: How photos are degraded.
        inverter: Prepares photos as they are.
        contenders: What is compared; the first is what the others are compared with.
        folder: For everything that is written.
        overwrite: Make results again that are there.
        together: Photos optimised together on an accelerator.
        sample_seed: With which the photos were chosen.
    """

    protocol: Protocol
    inverter: Inverter
    contenders: Sequence[Contender]
    folder: Path
    overwrite: bool
    together: int | None
    sample_seed: int

    def conduct(self, inputs: Sequence[Input], *, curve: bool, frames: int) -> None:
        """Make all results, then tables and figures.

        Args:
            inputs: Photos.
            curve: Draw quality against time.
            frames: Of the ways from each photo to the next; 0 measures none.

        Raises:
            InputError: There is nothing to compare.
            typer.Exit: With code 1 when a photo failed.
        """
        truths = self._read(inputs)
        made = {each.label: self._make(each, truths) for each in self.contenders}
        common = {
            photo: truth for photo, truth in truths.items() if all(photo.label in found for found in made.values())
        }
        if not common:
            raise InputError("no photo has a result of every method", hint="the errors above say why")
        if missing := len(inputs) - len(common):
            output.say(f"{missing} of {len(inputs)} photos are left out of every mean", style="yellow")
        labels = [photo.label for photo in common]
        made = {label: {photo: found[photo] for photo in labels} for label, found in made.items()}
        report = Report(self, made, {photo.label: truth for photo, truth in common.items()}, len(inputs))
        report.tabulate()
        if curve:
            report.draw_curves()
        if frames:
            report.walk(frames)
        if missing:
            raise typer.Exit(1)

    def _read(self, inputs: Sequence[Input]) -> dict[Input, Truth]:
        """The photos that can be used, as they are; the others are told of here, once."""
        from ganinvert.tasks.evaluation import read_truth

        found: dict[Input, Truth] = {}
        with output.progress("reading photos") as show:
            for n, each in enumerate(inputs, 1):
                try:
                    if each.problem is not None:
                        raise each.problem
                    found[each] = read_truth(each.path, self.inverter, self.protocol)
                except InputError as error:
                    output.error(error)
                show(n, len(inputs), lambda: "")
        return found

    def _make(self, contender: Contender, truths: Mapping[Input, Truth]) -> dict[str, Item]:
        """The results of one method, by photo; without those that failed."""
        from ganinvert.tasks.evaluation import degrade

        inverter = contender.inverter
        targets = {photo: degrade(truth, self.protocol) for photo, truth in truths.items()}
        slug = contender.label.replace(" ", "-").replace("=", "")
        items = plan(
            [[photo] for photo in truths],
            self.folder / "results" / slug,
            task=self.protocol.task,
            suffixes=SUFFIXES,
            name="{stem}-{suffix}.{task}",  # photos may differ in their suffix only
        )
        output.say(f"{contender.label}: {CONTESTANTS[contender.name].about}", style="bold")
        work = _recorded(inverter, lambda item: targets[item.inputs[0]], batch_size=self.together)
        try:
            treat(items, work, Conduct(overwrite=self.overwrite), command="evaluate")
        except typer.Exit as stop:
            if stop.exit_code != 1:
                raise
        hashes = {photo.label: (inverter.settings_hash, target.sha256) for photo, target in targets.items()}
        return {item.label: item for item in items if _is_made(item, hashes[item.label])}


def _recorded(
    inverter: Inverter, prepare: Callable[[Item], PreparedImage], *, batch_size: int | None
) -> Work[PreparedImage]:
    """The work of the other commands, which also keeps what it cost."""
    from ganinvert.tasks.records import Recorder

    recorder: Recorder | None = None

    def note(step: Step) -> None:
        if recorder is not None:
            recorder(step)

    work = photo_work(inverter, prepare=prepare, batch_size=batch_size, done="done", callback=note)

    def run(batch: Sequence[tuple[Item, PreparedImage]], show: Show) -> list[Done]:
        nonlocal recorder
        if recorder is None:  # what is loaded and rendered once for all photos is not a cost of the first
            replace(inverter, resolved=replace(inverter.resolved, settings=inverter.settings.shortest)).run(
                [batch[0][1]]
            )
        recorder = Recorder(inverter.device)
        results = work.run(batch, show)
        records = recorder.records(len(batch))
        # Advice to the owner of a photo would come once for every method here.
        return [
            replace(result, files={**result.files, "record": record.encode}, notes=(), warning="")
            if result.files
            else result
            for result, record in zip(results, records, strict=True)
        ]

    return replace(work, run=run)


def _is_made(item: Item, hashes: tuple[str, str]) -> bool:
    """Whether the files are those of this comparison."""
    try:
        return item.is_up_to_date(*hashes, overwrite=False)
    except OutputError:
        return False
