"""`ganinvert render`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from ganinvert.batch.inputs import BUNDLES, Input, expand
from ganinvert.batch.outputs import DEFAULT_NAME, SUFFIXES, chosen_suffixes, plan_outputs
from ganinvert.batch.requests import RenderRequest
from ganinvert.batch.session import RunOptions
from ganinvert.cli import _options as options
from ganinvert.cli._console import say
from ganinvert.cli._options import IO, METHOD, opt
from ganinvert.cli._reporter import executor_for, require_readable_job, run_command
from ganinvert.cli._transfers import ready_generator
from ganinvert.errors import BundleError, UsageError, WeightsError
from ganinvert.weights.catalog import CATALOG

_GENERATOR = "Generator that made the bundles, by name or weights file."
_NAMED = "the one that a bundle names"
KINDS = {kind: SUFFIXES[kind] for kind in ("image", "bundle")}


def render(
    bundles: Annotated[
        list[Path] | None,
        typer.Argument(metavar="BUNDLE", help="Bundles (.pt files), or folders of bundles.", show_default=False),
    ] = None,
    from_file: options.FromFile = None,
    recursive: options.Recursive = False,
    target: options.Target = Path(),
    name: options.Name = DEFAULT_NAME,
    save: Annotated[str, opt(IO, "--save", help="Files to write: image, bundle.", metavar="LIST")] = "image,bundle",
    overwrite: options.Overwrite = False,
    fail_fast: options.FailFast = False,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
    no_metadata: options.NoMetadata = False,
    subspaces: Annotated[
        list[int] | None,
        opt(
            METHOD, "--subspace", help="Number of a subspace to scale, from 1; may be given several times.", metavar="N"
        ),
    ] = None,
    scale: Annotated[
        float | None,
        opt(
            METHOD,
            "--scale",
            help="Factor for the features of these subspaces: 1 changes nothing, 0 switches them off.",
            metavar="S",
        ),
    ] = None,
    generator: Annotated[
        str | None, opt(METHOD, "--generator", "-g", help=_GENERATOR, metavar="NAME|FILE", show_default=_NAMED)
    ] = None,
    workers: options.Workers = "1",
    worker_resources: options.WorkerResources = "",
    offline: options.Offline = False,
) -> None:
    """Render bundles again, to the bit on the CPU; or with some subspaces stronger or weaker.

    Writes NAME.render.png and NAME.render.pt.

    Example: ganinvert render face.invert.pt --subspace 3 --scale 1.3
    """
    if (scale is None) != (not subspaces):
        raise UsageError("--subspace and --scale belong together", hint="for instance --subspace 3 --scale 1.3")
    suffixes = chosen_suffixes(save, KINDS)
    inputs = expand(bundles or [], from_file=from_file, recursive=recursive, suffixes=BUNDLES, say=say)
    jobs = plan_outputs([[each] for each in inputs], target, task="render", suffixes=suffixes, name=name)
    if not (as_json or dry_run):
        require_readable_job(jobs, are_bundles=True)
    _fetch_generators(inputs, generator, offline=offline or dry_run)
    request = RenderRequest(
        None if subspaces is None else tuple(subspaces), scale, generator, offline or dry_run, not no_metadata
    )
    executor = executor_for(workers, "cpu", len(jobs), worker_resources)
    run_command(request, jobs, RunOptions(overwrite, fail_fast, dry_run), as_json=as_json, executor=executor)


def _fetch_generators(inputs: Sequence[Input], generator: str | None, *, offline: bool) -> None:
    """Fetch the generators of the bundles, with progress; what cannot be fetched is an error of its bundle."""
    if generator is not None:
        ready_generator(generator, offline=offline)
        return
    from ganinvert.bundle import LatentBundle

    for each in inputs:
        with suppress(BundleError, WeightsError):
            if (name := LatentBundle.load(each.path).generator) in CATALOG:
                ready_generator(name, offline=offline)
