"""Functions for many photos: as the functions for one, with results in files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Unpack

from ganinvert.batch.events import Listener
from ganinvert.batch.executors import Executor
from ganinvert.batch.inputs import expand
from ganinvert.batch.job import JobResult
from ganinvert.batch.outputs import DEFAULT_NAME, chosen_suffixes, plan_outputs
from ganinvert.batch.requests import PhotoRequest
from ganinvert.batch.runner import run_batch
from ganinvert.batch.session import RunOptions
from ganinvert.settings import InversionSettings, MethodSettings, Request
from ganinvert.settings.common import DEFAULT_GENERATOR, MethodName
from ganinvert.settings.request import RequestOptions, chosen_settings
from ganinvert.settings.tasks import ColorizeTask, InpaintTask, InvertTask, RestoreTask, TaskOptions, UpscaleTask


class BatchOptions(RequestOptions, total=False):
    """Options of the functions for many photos: these, and the fields of `Request`.

    Attributes:
        generator: Name of a generator, or path of its file.
        settings: Method, optimiser, loss weights and fine-tuning.
        method: As of `invert`: the name of a method, or a method's own settings.
        save: Kinds of files to write, with commas between: image, bundle, comparison.
        name: Template of the names, without suffix, of stem, suffix, parent, index and task.
        recursive: Look into folders inside folders.
        executor: Place of the workers: `Serial()` (this process, the default), `Pool(workers)` or `RayExecutor()`.
        listeners: Functions that receive every event; see `ganinvert.batch.events`.
        batch_size: Photos that an accelerator optimises together; None: as many as fit.
        samples: Number of results of each photo, with different seeds: NAME.1.png …, and their mean NAME.mean.png.
        checkpoint_every: Steps between two checkpoints of an unfinished optimisation; 0: none.
        overwrite: Replace existing results; without it, what is up to date is skipped.
        fail_fast: Stop at the first photo that fails.
    """

    generator: str | Path
    settings: InversionSettings
    method: MethodSettings | MethodName | None
    save: str
    name: str
    recursive: bool
    executor: Executor
    listeners: Iterable[Listener]
    batch_size: int | None
    samples: int
    checkpoint_every: int
    overwrite: bool
    fail_fast: bool


Paths = str | Path | Iterable[str | Path]


def invert_many(paths: Paths, out: str | Path = ".", **options: Unpack[BatchOptions]) -> list[JobResult]:
    """Invert photos, and write NAME.invert.png and NAME.invert.pt for each.

    Args:
        paths: Files, or folders of photos; or one of them.
        out: Folder of the results, which is created.
        options: See `BatchOptions`.

    Returns:
        One result per photo, in the order in which they ended; failures of single photos are results, too. After
        Ctrl-C, those that were made until then.

    Raises:
        UsageError: A setting is invalid, there is no photo, or two results would have the same name.
        WeightsError: The generator is unknown or damaged, or no subspaces were discovered for it.
    """
    return _run_many(InvertTask(), paths, out, **options)


def colorize_many(
    paths: Paths, out: str | Path = ".", *, task: ColorizeTask | None = None, **options: Unpack[BatchOptions]
) -> list[JobResult]:
    """Colorize photos: see `colorize` and `invert_many`; `task` has the options of the task."""
    return _run_many(task or ColorizeTask(), paths, out, **options)


def upscale_many(
    paths: Paths, out: str | Path = ".", *, task: UpscaleTask | None = None, **options: Unpack[BatchOptions]
) -> list[JobResult]:
    """Upscale photos: see `upscale` and `invert_many`; `task` has the options of the task."""
    return _run_many(task or UpscaleTask(), paths, out, **options)


def inpaint_many(
    paths: Paths, out: str | Path = ".", *, task: InpaintTask | None = None, **options: Unpack[BatchOptions]
) -> list[JobResult]:
    """Inpaint photos: see `inpaint` and `invert_many`; `task` has the mask, or the folder of masks."""
    return _run_many(task or InpaintTask(), paths, out, **options)


def restore_many(
    paths: Paths, task: RestoreTask, out: str | Path = ".", **options: Unpack[BatchOptions]
) -> list[JobResult]:
    """Restore photos: see `restore` and `invert_many`; `task` tells what happened to them."""
    return _run_many(task, paths, out, **options)


def _run_many(
    task: TaskOptions,
    paths: Paths,
    out: str | Path,
    *,
    generator: str | Path = DEFAULT_GENERATOR,
    settings: InversionSettings | None = None,
    method: MethodSettings | MethodName | None = None,
    save: str = "image,bundle",
    name: str = DEFAULT_NAME,
    recursive: bool = False,
    executor: Executor | None = None,
    listeners: Iterable[Listener] = (),
    batch_size: int | None = None,
    samples: int = 1,
    checkpoint_every: int = 0,
    overwrite: bool = False,
    fail_fast: bool = False,
    **request: Unpack[RequestOptions],
) -> list[JobResult]:
    chosen = chosen_settings(task, settings, method)
    named = [paths] if isinstance(paths, str | Path) else paths
    inputs = expand([Path(path) for path in named], recursive=recursive)
    task.check_inputs([each.path for each in inputs])
    suffixes = chosen_suffixes(save)
    jobs = plan_outputs([[each] for each in inputs], Path(out), task=task.name, suffixes=suffixes, name=name)
    results, _ = run_batch(
        PhotoRequest(Request(task, chosen, generator, **request), batch_size, checkpoint_every, samples=samples),
        jobs,
        executor=executor,
        options=RunOptions(overwrite=overwrite, fail_fast=fail_fast),
        listeners=listeners,
    )
    return results
