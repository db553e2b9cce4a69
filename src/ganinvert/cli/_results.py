"""Where results go, and whether they are there already."""

from __future__ import annotations

import difflib
import os
import string
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ganinvert import files
from ganinvert.cli._inputs import STDIN, Input
from ganinvert.errors import BundleError, OutputError, UsageError
from ganinvert.settings.common import PICTURE_SUFFIXES

if TYPE_CHECKING:
    from ganinvert.bundle import LatentBundle

SUFFIXES = {"image": ".png", "comparison": ".comparison.png", "bundle": ".pt"}
"""In the order of writing: the bundle is last, as the sign that the rest is complete."""

DEFAULT_NAME = "{stem}.{task}"
_FIELDS = ("stem", "suffix", "parent", "index", "task")
_ASIDE = "replace it with --overwrite, or choose another folder with -o"


@dataclass(frozen=True)
class Item:
    """What is treated together, and the files that its result becomes.

    Attributes:
        inputs: One for most commands.
        paths: Kind of file to its path, in the order of writing; empty when the result goes elsewhere.
        is_piped: Whether the result goes to stdout.
    """

    inputs: tuple[Input, ...]
    paths: Mapping[str, Path]
    is_piped: bool = False

    @property
    def label(self) -> str:
        """What messages call it."""
        return " + ".join(each.label for each in self.inputs)

    @property
    def last(self) -> Path:
        """The file that is written last."""
        return list(self.paths.values())[-1]

    def is_up_to_date(self, settings_hash: str, input_sha256: str, *, overwrite: bool) -> bool:
        """Whether the same input was already treated with the same settings.

        Raises:
            OutputError: Another result is in the way, and `overwrite` is False; or a name is too long.
        """
        existing = [path for path in self.paths.values() if files.exists(path)]
        if overwrite or not existing or (self.last not in existing and files.was_interrupted(self.last)):
            return False
        if len(existing) == len(self.paths):
            found = self._made_by()
            if (found.get("settings_hash"), found.get("input_sha256")) == (settings_hash, input_sha256):
                return True
        raise OutputError(
            f"{self.label}: {existing[0]} exists already, and nothing shows that it is the same result", hint=_ASIDE
        )

    def _made_by(self) -> Mapping[str, object]:
        """What the bundle says of how the files were made; without one, what the last PNG file says."""
        if "bundle" in self.paths:
            from ganinvert.bundle import LatentBundle

            try:
                return LatentBundle.load(self.paths["bundle"]).provenance
            except BundleError as error:
                raise OutputError(
                    f"{self.label}: an unreadable bundle is in the way: {error.message}", hint=_ASIDE
                ) from error
        from ganinvert.images import read_metadata

        pictures = [path for path in self.paths.values() if path.suffix.lower() == ".png"]
        return read_metadata(pictures[-1]) if pictures else {}


def chosen_suffixes(save: str, known: Mapping[str, str] = SUFFIXES, *, whole: Sequence[str] = ()) -> dict[str, str]:
    """Those of the kinds of files that `--save` asks for, in the order of writing.

    Args:
        save: What `--save` says.
        known: Kinds and suffixes.
        whole: Kinds of which there is one for the whole run, which are not in the answer.

    Raises:
        UsageError: One is unknown.
    """
    kinds = [kind.strip() for kind in save.split(",")]
    for kind in kinds:
        if kind not in known and kind not in whole:
            choice = ", ".join([*known, *whole])
            raise UsageError(f"--save {kind!r} is unknown", hint=f"choose from {choice}, with commas between")
    return {kind: suffix for kind, suffix in known.items() if kind in kinds}


def plan(
    groups: Sequence[Sequence[Input]], target: Path, *, task: str, suffixes: Mapping[str, str], name: str = DEFAULT_NAME
) -> list[Item]:
    """Name the files of every item.

    Args:
        groups: The inputs of every item.
        target: A folder, a file name (.png or .pt) for a single item, or `-` for stdout.
        task: What the names say was done.
        suffixes: Kind of file to what its name ends with, in the order of writing; see `SUFFIXES`.
        name: Template of the names, without suffix; of stem, suffix, parent, index and task.

    Raises:
        UsageError: Two items would be written to the same name, one over an input, `target` fits neither the number
            of items nor what is there, or the template is wrong.
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
    items = [
        Item(tuple(group), {kind: stem.with_name(stem.name + suffix) for kind, suffix in suffixes.items()})
        for group, stem in zip(groups, stems, strict=True)
    ]
    _refuse_collisions(items)
    return items


def _piped(groups: Sequence[Sequence[Input]]) -> Item:
    if len(groups) > 1:
        raise UsageError(f"stdout takes one result, but there are {len(groups)} inputs", hint="give a folder with -o")
    if sys.stdout.isatty():
        raise UsageError("a picture cannot be shown on a terminal", hint="pipe it: ganinvert invert … -o - > face.png")
    return Item(tuple(groups[0]), {}, is_piped=True)


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
        found = Path(template.format_map(values))
    except (KeyError, ValueError) as error:
        raise UsageError(
            f"--name {template!r} is no template: {error}", hint=f"for instance --name {DEFAULT_NAME!r}"
        ) from error
    if not found.name or found.is_absolute() or ".." in found.parts:
        raise UsageError(f"--name {template!r} gives no name inside the folder", hint="choose the folder with -o")
    return first.subfolder / found


def _refuse_collisions(items: Sequence[Item]) -> None:
    taken: dict[Path, Item] = {}
    sources = {os.path.realpath(each.path): each.label for item in items for each in item.inputs}
    for item in items:
        for path in item.paths.values():
            if path in taken:
                raise UsageError(
                    f"{taken[path].label} and {item.label} would both be written to {path}",
                    hint="tell them apart with --name '{stem}-{suffix}.{task}', or treat them in two runs",
                )
            if (source := sources.get(os.path.realpath(path))) is not None:
                raise UsageError(
                    f"the result {path} would replace the input {source}", hint="choose another -o or --name"
                )
            taken[path] = item


def png_text(bundle: LatentBundle) -> dict[str, object]:
    """What PNG files say of how they were made."""
    from ganinvert import __version__

    known = ("seed", "settings_hash", "input_sha256")
    return {
        "version": __version__,
        "task": bundle.task,
        "method": bundle.method,
        "generator": bundle.generator,
        "digest": bundle.digest,
        **{name: bundle.provenance[name] for name in known if name in bundle.provenance},
    }
