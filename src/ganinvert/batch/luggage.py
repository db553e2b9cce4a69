"""Files for workers on other machines: those of a request travel once, those of a job with it."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from ganinvert import files, paths
from ganinvert.batch.job import Job, JobResult
from ganinvert.batch.session import BatchRequest
from ganinvert.errors import GanInvertError
from ganinvert.weights import registry
from ganinvert.weights.catalog import CATALOG, CONVOLUTIONS

T = TypeVar("T")
R = TypeVar("R", bound=BatchRequest)
Move = Callable[[Path], Path]
Mark = tuple[str, int, int]
"""Path, size in bytes, and time of the last change in ns: by these a machine knows a file of another one."""


@dataclass(frozen=True)
class Piece:
    """A file of a request.

    Attributes:
        key: Its place below the folder of the worker that receives it.
        mark: Mark of the original.
        sha256: SHA-256 of the content.
        content: Handle of the content in the object store.
    """

    key: str
    mark: Mark
    sha256: str
    content: Any


def mark(path: Path) -> Mark:
    """The mark of a file; that of a missing one is the same everywhere."""
    try:
        status = path.stat()
    except OSError:
        return os.path.abspath(path), -1, 0
    return os.path.abspath(path), status.st_size, status.st_mtime_ns


def one_per_file_system(named: Iterable[Path]) -> list[Path]:
    """The first path on each file system that exists; if none does, the last one."""
    devices: dict[Path, int] = {}
    found: dict[int, Path] = {}
    settled: set[int] = set()
    for path in named:
        if path.parent not in devices:
            there = next(each for each in (path.parent, *absolute(path).parents) if each.exists())
            devices[path.parent] = there.stat().st_dev
        if (device := devices[path.parent]) not in settled:
            found[device] = path
            if path.exists():
                settled.add(device)
    return list(found.values())


def absolute(path: Path) -> Path:
    """The path, whatever the working directory of a worker is."""
    return Path(os.path.abspath(path))


def move_paths(value: T, move: Move) -> T:
    """Replace every path in a dataclass of plain data, and a generator that is named by its file."""
    moved: Any = value
    if isinstance(value, Path):
        moved = move(value)
    elif isinstance(value, tuple):
        moved = tuple(move_paths(each, move) for each in value)
        moved = value if moved == value else moved
    elif is_dataclass(value) and not isinstance(value, type):
        changes = {}
        for each in fields(value):
            old = getattr(value, each.name)
            new = str(move(Path(old))) if each.name == "generator" and _is_file(old) else move_paths(old, move)
            if new is not old:
                changes[each.name] = new
        moved = replace(value, **changes) if changes else value
    result: T = moved
    return result


def _is_file(generator: object) -> bool:
    if not isinstance(generator, str) or generator in CATALOG or registry.find(generator) is not None:
        return False
    return Path(generator).is_file()


def files_of(request: BatchRequest) -> dict[str, Path]:
    """The files that a request needs beside its inputs, by their places below the folder of a worker.

    They are those that it names, with the networks beside them; and of the directories of ganinvert the networks of its
    generator, those of metrics, and the discovered subspaces.
    """
    found: dict[str, Path] = {}
    names = {name for name, entry in CATALOG.items() if entry.network in CONVOLUTIONS} | set(_generators(request))
    for path in _named(request):
        beside = [path.with_name(f"{path.stem}.{kind}.safetensors") for kind in ("encoder", "discriminator")]
        for file in sorted(path.rglob("*")) if path.is_dir() else [path, *beside]:
            found[str(Path(_place(path), file.relative_to(path.parent)))] = file
    for key, folder in (("cache/weights", paths.weights_dir()), ("data/generators", paths.generators_dir())):
        for file in (*sorted(folder.glob("*.safetensors")), *sorted(folder.glob("pins/*.json"))):
            if file.name.split(".")[0] in names:
                found[str(Path(key, file.relative_to(folder)))] = file
    folder = paths.subspaces_dir()
    found |= {str(Path("data/subspaces", file.relative_to(folder))): file for file in sorted(folder.rglob("*.*"))}
    return {key: absolute(file) for key, file in found.items() if file.is_file()}


def _named(request: BatchRequest) -> list[Path]:
    named: list[Path] = []

    def note(path: Path) -> Path:
        named.append(path)
        return path

    move_paths(request, note)
    return named


def _generators(value: object) -> Iterator[str]:
    """Names of the generators in a request."""
    for each in fields(value) if is_dataclass(value) else ():
        content = getattr(value, each.name)
        if each.name == "generator" and content is not None:
            yield str(content)
        else:
            yield from _generators(content)


def _place(path: Path) -> str:
    """The folder of a named file below that of the worker."""
    return f"request/{hashlib.sha256(os.fsencode(absolute(path))).hexdigest()[:16]}"


def unpack(request: R, pieces: Sequence[Piece], folder: Path, fetch: Callable[[Any], bytes]) -> R:
    """Lay out the files of a request below a folder, and return the request with its paths there.

    Those that the user's own directories hold on this machine are linked; `fetch` gets the others from the object
    store.
    """
    for piece in pieces:
        target = folder / piece.key
        target.parent.mkdir(parents=True, exist_ok=True)
        kind, _, rest = piece.key.partition("/")
        own = {"cache": paths.cache_dir(), "data": paths.data_dir()}.get(kind, folder) / rest
        if own.is_file() and own.stat().st_size == piece.mark[1] and _sha256(own) == piece.sha256:
            target.symlink_to(own)
        else:
            target.write_bytes(fetch(piece.content))
            os.utime(target, ns=(piece.mark[2], piece.mark[2]))  # the latest discovery counts
    return move_paths(request, lambda path: folder / _place(path) / path.name)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class Parcel:
    """A job with its files: inputs, and what is there of its result, which may be up to date.

    Attributes:
        job: The job, with absolute paths.
        contents: Content of the files; b"" for those of a result that only have to be there.
    """

    job: Job
    contents: Mapping[Path, bytes]

    @classmethod
    def pack(cls, job: Job) -> Parcel:
        """Read the files of a job; the worker says of a missing input what is wrong with it."""
        contents: dict[Path, bytes] = {}
        results = {*job.paths.values(), *job.further()}
        decisive = {path for path in results if path.suffix == ".pt"} or set(list(job.paths.values())[-1:])
        companions = files.companions(job.last) if job.paths else ()
        for path in (*(each.path for each in job.inputs), *results, *companions):
            with suppress(OSError):
                contents[path] = path.read_bytes() if path not in results or path in decisive else _present(path)
        return cls(job, contents)

    def unpack(self, folder: Path) -> Job:
        """Write the files into a folder, and return the job with its paths there."""
        inputs = [folder / f"input-{n}" / each.path.name for n, each in enumerate(self.job.inputs)]
        results = folder / "results"
        places = {path: results / path.name for path in self.contents}
        places |= {each.path: place for each, place in zip(self.job.inputs, inputs, strict=True)}
        for path, content in self.contents.items():
            places[path].parent.mkdir(parents=True, exist_ok=True)
            places[path].write_bytes(content)
        return replace(
            self.job,
            inputs=tuple(replace(each, path=places[each.path]) for each in self.job.inputs),
            paths={kind: results / path.name for kind, path in self.job.paths.items()},
        )

    def collect(self, result: JobResult, folder: Path) -> JobResult:
        """Take the files of a result from the folder, which is removed, into its product."""
        product = result.product
        if result.status == "done" and product is not None and result.job.paths:
            product = replace(product, files={kind: path.read_bytes() for kind, path in result.job.paths.items()})
        shutil.rmtree(folder, ignore_errors=True)
        return replace(renamed(result, self.job), product=product)


def _present(path: Path) -> bytes:
    path.lstat()
    return b""


def renamed(result: JobResult, job: Job) -> JobResult:
    """The result as that of the job from which its own, which may have further files, was made with other paths."""
    places = {kind: job.paths.get(kind, job.last.parent / path.name) for kind, path in result.job.paths.items()}
    job = replace(job, paths=places)
    if isinstance(result.error, GanInvertError):
        old = [*(each.path for each in result.job.inputs), *result.job.paths.values()]
        new = [*(each.path for each in job.inputs), *job.paths.values()]
        for here, there in zip(old, new, strict=True):
            result.error.message = result.error.message.replace(str(here), str(there))
    return replace(result, job=job)
