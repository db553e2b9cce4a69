"""The commands of the tasks on photos: each is made from its `TaskOptions`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from ganinvert.batch.inputs import expand
from ganinvert.batch.outputs import DEFAULT_NAME, chosen_suffixes, plan_outputs
from ganinvert.batch.report import KIND as REPORT
from ganinvert.batch.report import report_path
from ganinvert.batch.requests import PhotoRequest
from ganinvert.batch.session import RunOptions
from ganinvert.cli import _options as options
from ganinvert.cli._console import say
from ganinvert.cli._methods import adjusted
from ganinvert.cli._options import METHOD, opt
from ganinvert.cli._reporter import executor_for, require_readable_job, run_command
from ganinvert.cli._signature import assembled, field_options, from_options
from ganinvert.cli._transfers import Needs, choose_generator, is_styled, ready_generator
from ganinvert.errors import UsageError
from ganinvert.settings import InversionSettings, Request, TaskOptions, method_entry, preset_of, refinement
from ganinvert.settings.common import Refinement
from ganinvert.settings.presets import AUTOMATIC, method_name
from ganinvert.weights.registry import require_known

_REFINE = "Fine-tune a copy of the generator for each photo afterwards; only its changes are stored."
_REALS = "near-perfect: folder of photos like those that the generator was trained on."
_SAMPLES = "Make N different results of each photo, with the next seeds, their mean, and a sheet of them."
Samples = Annotated[int, opt(METHOD, "--samples", help=_SAMPLES, metavar="N", min=1)]
Refine = Annotated[Refinement | None, opt(METHOD, "--refine", help=_REFINE, env=True)]
Reals = Annotated[
    Path | None, opt(METHOD, "--reals", help=_REALS, metavar="FOLDER", show_default="its own samples stand in")
]


@dataclass(frozen=True)
class Photos:
    """Options of these commands, in the order of the help."""

    images: options.Images = None
    from_file: options.FromFile = None
    recursive: options.Recursive = False
    target: options.Target = Path()
    name: options.Name = DEFAULT_NAME
    save: options.Save = "image,bundle"
    fit: options.Fit = "crop"
    align: options.AlignFaces = "auto"
    face: options.Face = None
    square: options.Square = None
    overwrite: options.Overwrite = False
    fail_fast: options.FailFast = False
    dry_run: options.DryRun = False
    as_json: options.AsJson = False
    no_metadata: options.NoMetadata = False
    samples: Samples = 1
    refine: Refine = None
    reals: Reals = None
    generator: options.Generator = None
    method: options.Method = AUTOMATIC
    space: options.SpaceName = None
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
    worker_resources: options.WorkerResources = ""
    offline: options.Offline = False
    from_config: frozenset[str] = frozenset()

    def treat(self, task: TaskOptions) -> None:
        """Do a task for all photos."""
        name, remark = choose_generator(self.generator, partial(self._needs, task.name))
        chosen = self._chosen(task.name, styled=is_styled(name))
        reals = self._reals(chosen)
        if self.checkpoint_every and chosen.single_image_only:
            say(f"{chosen.label} cannot go on from the middle everywhere: fine-tuning and L-BFGS start anew")
        together = options.number_of("--batch-size", self.batch_size)
        suffixes = chosen_suffixes(self.save, whole=[REPORT])
        report = report_path(self.save, self.target, task=task.name, overwrite=self.overwrite)
        inputs = expand(self.images or [], from_file=self.from_file, recursive=self.recursive, say=say)
        task.check_inputs([each.path for each in inputs])
        jobs = plan_outputs([[each] for each in inputs], self.target, task=task.name, suffixes=suffixes, name=self.name)
        executor = executor_for(self.workers, self.device, len(jobs), self.worker_resources)
        require_known(name)
        request = Request(
            task,
            chosen,
            name,
            fit=self.fit,
            align=self.align,
            face=options.face_of(self.face),
            square=self.square,
            reals=reals,
            device=self.device,
            dtype=self.dtype,
            seed=self.seed,
        )
        if not (self.as_json or self.dry_run or report):
            require_readable_job(jobs)
        ready_generator(name, remark, offline=self.offline or self.dry_run)
        batch = PhotoRequest(
            request, together, self.checkpoint_every, not self.no_metadata, report is not None, self.samples
        )
        run = RunOptions(self.overwrite, self.fail_fast, self.dry_run, report)
        run_command(batch, jobs, run, as_json=self.as_json, executor=executor)

    def _needs(self, task: str, styled: bool) -> Needs:
        chosen = self._chosen(task, styled=styled)
        of_method = self._reals(chosen) is None
        return Needs(chosen.method.discovery_layer, chosen.method.networks if of_method else chosen.networks)

    def _chosen(self, task: str, *, styled: bool) -> InversionSettings:
        """The settings; choices of the configuration that do not fit the method are passed over."""
        composed = any(
            getattr(self, name) is not None and name not in self.from_config for name in ("subspaces", "codes")
        )
        name = method_name(self.method, styled=styled and not composed)
        unfit = "preset" in self.from_config and self.preset not in method_entry(name).presets_for(task, styled=styled)
        chosen = adjusted(
            preset_of(name, task, "default" if unfit else self.preset, styled=styled),
            optional=self.from_config,
            steps=self.steps,
            lr=self.lr,
            subspaces=self.subspaces,
            codes=self.codes,
            layer=self.layer,
            affinity=self.affinity,
            init=self.init,
            space=self.space,
        )
        if self.refine is None or (chosen.tunes and "refine" in self.from_config):
            return chosen
        if chosen.tunes:
            raise UsageError(f"{chosen.name} is fine-tuning already", hint="leave --refine out")
        return replace(chosen, tuning=refinement(self.refine, styled=styled))

    def _reals(self, chosen: InversionSettings) -> Path | None:
        if self.reals is None or (chosen.tuning is not None and chosen.tuning.kind == "near-perfect"):
            return self.reals
        if "reals" not in self.from_config:
            raise UsageError("--reals are for near-perfect fine-tuning", hint="add --refine near-perfect")
        return None


def task_command(task: type[TaskOptions]) -> Callable[..., None]:
    """The command of a task, with the options of `Photos` and those of the task."""

    def command(photos: Photos, **given: Any) -> None:
        photos.treat(from_options(task, given))

    command.__name__, command.__doc__ = task.name, task.help
    unused = ("samples",) if task.refinable else ("refine", "reals")
    return assembled(command, Photos, preset_of("pmsfc", task.name), field_options(task), task=task.name, unused=unused)
