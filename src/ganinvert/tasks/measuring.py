"""The tasks: what each takes from a picture as the measurement of the wanted image."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch

from ganinvert import images
from ganinvert.degradations import Grayscale, Measurement
from ganinvert.errors import ImageError, UsageError
from ganinvert.settings import Box, FitMode, Kernel, Luma

if TYPE_CHECKING:
    from PIL.Image import Image

GRAY_SPREAD = 16
"""Channels of a gray picture may differ by this many 8-bit levels: JPEG's chroma is not exact."""


@dataclass(frozen=True)
class Target:
    """A picture made ready.

    Attributes:
        fit: The picture in the square that is measured.
        measurement: What the optimisation is to explain.
        notes: What was done to the picture.
        sha256: Of everything that the result depends on.
    """

    fit: images.Fit
    measurement: Measurement
    notes: tuple[str, ...]
    sha256: str


class Task(ABC):
    """What a picture tells of the wanted image. Frozen dataclasses whose fields are the task's own options."""

    name: ClassVar[str]

    def target(self, picture: images.Picture, resolution: int, *, mode: FitMode) -> Target:
        """Fit a picture to the square that is measured, and measure it.

        Args:
            picture: As read.
            resolution: Side of the generator's images, in pixels.
            mode: How pictures that are not square become so.

        Raises:
            ImageError: The picture cannot be used for this task.
            UsageError: The task's options do not fit the generator.
        """
        fitted = images.fit(picture, self.side(picture, resolution), mode=mode)
        measurement, note = self.measure(fitted)
        digest = hashlib.sha256(measurement.levels.numpy().tobytes())
        if measurement.known is not None:
            digest.update(measurement.known.numpy().tobytes())
        notes = (*picture.notes, *(text for text in (fitted.note, note) if text))
        return Target(fitted, measurement, notes, digest.hexdigest())

    def side(self, picture: images.Picture, resolution: int) -> int:  # noqa: ARG002  (for tasks that ask the picture)
        """Side of the measured square, in pixels."""
        return resolution

    @abstractmethod
    def measure(self, fitted: images.Fit) -> tuple[Measurement, str]:
        """The measurement, and a note if the picture had to be changed for it."""

    def options(self) -> Mapping[str, Any]:
        """The task's name and fields, as plain values."""
        return {"task": self.name, **vars(self)}


def _levels(fitted: images.Fit) -> torch.Tensor:
    return torch.from_numpy(np.rint((fitted.pixels + 1) * 127.5).astype(np.uint8))


@dataclass(frozen=True)
class Inverting(Task):
    """The picture shows the wanted image itself."""

    name = "invert"

    def measure(self, fitted: images.Fit) -> tuple[Measurement, str]:
        """All of its pixels."""
        return Measurement("identity", _levels(fitted)), ""


@dataclass(frozen=True)
class Colorizing(Task):
    """The picture shows the luminance.

    Attributes:
        luma: How luminance is defined, and kept; see `degradations.Grayscale`.
    """

    name = "colorize"
    luma: Luma = "rec601"

    def measure(self, fitted: images.Fit) -> tuple[Measurement, str]:
        """Its gray values; a picture in colour is reduced to them."""
        levels = _levels(fitted)
        spread = int((levels.amax(dim=0) - levels.amin(dim=0)).max())
        gray = Grayscale(self.luma)(levels[None] / 127.5 - 1)[0]
        note = "in colour: reduced to gray" if spread > GRAY_SPREAD else ""
        return Measurement("grayscale", ((gray + 1) * 127.5).round().byte(), options={"luma": self.luma}), note


@dataclass(frozen=True)
class Upscaling(Task):
    """The picture is the wanted image, made smaller.

    Attributes:
        factor: How many times smaller; None takes the picture's size as it is.
        kernel: How it was made smaller; see `degradations.Downsample`.
    """

    name = "upscale"
    factor: int | None = None
    kernel: Kernel = "bicubic"

    def side(self, picture: images.Picture, resolution: int) -> int:
        """The generator's resolution divided by the factor, or the picture's shorter side."""
        if self.factor is None:
            side = min(picture.rgb.size)
            if side >= resolution:
                raise ImageError(
                    f"the picture has {side} pixels already, as many as the generator makes ({resolution})",
                    hint="choose a generator of a higher resolution with -g, or give --factor to shrink it first",
                )
            return side
        if self.factor < 2 or resolution % self.factor or resolution // self.factor < 2:
            factors = [n for n in range(2, resolution // 2 + 1) if resolution % n == 0]
            raise UsageError(
                f"{resolution} pixels cannot be {self.factor} times smaller",
                hint=f"choose a factor of {', '.join(map(str, factors))}, or none, to take the picture's own size",
            )
        return resolution // self.factor

    def measure(self, fitted: images.Fit) -> tuple[Measurement, str]:
        """All of its pixels."""
        return Measurement("downsample", _levels(fitted), options={"kernel": self.kernel}), ""


@dataclass(frozen=True)
class Inpainting(Task):
    """The picture shows the wanted image but for its transparent part."""

    name = "inpaint"

    def measure(self, fitted: images.Fit) -> tuple[Measurement, str]:
        """Its opaque pixels.

        Raises:
            ImageError: Nothing is missing in the square, or everything.
        """
        known = None if fitted.alpha is None else torch.from_numpy(np.asarray(fitted.alpha) >= 128)
        if known is None or known.all():
            raise ImageError(
                "nothing is missing inside the square that is inpainted",
                hint="the hole was cropped away or is smaller than a pixel there: try --fit pad, or a larger mask",
            )
        if not known.any():
            raise ImageError(
                "nothing is known inside the square that is inpainted", hint="try --fit pad, or a smaller mask"
            )
        return Measurement("mask", _levels(fitted), known), ""


def holed(
    picture: images.Picture, *, mask: str | Path | Image | None = None, box: Box | None = None, keep_white: bool = False
) -> images.Picture:
    """Make transparent what is missing: where the mask is white, inside the box, or where it is so already.

    Raises:
        ImageError: The mask, box or transparency leaves nothing missing or nothing known, or the mask does not fit.
    """
    if mask is not None:
        missing = images.read_mask(mask, picture.rgb.size, keep_white=keep_white)
    elif box is not None:
        missing = images.box_mask(box, picture.rgb.size)
    else:
        missing = images.missing_where_transparent(picture)
    return images.with_hole(picture, missing)
