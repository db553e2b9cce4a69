"""Names of the results of a batch."""

from __future__ import annotations

import difflib
import os
import string
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ganinvert.batch.inputs import STDIN, Input
from ganinvert.batch.job import Job
from ganinvert.errors import UsageError
from ganinvert.settings.common import PICTURE_SUFFIXES

if TYPE_CHECKING:
    from ganinvert.bundle import LatentBundle

SUFFIXES = {"image": ".png", "comparison": ".comparison.png", "bundle": ".pt"}
"""Suffixes of the kinds of results in the order of writing: the bundle is last, to show that the others are whole."""

DEFAULT_NAME = "{stem}.{task}"
_FIELDS = ("stem", "suffix", "parent", "index", "task")


def chosen_suffixes(save: str, known: Mapping[str, str] = SUFFIXES, *, whole: Sequence[str] = ()) -> dict[str, str]:
    """Choose the suffixes of the kinds of files that the value of `--save` asks for, in the order of writing.

    Kinds of which there is one for the `whole` batch are allowed, but not returned.

    Raises:
        UsageError: A kind is unknown.
    """
    kinds = [kind.strip() for kind in save.split(",")]
    for kind in kinds:
        if kind not in known and kind not in whole:
            choice = ", ".join([*known, *whole])
            raise UsageError(f"--save {kind!r} is unknown", hint=f"choose from {choice}, with commas between")
    return {kind: suffix for kind, suffix in known.items() if kind in kinds}


def plan_outputs(
    groups: Sequence[Sequence[Input]], target: Path, *, task: str, suffixes: Mapping[str, str], name: str = DEFAULT_NAME
) -> list[Job]:
    """Name the files of every job.

    Args:
        groups: Inputs of every job.
        target: Folder, file name (.png or .pt) for a single job, or `-` for stdout.
        task: Name of the task for the template.
        suffixes: Suffix of every kind of file, in the order of writing; see `SUFFIXES`.
        name: Template of the names, without suffix, of stem, suffix, parent, index and task.

    Raises:
        UsageError: Two jobs would write the same file, or one of them an input; `target` fits neither the number of
            jobs nor what is there; or the template is wrong.
    """
    if str(target) == STDIN:
        if "image" not in suffixes:
            raise UsageError("stdout takes the picture alone", hint="leave --save out, or give a folder with -o")
        return [_piped(groups)]
    if target.suffix.lower() in (".png", ".pt") and not target.is_dir():
        if len(groups) > 1:
            raise UsageError(f"{target} is one file, but there are {len(groups)} inputs", hint="give a folder with -o")
        stems = [target.with_suffix("")]
    elif target.suffix.lower() in PICTURE_SUFFIXES and not target.is_dir():
        raise UsageError(f"{target} is no name for results", hint="name a .png file, or give a folder with -o")
    elif target.exists() and not target.is_dir():
        raise UsageError(f"{target} is not a folder", hint="give a folder with -o; it is created if it does not exist")
    else:
        stems = [target / _named(group, name, index, task) for index, group in enumerate(groups, 1)]
    jobs = [
        Job(tuple(group), {kind: stem.with_name(stem.name + suffix) for kind, suffix in suffixes.items()})
        for group, stem in zip(groups, stems, strict=True)
    ]
    _refuse_collisions(jobs)
    return jobs


def _piped(groups: Sequence[Sequence[Input]]) -> Job:
    if len(groups) > 1:
        raise UsageError(f"stdout takes one result, but there are {len(groups)} inputs", hint="give a folder with -o")
    if sys.stdout.isatty():
        raise UsageError("a picture cannot be shown on a terminal", hint="pipe it: ganinvert invert … -o - > face.png")
    return Job(tuple(groups[0]), {}, is_piped=True)


def _named(group: Sequence[Input], template: str, index: int, task: str) -> Path:
    first = group[0]
    values = {
        "stem": "-".join(each.stem for each in group),
        "suffix": first.path.suffix.removeprefix("."),
        "parent": Path(os.path.abspath(first.path)).parent.name,
        "index": index,
        "task": task,
    }
    try:
        for _, field, _, _ in string.Formatter().parse(template):
            if field is not None and field not in values:
                near = difflib.get_close_matches(field, _FIELDS, n=1)
                raise UsageError(
                    f"--name {template!r} has an unknown field {{{field}}}",
                    hint=(f"did you mean {{{near[0]}}}? " if near else "")
                    + f"there are {', '.join(f'{{{known}}}' for known in _FIELDS)}",
                )
        path = Path(template.format_map(values))
    except (KeyError, ValueError) as error:
        raise UsageError(
            f"--name {template!r} is no template: {error}", hint=f"for instance --name {DEFAULT_NAME!r}"
        ) from error
    if not path.name or path.is_absolute() or ".." in path.parts:
        raise UsageError(f"--name {template!r} gives no name inside the folder", hint="choose the folder with -o")
    return first.subfolder / path


def _refuse_collisions(jobs: Sequence[Job]) -> None:
    taken: dict[Path, Job] = {}
    sources = {os.path.realpath(each.path): each.label for job in jobs for each in job.inputs}
    for job in jobs:
        for path in job.paths.values():
            if path in taken:
                raise UsageError(
                    f"{taken[path].label} and {job.label} would both be written to {path}",
                    hint="tell them apart with --name '{stem}-{suffix}.{task}', or treat them in two runs",
                )
            if (source := sources.get(os.path.realpath(path))) is not None:
                raise UsageError(
                    f"the result {path} would replace the input {source}", hint="choose another -o or --name"
                )
            taken[path] = job


def png_text(bundle: LatentBundle) -> dict[str, object]:
    """Text for the PNG files of a result: how it was made."""
    from ganinvert import __version__

    names = ("seed", "settings_hash", "input_sha256")
    return {
        "version": __version__,
        "task": bundle.task,
        "method": bundle.method,
        "generator": bundle.generator,
        "digest": bundle.digest,
        **{name: bundle.provenance[name] for name in names if name in bundle.provenance},
    }
