"""The contract of a task: how a photo becomes a measurement of the wanted image, and a result a photo again."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganinvert import images
from ganinvert.degradations import Degradation, Measurement
from ganinvert.errors import ImageError
from ganinvert.faces import SMALLEST_FACE, Note
from ganinvert.metrics import image_metrics
from ganinvert.settings import TaskOptions

if TYPE_CHECKING:
    from PIL.Image import Image

KNOWN = 128
"""Least opacity, of 255, of a known pixel."""
OptionsT = TypeVar("OptionsT", bound=TaskOptions)


@dataclass(frozen=True)
class PreparedImage:
    """A photo that has been read, brought into the generator's square and measured.

    Attributes:
        fit: The photo in the square that is measured.
        measurement: Measurement of the wanted image, which the optimisation explains.
        notes: Changes to the photo, and doubts about it.
        sha256: SHA-256 over everything in the photo that the result depends on.
        picture: The whole photo, if results are to be put back into it.
        others: Squares of the photo's further faces, which have neither picture nor others.
    """

    fit: images.Fit
    measurement: Measurement
    notes: tuple[Note, ...]
    sha256: str
    picture: images.Picture | None = None
    others: tuple[PreparedImage, ...] = ()

    @property
    def squares(self) -> tuple[PreparedImage, ...]:
        """The squares of all faces of the photo, the first of which is this one."""
        return self, *self.others


class Task(Generic[OptionsT]):
    """A task on photos; this one is inverting, whose photo shows the wanted image itself."""

    smallest_face: float = SMALLEST_FACE
    """Side in pixels of the smallest face of a photo that is worth the work, if all faces are done."""

    def __init__(self, options: OptionsT) -> None:
        self.options = options

    @staticmethod
    def of(options: TaskOptions) -> Task[Any]:
        """The task that has these options."""
        task: Task[Any] = resolve_name(options.implementation)(options)
        return task

    @property
    def name(self) -> str:
        """Name of the task."""
        return self.options.name

    def open(self, picture: images.Picture, path: Path | None) -> images.Picture:  # noqa: ARG002  (for those with files)
        """Return the photo with what the options add to it, such as a mask of the name of its file `path`.

        Colours that its transparency hides are replaced: the result shall not depend on them.
        """
        return images.without_hidden_colours(picture)

    def check(self, resolution: int, *, whole: bool) -> None:
        """Raise UsageError if the options do not fit the generator's resolution, for whole photos or squares alone."""

    def side(self, placement: images.Placement, resolution: int, *, whole: bool) -> int:  # noqa: ARG002
        """Side of the measured square, in pixels; raises ImageError if its place is too large for the task."""
        return resolution

    def measure(self, fitted: images.Fit) -> tuple[Measurement, str]:
        """The measurement, here all visible pixels, and a note if the photo had to be changed for it."""
        known = None if fitted.alpha is None else torch.from_numpy(np.asarray(fitted.alpha) >= KNOWN)
        if known is None or known.all():
            return Measurement("identity", levels_of(fitted)), ""
        if not known.any():
            raise ImageError("the photo is transparent everywhere", hint="give a photo of which something is visible")
        return Measurement("visible", levels_of(fitted), known), ""

    def prepare(self, picture: images.Picture, fitted: images.Fit, *, remarks: Sequence[Note] = ()) -> PreparedImage:
        """Measure a photo, as read and as fitted into the square; `remarks` are further notes on it.

        Raises:
            ImageError: The photo cannot be used for this task.
        """
        measurement, note = self.measure(fitted)
        digest = hashlib.sha256(measurement.levels.numpy().tobytes())
        if measurement.known is not None:
            digest.update(measurement.known.numpy().tobytes())
        if fitted.alpha is not None:
            digest.update(fitted.alpha.tobytes())
        if fitted.kept is not None:
            digest.update(fitted.kept.tobytes())
        before = [Note("remark", text) for text in (*picture.notes, fitted.note) if text]
        after = [Note("remark", note)] if note else []
        return PreparedImage(fitted, measurement, (*before, *remarks, *after), digest.hexdigest())

    def left_out(self, picture: images.Picture, places: Sequence[images.Placement]) -> str:  # noqa: ARG002
        """Describe what squares at these places cannot restore of the whole photo; "" for nothing."""
        return ""

    def put_back(self, picture: images.Picture, squares: Sequence[tuple[Image, images.Placement]]) -> images.Raster:
        """The whole photo with the results in their places."""
        return images.paste_back(picture.raster, images.patches(squares, picture.rgb.size))

    def check_truth(self, levels: Tensor) -> None:
        """Raise ImageError if a photo, (3, r, r) uint8, has nothing that can be lost and restored."""

    def degrade(self, levels: Tensor, trial: Any, rng: np.random.Generator) -> images.Picture:  # noqa: ARG002
        """Degrade a photo of known truth, (3, r, r) uint8, to what a user would have, as an instance of `trial` says.

        Raises:
            UsageError: The photo cannot be degraded so.
        """
        return picture_of(levels[None].float() / 127.5 - 1)

    def metrics(self, x: Tensor, y: Tensor, measurement: Measurement) -> Mapping[str, Tensor]:  # noqa: ARG002
        """Metrics of this task alone, of result x and truth y, (1, 3, r, r) in [0, 1]."""
        return {}


def levels_of(fitted: images.Fit) -> Tensor:
    """The pixels of a fitted photo, (3, s, s) uint8."""
    return torch.from_numpy(np.rint((fitted.pixels + 1) * 127.5).astype(np.uint8))


def picture_of(x: Tensor) -> images.Picture:
    """An image (1, 3, h, w) in [-1, 1] as a picture of 8 bits."""
    return images.Picture(images.to_pil(((x[0].clamp(-1, 1) + 1) / 2).numpy()))


def explained(degradation: Degradation, measured: Measurement, x: Tensor) -> dict[str, float]:
    """PSNR, SSIM and LPIPS between a measurement and the generator's image x (1, 3, r, r), degraded alike.

    Gray measurements are compared as images of three equal channels; the PSNR is that of the known pixels.
    """
    image, y = (each.expand(-1, 3, -1, -1) for each in (degradation(x.clamp(-1, 1)), measured.y))
    metrics = image_metrics(image, y)[0]
    metrics["psnr"] += 10 * math.log10(float(degradation.coverage(measured.y)))
    return metrics


def to_signed(levels: NDArray[Any], top: int) -> Tensor:
    """Levels (h, w, c), of which `top` is white, as (1, c, h, w) in [-1, 1]."""
    return torch.from_numpy(levels.astype(np.float32).transpose(2, 0, 1))[None] / (top / 2) - 1


def from_signed(x: Tensor, top: int) -> NDArray[np.float32]:
    """An image (1, c, h, w) in [-1, 1] as levels (h, w, c), of which `top` is white, not rounded."""
    levels: NDArray[np.float32] = (x[0].permute(1, 2, 0).numpy() + 1) * np.float32(top / 2)
    return levels


def signed(image: Image) -> Tensor:
    """An image as (1, 3, h, w) in [-1, 1]."""
    return torch.from_numpy(images.to_array(image))[None] / 127.5 - 1
