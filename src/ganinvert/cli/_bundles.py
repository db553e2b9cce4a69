"""Commands that edit results: their inputs are bundles, or photos that are inverted first."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ganinvert.batch.inputs import BUNDLES, STDIN, Input, expand
from ganinvert.batch.job import Job
from ganinvert.batch.outputs import DEFAULT_NAME, plan_outputs
from ganinvert.batch.requests import EditRequest
from ganinvert.batch.session import RunOptions
from ganinvert.cli import _options as options
from ganinvert.cli._console import say
from ganinvert.cli._methods import adjusted
from ganinvert.cli._options import METHOD, opt
from ganinvert.cli._reporter import executor_for, require_readable_job, run_command
from ganinvert.cli._transfers import Needs, choose_generator, is_styled, ready_generator
from ganinvert.errors import BundleError, UsageError
from ganinvert.settings import METHODS, InversionSettings, PmSFC, Request, preset_of
from ganinvert.settings.common import MethodName
from ganinvert.settings.presets import method_name

if TYPE_CHECKING:
    from ganinvert.bundle import LatentBundle

COMPOSITION = ("count", "codes")
"""Options that compositions alone have."""
Source = Annotated[Path, typer.Argument(metavar="PHOTO|BUNDLE", help="Photo, which is inverted first, or .pt bundle.")]
Sources = Annotated[
    list[Path], typer.Argument(metavar="PHOTO|BUNDLE", help="Photos, which are inverted first, or .pt bundles.")
]

_COUNT = "Number of subspaces in which photos are inverted."
SubspaceCount = Annotated[int | None, opt(METHOD, "-R", help=_COUNT, metavar="R", show_default=str(PmSFC().subspaces))]


@dataclass(frozen=True, kw_only=True)
class EditOptions:
    """Options of commands that take photos or bundles, in the order of the help; subclasses add the inputs."""

    target: options.Target = Path()
    name: options.Name = DEFAULT_NAME
    fit: options.Fit = "crop"
    align: options.AlignFaces = "auto"
    overwrite: options.Overwrite = False
    dry_run: options.DryRun = False
    as_json: options.AsJson = False
    no_metadata: options.NoMetadata = False
    generator: options.Generator = None
    count: SubspaceCount = None
    codes: options.Codes = None
    layer: options.Layer = None
    preset: options.PresetName = "default"
    steps: options.Steps = None
    lr: options.LearningRate = None
    seed: options.Seed = 0
    device: options.Device = "auto"
    dtype: options.Dtype = "auto"
    workers: options.Workers = "1"
    worker_resources: options.WorkerResources = ""
    offline: options.Offline = False
    from_config: frozenset[str] = frozenset()

    @property
    def groups(self) -> list[list[Path]]:
        """Files of every job."""
        raise NotImplementedError

    def jobs(self, command: str, suffixes: Mapping[str, str]) -> list[Job]:
        """The jobs that the inputs make."""
        if str(self.target) == STDIN:
            raise UsageError("stdout takes one picture, and these are several files", hint="give a folder with -o")
        jobs = plan_outputs(self._inputs, self.target, task=command, suffixes=suffixes, name=self.name)
        if not (self.as_json or self.dry_run):
            require_readable_job(jobs)
        return jobs

    def run(self, request: EditRequest, jobs: list[Job]) -> None:
        """Run the command."""
        executor = executor_for(self.workers, self.device, len(jobs), self.worker_resources)
        run = RunOptions(overwrite=self.overwrite, dry_run=self.dry_run)
        run_command(request, jobs, run, as_json=self.as_json, executor=executor)

    def inversion(self, method: MethodName = "pmsfc") -> tuple[Request, Path | None]:
        """The inversion of photos by a method, and the bundle among the inputs, if there is one.

        The generator is that of `-g`, or of the bundle, or the best in the cache. Where the method is open, options of
        compositions choose PmSFC. Photos beside a bundle are composed as the bundle was, so that the two belong
        together.
        """

        def preset(styled: bool) -> InversionSettings:
            composed = any(getattr(self, name) is not None and name not in self.from_config for name in COMPOSITION)
            name = method_name(method, styled=styled and not composed)
            return adjusted(
                preset_of(name, "edit", self.preset, styled=styled),
                optional=self.from_config,
                steps=self.steps,
                lr=self.lr,
                subspaces=self.count,
                codes=self.codes,
                layer=self.layer,
            )

        path, name, remark = None, self.generator, ""
        if (read := self._bundle()) is None:
            name, remark = choose_generator(name, lambda styled: Needs(preset(styled).method.discovery_layer))
            chosen = preset(is_styled(name))
        else:
            path, bundle = read
            given = {"count": self.count, "codes": self.codes, "layer": self.layer}
            if any(value is not None and key not in self.from_config for key, value in given.items()):
                raise UsageError("-R, -K and --layer are those of the bundle", hint="leave them out beside a bundle")
            if name is None:
                from ganinvert.batch.editing import generator_name

                name = generator_name(bundle)
            chosen = preset(is_styled(name))
            chosen = as_made(chosen, bundle) if chosen.name == "pmsfc" else chosen
        request = Request(
            settings=chosen,
            generator=ready_generator(name, remark, offline=self.offline or self.dry_run),
            fit=self.fit,
            align=self.align,
            device=self.device,
            dtype=self.dtype,
            seed=self.seed,
        )
        return request, path

    @cached_property
    def _inputs(self) -> list[list[Input]]:
        """Inputs of every job, read once, since they may be pipes."""
        for path in chain(*self.groups):
            if path.is_dir():
                raise UsageError(f"{path} is a folder", hint="name photos or bundles")
        return [[expand([path], say=say)[0] for path in group] for group in self.groups]

    def _bundle(self) -> tuple[Path, LatentBundle] | None:
        """The first input that is a bundle and can be read; reading the inputs again says why one cannot."""
        for each in chain(*self._inputs):
            if each.path.suffix.lower() in BUNDLES:
                from ganinvert.bundle import LatentBundle

                with suppress(BundleError):
                    return each.path, LatentBundle.load(each.path)
        return None


@dataclass(frozen=True, kw_only=True)
class Pair(EditOptions):
    """Options of commands that take two photos or bundles together."""

    a: Source
    b: Source

    @property
    def groups(self) -> list[list[Path]]:
        """Both."""
        return [[self.a, self.b]]


@dataclass(frozen=True, kw_only=True)
class Singles(EditOptions):
    """Options of commands that take photos or bundles one by one."""

    sources: Sources

    @property
    def groups(self) -> list[list[Path]]:
        """Each alone."""
        return [[path] for path in self.sources]


def numbers_of(option: str, text: str) -> tuple[int, ...]:
    """Parse a list of numbers and ranges, such as 0-3,7; in their order, each once."""
    parts = [re.fullmatch(r"(\d{1,6})(?:-(\d{1,6}))?", part.strip()) for part in text.split(",")]
    numbers: set[int] = set()
    for part in parts:
        chosen = range(int(part[1]), int(part[2] or part[1]) + 1) if part else range(0)
        if not chosen:
            raise UsageError(f"{option} {text} is no list of numbers", hint=f"for instance {option} 2,5 or 0-6")
        numbers.update(chosen)
    return tuple(sorted(numbers))


def as_made(chosen: InversionSettings, bundle: LatentBundle) -> InversionSettings:
    """The settings with the composition of a bundle; features that were not composed go with any."""
    try:
        entry = METHODS.get(bundle.method.partition("+")[0])
        name = chosen.name if entry is None or not entry.fixed else entry.name
        return replace(chosen, method=PmSFC(**bundle.composition), name=name)
    except (TypeError, UsageError):
        return replace(chosen, method=PmSFC(layer=bundle.layer))
