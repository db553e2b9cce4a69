"""Jobs and their results: plain data, which can be sent to another process."""

from __future__ import annotations

import glob
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from ganinvert import files
from ganinvert.batch.inputs import Input
from ganinvert.errors import BundleError, GanInvertError, OutputError

Status = Literal["done", "skipped", "failed", "planned"]
_ASIDE = "replace it with --overwrite, or choose another folder with -o"


@dataclass(frozen=True)
class Job:
    """Inputs that make one result, and the files of that result.

    Attributes:
        inputs: Inputs; one for most requests.
        paths: Path of every kind of file, in the order of writing; empty if the result goes elsewhere.
        is_piped: True if the picture goes to stdout.
    """

    inputs: tuple[Input, ...]
    paths: Mapping[str, Path]
    is_piped: bool = False

    @property
    def label(self) -> str:
        """Name in messages."""
        return " + ".join(each.label for each in self.inputs)

    @property
    def last(self) -> Path:
        """File that is written last."""
        return list(self.paths.values())[-1]

    def with_faces(self, count: int, kinds: Collection[str]) -> Job:
        """The job with further files of these kinds, NAME.2.pt and so on, for a photo of so many faces."""
        if count == 1 or not self.paths:
            return self
        further = {
            f"{kind} {n}": path.with_name(f"{path.stem}.{n}{path.suffix}")
            for n in range(2, count + 1)
            for kind, path in self.paths.items()
            if kind in kinds
        }
        *others, last = self.paths
        return replace(self, paths={**{kind: self.paths[kind] for kind in others}, **further, last: self.paths[last]})

    def with_samples(self, count: int) -> Job:
        """The job with so many images and bundles instead of one, NAME.1.png and so on, their mean, and their sheet."""
        if count == 1 or not self.paths:
            return self
        paths: dict[str, Path] = {}
        for kind, path in self.paths.items():
            names = [str(n) for n in range(1, count + 1)]
            if kind == "image":
                paths["sheet"] = path.with_name(f"{path.stem}.samples{path.suffix}")
            if kind.startswith("image"):
                names.insert(0, "mean")
            if kind == "comparison":
                paths[kind] = path
            else:
                paths |= {f"{kind} #{name}": path.with_name(f"{path.stem}.{name}{path.suffix}") for name in names}
        return replace(self, paths=paths)

    def further(self) -> list[Path]:
        """Files with such further names that are there, of however many faces and samples."""
        patterns = [(path.parent, f"{glob.escape(path.stem)}.*{path.suffix}") for path in self.paths.values()]
        return [path for folder, pattern in patterns for path in folder.glob(pattern)]

    @property
    def kinds(self) -> frozenset[str]:
        """Kinds of files that are wanted."""
        return frozenset({"image"} if self.is_piped else self.paths)

    def is_up_to_date(self, settings_hash: str, input_sha256: str, *, overwrite: bool) -> bool:
        """True if the files are there and come from the same input and settings.

        Raises:
            OutputError: Another result is in the way, and `overwrite` is False; or a name is too long.
        """
        existing = [path for path in self.paths.values() if files.exists(path)]
        if overwrite or not existing or (self.last not in existing and files.was_interrupted(self.last)):
            return False
        if len(existing) == len(self.paths):
            origin = self._origin()
            if (origin.get("settings_hash"), origin.get("input_sha256")) == (settings_hash, input_sha256):
                return True
        raise OutputError(
            f"{self.label}: {existing[0]} exists already, and nothing shows that it is the same result", hint=_ASIDE
        )

    def _origin(self) -> Mapping[str, object]:
        """Origin of the files, from the last bundle, or without one from the last PNG file."""
        if bundles := [path for path in self.paths.values() if path.suffix == ".pt"]:
            from ganinvert.bundle import LatentBundle

            try:
                return LatentBundle.load(bundles[-1]).provenance
            except BundleError as error:
                raise OutputError(
                    f"{self.label}: an unreadable bundle is in the way: {error.message}", hint=_ASIDE
                ) from error
        from ganinvert.images import read_metadata

        pictures = [path for path in self.paths.values() if path.suffix.lower() == ".png"]
        return read_metadata(pictures[-1]) if pictures else {}


@dataclass(frozen=True)
class Product:
    """Result of a job before it is written.

    Attributes:
        files: Content of every kind of file that the job wants; empty if the result is worth no file.
        metrics: Figures of its quality, by name.
        outcome: Name of the way in which the optimisation ended; "" if nothing was optimised.
        notes: Sentences on what was done to the input.
        verdict: Sentence that says how good the result is.
        warning: Sentence that says what is wrong with it, or "".
        settings: Settings that it depends on, for the report.
        thumbnails: Pictures for the report, as WebP files.
    """

    files: Mapping[str, bytes]
    metrics: Mapping[str, float] = field(default_factory=dict)
    outcome: str = ""
    notes: tuple[str, ...] = ()
    verdict: str = ""
    warning: str = ""
    settings: Mapping[str, object] = field(default_factory=dict)
    thumbnails: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, repr=False)
class JobResult:
    """End of a job.

    Attributes:
        job: The job.
        status: "done", "skipped" (up to date), "failed", or "planned" in a dry run.
        hashes: SHA-256 of the settings and of the input, if the input could be read.
        product: The result; without its files if they were written, None if there is none.
        seconds: Duration of the work on the job, its share of that of its batch.
        error: Reason of a failure.
    """

    job: Job
    status: Status
    hashes: tuple[str, str] | None = None
    product: Product | None = None
    seconds: float | None = None
    error: GanInvertError | None = None

    @property
    def outputs(self) -> Mapping[str, Path]:
        """Path of every kind of file that is there, or would be after a dry run."""
        return {} if self.status == "failed" else self.job.paths

    @property
    def metrics(self) -> Mapping[str, float]:
        """Figures of the quality of a result that was made now."""
        return self.product.metrics if self.product is not None and self.status == "done" else {}

    def __repr__(self) -> str:
        label = self.job.label
        figures = "".join(f", {name} {value:.3g}" for name, value in self.metrics.items())
        error = "" if self.error is None else f", {self.error.message.removeprefix(f'{label}: ')}"
        return f"<JobResult {label}: {self.status}{figures}{error}>"
