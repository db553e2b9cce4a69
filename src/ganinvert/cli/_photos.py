"""Commands that make one picture and its bundle of one photo: their options, and the work behind them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from ganinvert.batch.inputs import expand
from ganinvert.batch.outputs import DEFAULT_NAME, chosen_suffixes, plan_outputs
from ganinvert.batch.report import KIND as REPORT
from ganinvert.batch.report import report_path
from ganinvert.batch.requests import PhotoRequest
from ganinvert.batch.session import RunOptions
from ganinvert.cli import _options as options
from ganinvert.cli._console import say
from ganinvert.cli._methods import adjusted
from ganinvert.cli._reporter import executor_for, run_command
from ganinvert.cli._transfers import ready_generator
from ganinvert.errors import UsageError
from ganinvert.settings import (
    REFINEMENTS,
    InversionSettings,
    Refinement,
    Request,
    TaskOptions,
    method_entry,
    preset_of,
)


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
    generator: options.Generator = None
    method: options.Method = "pmsfc"
    init: options.InitKind = None
    subspaces: options.Subspaces = None
    codes: options.Codes = None
    layer: options.Layer = None
    affinity: options.AffinityKind = None
    preset: options.PresetName = "default"
    steps: options.Steps = None
    lr: options.LearningRate = None
    seed: options.Seed = 0
    checkpoint_every: options.CheckpointEvery = 0
    device: options.Device = "auto"
    dtype: options.Dtype = "auto"
    batch_size: options.BatchSize = "auto"
    workers: options.Workers = "1"
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
            say(f"{chosen.label} cannot go on from the middle everywhere: fine-tuning and L-BFGS start anew")
        together = options.number_of("--batch-size", self.batch_size)
        suffixes = chosen_suffixes(self.save, whole=[REPORT])
        report = report_path(self.save, self.target, task=task.name, overwrite=self.overwrite)
        executor = executor_for(self.workers)
        inputs = expand(self.images or [], from_file=self.from_file, recursive=self.recursive, say=say)
        task.check_inputs([each.path for each in inputs])
        jobs = plan_outputs([[each] for each in inputs], self.target, task=task.name, suffixes=suffixes, name=self.name)
        request = PhotoRequest(
            photo_request(self, chosen, task, reals=reals),
            batch_size=together,
            checkpoint_every=self.checkpoint_every,
            metadata=not self.no_metadata,
            thumbnails=report is not None,
        )
        run = RunOptions(self.overwrite, self.fail_fast, self.dry_run, report)
        run_command(request, jobs, run, as_json=self.as_json, executor=executor)

    def _chosen(self, command: str, refinement: Refinement | None) -> InversionSettings:
        """The settings; what is kept and does not fit the method is passed over."""
        unfit = "preset" in self.kept and self.preset not in method_entry(self.method).presets_for(command)
        chosen = adjusted(
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


def photo_request(
    photos: Photos, chosen: InversionSettings, task: TaskOptions, *, reals: Path | None = None
) -> Request:
    """The request that the options make, with the generator that they name, which is fetched if need be."""
    generator = ready_generator(
        photos.generator,
        offline=photos.offline or photos.dry_run,
        layer=chosen.discovery_layer,
        networks=chosen.required if reals is None else chosen.networks,
    )
    return Request(
        task,
        chosen,
        generator,
        fit=photos.fit,
        align=photos.align,
        face=photos.face,
        paste_back=photos.paste_back,
        reals=reals,
        device=photos.device,
        dtype=photos.dtype,
        seed=photos.seed,
    )
