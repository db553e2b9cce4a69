"""Requests of batches: plain data, which imports nothing heavy until it is opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from ganinvert.batch.session import BatchRequest
from ganinvert.settings import Request
from ganinvert.settings.common import ADDED, InterpolationPath, at_least, plain, require_seed
from ganinvert.settings.strokes import Strokes


def on_own_device(request: Request, worker: int) -> Request:
    """The request for one of several worker processes: each takes a CUDA device of its own, if there are any."""
    import torch

    if request.device not in ("auto", "cuda") or not torch.cuda.is_available():
        return request
    return replace(request, device=f"cuda:{worker % torch.cuda.device_count()}")


@dataclass(frozen=True)
class PhotoRequest(BatchRequest):
    """A task on photos, one result for each.

    Attributes:
        request: The task, and everything else that results depend on.
        batch_size: Photos that an accelerator optimises together; None: as many as fit.
        checkpoint_every: Steps between two checkpoints of an unfinished optimisation beside the results; 0: none.
        metadata: Write into PNG files how they were made.
        thumbnails: Make pictures for a report.
        samples: Number of results of each photo, with different seeds.
    """

    session: ClassVar[str] = "ganinvert.batch.photos:PhotoSession"
    request: Request
    batch_size: int | None = None
    checkpoint_every: int = 0
    metadata: bool = True
    thumbnails: bool = False
    samples: int = 1

    def __post_init__(self) -> None:
        at_least("samples", self.samples, 1)
        if self.samples > 1:
            require_seed(self.request.seed + self.samples - 1)

    @property
    def command(self) -> str:  # type: ignore[override]  # known by the task
        """Name of the task."""
        return self.request.task.name

    @property
    def verb(self) -> str:  # type: ignore[override]
        """Past participle of the task."""
        return self.request.task.done

    @property
    def device(self) -> str:
        """Device of the request."""
        return self.request.device

    def for_worker(self, number: int) -> PhotoRequest:
        """The same on a device of the worker's own."""
        return replace(self, request=on_own_device(self.request, number))


@dataclass(frozen=True)
class EditRequest(BatchRequest):
    """An edit of photos or bundles; photos are inverted first.

    Attributes:
        request: Inversion of the photos.
        bundle: The bundle among the inputs whose subspaces photos take; None without one.
        metadata: Write into PNG files how they were made.
    """

    request: Request
    bundle: Path | None = None
    metadata: bool = True

    @property
    def settings(self) -> Mapping[str, Any]:
        """Settings of the edit, the fields of the subclass, as plain values."""
        return {name: value for name, value in plain(self).items() if name in type(self).__annotations__}

    @property
    def device(self) -> str:
        """Device of the request."""
        return self.request.device

    def for_worker(self, number: int) -> EditRequest:
        """The same on a device of the worker's own."""
        return replace(self, request=on_own_device(self.request, number))


@dataclass(frozen=True)
class SwapRequest(EditRequest):
    """An exchange of subspaces or styles; see `tasks.swap`.

    Attributes:
        subspaces: Numbers of the subspaces to exchange, from 1; none for the grid alone.
        strength: Strength of the exchange, from 0 to 1.
        styles: Numbers of the styles to exchange, from 0.
    """

    command = "swap"
    verb = "exchanged"
    session = "ganinvert.batch.editing:SwapSession"
    subspaces: tuple[int, ...] = ()
    strength: float = 1.0
    styles: tuple[int, ...] = field(default=(), kw_only=True, metadata=ADDED)


@dataclass(frozen=True)
class InterpolationRequest(EditRequest):
    """The images between two photos or bundles; see `tasks.interpolate`.

    Attributes:
        frames: Number of images, both ends included.
        path: Quantity that is interpolated linearly.
    """

    command = "interpolate"
    verb = "interpolated"
    session = "ganinvert.batch.editing:InterpolationSession"
    frames: int = 60
    path: InterpolationPath = "features"


def edit_names(strengths: Sequence[float]) -> list[tuple[str, str, str]]:
    """Kinds of the picture and the bundle of every strength, and what their file names end with before the suffix."""
    if len(strengths) == 1:
        return [("image", "bundle", "")]
    return [(f"image {strength:+g}", f"bundle {strength:+g}", f".{strength:+g}") for strength in strengths]


@dataclass(frozen=True)
class DirectionRequest(EditRequest):
    """Edits along a direction; see `tasks.edit`.

    Attributes:
        direction: Name of the direction; None for the sheet alone.
        strengths: Strength of every edit, in standard deviations; the sheet takes the greatest.
        styles: Numbers of the styles that change, from 0; None for all.
    """

    command = "edit"
    verb = "edited"
    session = "ganinvert.batch.editing:DirectionSession"
    direction: str | None = None
    strengths: tuple[float, ...] = (2.0,)
    styles: tuple[int, ...] | None = None


@dataclass(frozen=True)
class StrokesRequest(EditRequest):
    """Edits by strokes; see `tasks.edit_strokes`.

    Attributes:
        strokes: File of the coloured strokes; None for none.
        sketch: File of the sketch; None for none.
        transfer: Photo that takes the change at its own size; None for none.
        chosen: Steps, learning rate and closeness.
    """

    command = "edit"
    verb = "edited"
    session = "ganinvert.batch.strokes:StrokesSession"
    strokes: Path | None = None
    sketch: Path | None = None
    transfer: Path | None = None
    chosen: Strokes = Strokes()

    @property
    def files(self) -> Mapping[str, Path]:
        """Files that the edit reads beside its input, by the names of their fields."""
        named = {"strokes": self.strokes, "sketch": self.sketch, "transfer": self.transfer}
        return {name: path for name, path in named.items() if path is not None}


@dataclass(frozen=True)
class RenderRequest(BatchRequest):
    """Bundles, rendered again; see `tasks.render`.

    Attributes:
        subspaces: Numbers of the subspaces to scale, from 1.
        scale: Factor for their features.
        generator: Name or file of the generator; None: the one that each bundle names.
        offline: Do not use the internet.
        metadata: Write into PNG files how they were made.
    """

    command: ClassVar[str] = "render"
    verb: ClassVar[str] = "rendered"
    session: ClassVar[str] = "ganinvert.batch.editing:RenderSession"
    subspaces: tuple[int, ...] | None = None
    scale: float | None = None
    generator: str | None = None
    offline: bool = False
    metadata: bool = True

    @property
    def settings(self) -> Mapping[str, Any]:
        """Settings of the edit, as plain values."""
        return {"subspaces": self.subspaces, "scale": self.scale}
