"""Requests: a task on photos with all its settings, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from ganinvert.settings.common import (
    DEFAULT_GENERATOR,
    Align,
    FaceChoice,
    FitMode,
    MethodName,
    Precision,
    require_seed,
    require_types,
)
from ganinvert.settings.methods import InversionSettings, MethodSettings
from ganinvert.settings.presets import AUTOMATIC, method_entry, preset_of
from ganinvert.settings.tasks import InvertTask, TaskOptions


class RequestOptions(TypedDict, total=False):
    """Fields of `Request` as keywords, except the task, the settings and the generator."""

    fit: FitMode
    align: Align
    face: FaceChoice | None
    square: bool | None
    reals: Path | None
    device: str
    dtype: Precision
    seed: int


@dataclass(frozen=True)
class Request:
    """A task on photos: everything that a result depends on except the photo. Plain data, which can be pickled.

    Attributes:
        task: Task and its options.
        settings: Method, optimiser, loss weights and fine-tuning; or the name of a method, whose preset for
            the generator is taken; "auto" is the default method of its family.
        generator: Name of a generator, or path of its file.
        fit: Way of making photos square: "crop", "pad" or "squash".
        align: "auto" moves a face to where a face generator expects it, unless it is there; "force" always; "off"
            never, and warns if it should.
        face: Number of the face in the photo, counted from the largest, from 1; "all" or "largest". None stands for all
            in a restoration, and for the largest in an inversion.
        square: The result is the generator's square alone, and not the whole photo with the squares in their places.
            None stands for the whole photo in a restoration, and for the square in an inversion.
        reals: Folder of real photos for near-perfect fine-tuning; None: the generator's own samples.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        dtype: Precision of convolutions: "auto", "float32" or "bfloat16".
        seed: Random seed of everything that is drawn.
    """

    task: TaskOptions = InvertTask()
    settings: InversionSettings | MethodName = AUTOMATIC
    generator: str | Path = DEFAULT_GENERATOR
    fit: FitMode = "crop"
    align: Align = "auto"
    face: FaceChoice | None = None
    square: bool | None = None
    reals: Path | None = None
    device: str = "auto"
    dtype: Precision = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        require_types(self)
        require_seed(self.seed)
        if isinstance(self.settings, str) and self.settings != AUTOMATIC:
            method_entry(self.settings)

    @property
    def faces(self) -> FaceChoice:
        """Faces that are chosen: "all", or a number."""
        chosen = ("all" if self.task.degrades else 1) if self.face is None else self.face
        return 1 if chosen == "largest" else chosen

    @property
    def gives_whole(self) -> bool:
        """True if the result is the whole photo."""
        return self.task.degrades if self.square is None else not self.square

    def settings_for(self, *, styled: bool) -> InversionSettings:
        """The settings for a generator that is style-based or not; see `preset_of` for errors."""
        if isinstance(self.settings, InversionSettings):
            return self.settings
        return preset_of(self.settings, self.task.name, styled=styled)


def chosen_settings(
    task: TaskOptions, settings: InversionSettings | None, method: MethodSettings | MethodName | None
) -> InversionSettings | MethodName:
    """The settings of a request from a library call: given ones, with a method's own, or a method's name."""
    if method is None or isinstance(method, str):
        return method or settings or AUTOMATIC
    styled = method.space in ("w", "w+", "f")
    return (settings or preset_of(method.title if styled else "pmsfc", task.name, styled=styled)).of(method)
