"""Inputs of a batch: the files behind paths, folders, stdin and lists of paths."""

from __future__ import annotations

import atexit
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ganinvert.errors import GanInvertError, InputError, UsageError
from ganinvert.files import open_input
from ganinvert.settings.common import PICTURE_SUFFIXES

STDIN = "-"
BUNDLES = frozenset({".pt"})
"""Suffixes of bundles."""
_ZIP = b"PK\x03\x04"
"""The first bytes of a bundle."""
_OWN_NAME = re.compile(
    r".\.(colorize|edit|inpaint|interpolate|invert|render|restore|swap|upscale)(\.[-+\w]+)*\.(gif|png|webp)$|.\.render\.pt$"
)
_OWN_CHUNK = b"iTXtganinvert\0"
_HEAD = 1 << 16  # of a PNG file, in bytes: text stands before the pixels


Say = Callable[[str, int], None]
"""Receives a message, and the verbosity from which it is shown (0 always, 1 with -v)."""


@dataclass(frozen=True)
class Input:
    """One input.

    Attributes:
        label: Name in messages.
        path: File to read.
        stem: First part of the names of its results.
        subfolder: Subfolder for its results, that in which a recursive search found it.
        problem: Reason why the file cannot even be opened, or None.
    """

    label: str
    path: Path
    stem: str
    subfolder: Path = Path()
    problem: GanInvertError | None = None


def expand(
    arguments: Sequence[Path],
    *,
    from_file: Path | None = None,
    recursive: bool = False,
    suffixes: frozenset[str] = PICTURE_SUFFIXES,
    say: Say = lambda _text, _level: None,
) -> list[Input]:
    """List the inputs behind paths, each once, in the order given; those of a folder in natural order.

    Args:
        arguments: Files, folders, or `-` for stdin.
        from_file: List of more of them, one per line (or between NUL bytes); `-` reads the list from stdin.
        recursive: Look into folders inside folders.
        suffixes: Suffixes of inputs in folders. Hidden files and our own pictures are left out.
        say: Receives a message about the files of a folder that are left out.

    Raises:
        UsageError: There is no input at all, the list cannot be read, or stdin is a terminal.
    """
    if str(from_file) == STDIN and Path(STDIN) in arguments:
        raise UsageError("stdin cannot be both an input and the list of inputs", hint="give - only once")
    named = list(dict.fromkeys([*arguments, *(_listed(from_file) if from_file is not None else [])]))
    if not named:
        reason = f"{from_file} lists nothing" if from_file is not None else "no input"
        raise UsageError(reason, hint="name files, folders, - for stdin, or a list of them with --from-file")
    inputs: dict[str, Input] = {}
    for argument in named:
        for each in _expanded(argument, recursive, suffixes, say):
            inputs.setdefault(os.path.abspath(each.path), each)
    if not inputs:
        raise UsageError(
            f"no input: {', '.join(map(str, named))} {'hold' if len(named) > 1 else 'holds'} no file to treat",
            hint="-r looks into folders inside folders" if not recursive else "name the files themselves",
        )
    return list(inputs.values())


def _expanded(argument: Path, recursive: bool, suffixes: frozenset[str], say: Say) -> Iterator[Input]:
    if str(argument) == STDIN:
        yield Input(STDIN, _spooled("stdin", _stdin()), "stdin")
    elif argument.is_fifo():  # a pipe can be read only once
        try:
            with open_input(argument, InputError) as pipe:
                content = pipe.read()
        except InputError as error:
            yield Input(str(argument), argument, argument.stem, problem=error)
        else:
            yield Input(str(argument), _spooled(argument.name, content), argument.stem)
    elif argument.is_dir():
        yield from _inside(argument, recursive, suffixes, say)
    else:
        yield Input(str(argument), argument, argument.stem)


def _inside(folder: Path, recursive: bool, suffixes: frozenset[str], say: Say) -> Iterator[Input]:
    problems: list[OSError] = []
    files: list[Path] = []
    for where, below, names in os.walk(folder, onerror=problems.append):
        below[:] = [name for name in below if not name.startswith(".")] if recursive else []
        files += [Path(where, name) for name in names if not name.startswith(".")]
    others = [file for file in files if file.suffix.lower() not in suffixes]
    own = [file for file in files if file.suffix.lower() in suffixes and _is_own(file)]
    if ignored := [f"{len(group)} {what}" for group, what in ((others, "other files"), (own, "own results")) if group]:
        say(f"{folder}: ignored {' and '.join(ignored)}", 0 if len(others) + len(own) == len(files) else 1)
    for error in problems:
        reason = InputError(
            f"{error.filename}: cannot be looked into: {error.strerror}", hint="check the permissions of the folder"
        )
        yield Input(str(error.filename), Path(error.filename), folder.name, problem=reason)
    for file in sorted(set(files).difference(others, own), key=natural):
        yield Input(str(file), file, file.stem, file.parent.relative_to(folder))


def natural(path: Path) -> list[list[tuple[int, str]]]:
    """Sort key under which 2.jpg comes before 10.jpg, and files before the folders beside them."""
    parts = [
        [(int(piece), "") if piece.isdecimal() else (-1, piece) for piece in re.split(r"(\d+)", part.casefold())]
        for part in path.parts
    ]
    return [*parts[:-1], [(-2, "")], *parts[-1:], [(0, path.name)]]


def _is_own(file: Path) -> bool:
    """Tell by its name, or by the text chunk inside, if a picture is one of ours."""
    if _OWN_NAME.search(file.name):
        return True
    if file.suffix.lower() != ".png":
        return False
    try:
        with file.open("rb") as content:
            return _OWN_CHUNK in content.read(_HEAD)
    except OSError:
        return False  # reading it for real will say why


def _listed(file: Path) -> list[Path]:
    try:
        content = _stdin() if str(file) == STDIN else file.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{file}: the list of inputs cannot be read: {error.strerror}", hint="give a text file, one path per line"
        ) from error
    lines = content.split(b"\0") if b"\0" in content else content.splitlines()
    return [Path(os.fsdecode(line)) for line in lines if line.strip()]


def _spooled(name: str, content: bytes) -> Path:
    """Write what stdin or a pipe gave to a file that lives as long as the process, because everything reads files."""
    folder = tempfile.TemporaryDirectory(prefix="ganinvert-")
    atexit.register(folder.cleanup)
    path = Path(folder.name, name)
    if content.startswith(_ZIP):
        path = path.with_suffix(".pt")  # bundles are told from photos by it
    path.write_bytes(content)
    return path


def _stdin() -> bytes:
    if sys.stdin.isatty():
        raise UsageError("- reads from stdin, which is a terminal", hint="pipe into it: ganinvert invert - < photo.jpg")
    return sys.stdin.buffer.read()
