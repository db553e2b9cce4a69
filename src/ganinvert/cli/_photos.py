"""Commands that make one picture and its bundle of one photo: their options, and the work behind them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ganinvert import files
from ganinvert.cli import _methods as methods
from ganinvert.cli import _options as options
from ganinvert.cli._batch import treat
from ganinvert.cli._console import Show, output
from ganinvert.cli._inputs import expand
from ganinvert.cli._report import KIND, report_path, settings_of, thumbnails
from ganinvert.cli._results import DEFAULT_NAME, Item, chosen_suffixes, plan, png_text
from ganinvert.cli._transfers import ready_generator
from ganinvert.cli._work import Conduct, Done, Work
from ganinvert.errors import UsageError
from ganinvert.settings import REFINEMENTS, InversionSettings, Refinement, TaskOptions, method_entry, preset_of

DOUBT = "warning: "
"""How notes begin that are warnings."""
FIRST_BATCH = 8
"""Photos optimised together on an accelerator until it is known what one needs."""
MOST_TOGETHER = 64
"""More make it no faster, and more are lost when the run is stopped."""

if TYPE_CHECKING:
    from ganinvert.generators import Generator
    from ganinvert.optimize import Step
    from ganinvert.tasks import Inversion, Inverter, PreparedImage


@dataclass(frozen=True)
class Photos:
    """What every such command can be told: its options, in the order of the help."""

    images: options.Images = None
    from_file: options.FromFile = None
    recursive: options.Recursive = False
    target: options.Target = Path()
    name: options.Name = DEFAULT_NAME
    save: options.Save = "image,bundle"
    fit: options.Fit = "crop"
    align: options.AlignFaces = "auto"
    face: options.FaceNumber = 1
    paste_back: options.PasteBack = False
    overwrite: options.Overwrite = False
    fail_fast: options.FailFast = False
    dry_run: options.DryRun = False
    as_json: options.AsJson = False
    no_metadata: options.NoMetadata = False
    generator: methods.Generator = None
    method: methods.Method = "pmsfc"
    init: methods.InitKind = None
    subspaces: methods.Subspaces = None
    codes: methods.Codes = None
    layer: methods.Layer = None
    affinity: methods.AffinityKind = None
    preset: methods.PresetName = "default"
    steps: methods.Steps = None
    lr: methods.LearningRate = None
    seed: methods.Seed = 0
    checkpoint_every: methods.CheckpointEvery = 0
    device: options.Device = "auto"
    dtype: options.Dtype = "auto"
    batch_size: options.BatchSize = "auto"
    offline: options.Offline = False
    config: options.Config = None
    quiet: options.Quiet = False
    verbose: options.Verbose = 0
    kept: frozenset[str] = frozenset()

    def treat(self, task: TaskOptions, *, refinement: Refinement | None = None, reals: Path | None = None) -> None:
        """Do a task for all photos.

        Args:
            task: Task and its options.
            refinement: Fine-tuning after the method.
            reals: Folder of real photos for it.
        """
        chosen = self._chosen(task.name, refinement)
        reals = self._reals(chosen, reals)
        if self.checkpoint_every and chosen.single_image_only:
            output.say(f"{chosen.label} cannot go on from the middle everywhere: fine-tuning and L-BFGS start anew")
        together = options.batch_size_of(self.batch_size)
        suffixes = chosen_suffixes(self.save, whole=[KIND])
        report = report_path(self.save, self.target, task=task.name, overwrite=self.overwrite)
        inputs = expand(self.images or [], from_file=self.from_file, recursive=self.recursive)
        task.check_inputs([each.path for each in inputs])
        items = plan([[each] for each in inputs], self.target, task=task.name, suffixes=suffixes, name=self.name)
        treat(
            items,
            photo_work(
                ready_inverter(self, chosen, task, reals=reals),
                batch_size=together,
                checkpoint_every=self.checkpoint_every,
                metadata=not self.no_metadata,
                done=task.done,
            ),
            Conduct(self.overwrite, self.fail_fast, self.dry_run, self.as_json, report),
            command=task.name,
        )

    def _chosen(self, command: str, refinement: Refinement | None) -> InversionSettings:
        """The settings; what is kept and does not fit the method is passed over."""
        unfit = "preset" in self.kept and self.preset not in method_entry(self.method).presets_for(command)
        chosen = methods.adjusted(
            preset_of(self.method, command, "default" if unfit else self.preset),
            kept=self.kept,
            steps=self.steps,
            lr=self.lr,
            subspaces=self.subspaces,
            codes=self.codes,
            layer=self.layer,
            affinity=self.affinity,
            init=self.init,
        )
        if refinement is not None and not (chosen.tunes and "refine" in self.kept):
            if chosen.tunes:
                raise UsageError(f"{chosen.name} is fine-tuning already", hint="leave --refine out")
            chosen = replace(chosen, tuning=REFINEMENTS[refinement])
        return chosen

    def _reals(self, chosen: InversionSettings, reals: Path | None) -> Path | None:
        if reals is None or (chosen.tuning is not None and chosen.tuning.kind == "near-perfect"):
            return reals
        if "reals" not in self.kept:
            raise UsageError("--reals are for near-perfect fine-tuning", hint="add --refine near-perfect")
        return None


def ready_inverter(
    photos: Photos, chosen: InversionSettings, task: TaskOptions, *, reals: Path | None = None
) -> Inverter:
    """Load the generator that the options name, for a task."""
    name = ready_generator(
        photos.generator,
        offline=photos.offline or photos.dry_run,
        layer=chosen.discovery_layer,
        networks=chosen.required if reals is None else chosen.networks,
    )
    from ganinvert.tasks import Inverter

    return Inverter.load(
        name,
        chosen,
        task=task,
        fit=photos.fit,
        align=photos.align,
        face=photos.face,
        paste_back=photos.paste_back,
        reals=reals,
        device=photos.device,
        dtype=photos.dtype,
        seed=photos.seed,
    )


def photo_work(
    inverter: Inverter,
    *,
    prepare: Callable[[Item], PreparedImage] | None = None,
    batch_size: int | None = None,
    checkpoint_every: int = 0,
    metadata: bool = True,
    done: str = "inverted",
    callback: Callable[[Step], None] | None = None,
) -> Work[PreparedImage]:
    """What to do with photos.

    Args:
        inverter: Loaded for the task.
        prepare: Reads an item, when more is needed than its photo; `Inverter.prepare` by default.
        batch_size: Photos optimised together on an accelerator; None for as many as fit. The CPU takes one after
            another, as do methods that cannot do otherwise: every result is written as soon as it is there.
        checkpoint_every: Steps between keeping an unfinished optimisation beside the results; 0 does not.
        metadata: Keep what made it in the PNG files.
        done: The word for it in the summary.
        callback: Also called after every step.
    """
    from ganinvert.checkpoint import Checkpoints
    from ganinvert.devices import images_that_fit, watch_memory

    output.say(
        f"subspaces of {', '.join(map(str, inverter.partition.sizes))} channels ({inverter.partition.source});"
        f" {inverter.device}, {inverter.resolved.dtype}",
        level=1,
    )

    def read(item: Item) -> PreparedImage:
        return inverter.prepare(item.inputs[0].path)

    fitting = FIRST_BATCH

    def run(batch: Sequence[tuple[Item, PreparedImage]], show: Show) -> list[Done]:
        nonlocal fitting
        watch_memory(inverter.device)
        kept = {target.sha256: files.beside(item.last, files.CHECKPOINT) for item, target in batch if item.paths}
        results = inverter.run(
            [target for _, target in batch],
            callback=watching(show, callback),
            checkpoints=Checkpoints(inverter.settings_hash, kept, checkpoint_every) if kept else None,
        )
        fitting = min(images_that_fit(inverter.device, len(batch)) or FIRST_BATCH, MOST_TOGETHER)
        return [_done(result, inverter, metadata=metadata) for result in results]

    def recall(item: Item, target: PreparedImage) -> Done | None:
        if "bundle" not in item.paths:
            return None
        from ganinvert.bundle import LatentBundle

        result = inverter.recall(target, LatentBundle.load(item.paths["bundle"]))
        return _done(result, inverter, metadata=metadata)

    return Work(
        prepare=prepare or read,
        recall=recall,
        identity=lambda target: (inverter.settings_hash, target.sha256),
        run=run,
        batch_size=lambda: (
            1 if inverter.device.type == "cpu" or inverter.settings.single_image_only else batch_size or fitting
        ),
        done=done,
    )


def watching(show: Show, callback: Callable[[Step], None] | None = None) -> Callable[[Step], None]:
    """A callback of the loop that shows its steps, and hands them on."""

    def watch(step: Step) -> None:
        if callback is not None:
            callback(step)
        show(
            step.index + 1,
            step.steps,
            lambda: f"loss {float(step.loss.mean()):.4f}  PSNR {float(step.psnr.mean()):.1f} dB",
        )

    return watch


def _done(result: Inversion, inverter: Inverter, *, metadata: bool) -> Done:
    """What to write and say of a result; nothing is written of one that is not finite."""
    from ganinvert.images import comparison, encode_png

    text = png_text(result.bundle) if metadata else None
    doubts = [note.removeprefix(DOUBT) for note in result.notes if note.startswith(DOUBT)]
    return Done(
        files={
            "image": lambda: encode_png(result.whole or result.image, text),
            "comparison": lambda: encode_png(comparison(result.target, result.image), text),
            "bundle": result.bundle.encode,
        }
        if result.outcome.name != "NOT_FINITE"
        else {},
        metrics=result.metrics,
        outcome=result.outcome.name.lower().replace("_", " "),
        notes=[note for note in result.notes if not note.startswith(DOUBT)],
        verdict=_verdict(result, inverter.generator),
        warning="; ".join([*doubts, *([result.outcome.value] if result.outcome.value else [])]),
        settings=settings_of(result),
        pictures=lambda: thumbnails(result),
    )


def _verdict(result: Inversion, generator: Generator) -> str:
    figures = result.metrics
    quality = f"PSNR {figures['psnr']:.2f} dB  SSIM {figures['ssim']:.3f}  LPIPS {figures['lpips']:.3f}"
    if "deviation" in figures:
        quality = f"explains what is known to {quality}; agrees with it to {figures['deviation']:.1f}/255"
    return f"{quality}  ({generator.name}, {generator.resolution} px)"
