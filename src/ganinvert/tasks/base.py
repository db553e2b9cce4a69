"""The tasks: what each takes from a picture as the measurement of the wanted image."""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from ganinvert import images
from ganinvert.degradations import Degradation, Grayscale, Measurement
from ganinvert.errors import ImageError, UsageError
from ganinvert.metrics import image_metrics
from ganinvert.settings import Box, EvaluatedTask, Kernel, Luma

if TYPE_CHECKING:
    from PIL.Image import Image

GRAY_SPREAD = 16
"""Channels of a gray picture may differ by this many 8-bit levels: JPEG's chroma is not exact."""


@dataclass(frozen=True)
class PreparedImage:
    """A picture made ready.

    Attributes:
        fit: The picture in the square that is measured.
        measurement: What the optimisation is to explain.
        notes: What was done to the picture, and what is doubtful about it ("warning: …").
        sha256: Of everything that the result depends on.
        picture: The whole one, when the result is to be put back into it.
    """

    fit: images.Fit
    measurement: Measurement
    notes: tuple[str, ...]
    sha256: str
    picture: images.Picture | None = None


class Task(ABC):
    """What a picture tells of the wanted image. Frozen dataclasses whose fields are the task's own options."""

    name: ClassVar[EvaluatedTask]
    fits_back: ClassVar[bool] = True
    """Whether a result has its place in the picture that it was made of."""

    def target(self, picture: images.Picture, fitted: images.Fit, *, remarks: Sequence[str] = ()) -> PreparedImage:
        """Measure a picture.

        Args:
            picture: As read.
            fitted: The same in the square that is measured.
            remarks: What else is to be said of it.

        Raises:
            ImageError: The picture cannot be used for this task.
        """
        measurement, note = self.measure(fitted)
        digest = hashlib.sha256(measurement.levels.numpy().tobytes())
        if measurement.known is not None:
            digest.update(measurement.known.numpy().tobytes())
        if fitted.alpha is not None:
            digest.update(fitted.alpha.tobytes())
        notes = (*picture.notes, *(text for text in (fitted.note, *remarks, note) if text))
        return PreparedImage(fitted, measurement, notes, digest.hexdigest())

    def side(self, picture: images.Picture, resolution: int) -> int:  # noqa: ARG002  (for tasks that ask the picture)
        """Side of the measured square, in pixels.

        Raises:
            ImageError: The picture is too large for this task.
            UsageError: The task's options do not fit the generator.
        """
        return resolution

    def put_back(self, image: Image, picture: images.Picture, placement: images.Placement) -> Image:
        """The whole picture with the task's result in its place."""
        return images.paste_back(image, picture, placement)

    def check(self, resolution: int) -> None:  # noqa: B027  (most tasks have nothing to refuse)
        """Refuse options that do not fit a generator of that resolution.

        Raises:
            UsageError: They do not.
        """

    @abstractmethod
    def measure(self, fitted: images.Fit) -> tuple[Measurement, str]:
        """The measurement, and a note if the picture had to be changed for it."""

    def options(self) -> Mapping[str, Any]:
        """The task's name and fields, as plain values."""
        return {"task": self.name, **vars(self)}


def _signed(image: Image) -> torch.Tensor:
    """An image as (1, 3, h, w) in [-1, 1]."""
    return torch.from_numpy(images.to_array(image))[None] / 127.5 - 1


def _levels(fitted: images.Fit) -> torch.Tensor:
    return torch.from_numpy(np.rint((fitted.pixels + 1) * 127.5).astype(np.uint8))


def is_gray(levels: torch.Tensor) -> bool:
    """Whether the channels of (3, h, w) uint8 are alike everywhere, as near as files keep them."""
    return int((levels.amax(dim=0) - levels.amin(dim=0)).max()) <= GRAY_SPREAD


@dataclass(frozen=True)
class InvertTask(Task):
    """The picture shows the wanted image itself."""

    name = "invert"

    def measure(self, fitted: images.Fit) -> tuple[Measurement, str]:
        """All of its pixels."""
        return Measurement("identity", _levels(fitted)), ""


@dataclass(frozen=True)
class ColorizeTask(Task):
    """The picture shows the luminance.

    Attributes:
        luma: How luminance is defined, and kept; see `degradations.Grayscale`.
    """

    name = "colorize"
    luma: Luma = "rec601"

    def put_back(self, image: Image, picture: images.Picture, placement: images.Placement) -> Image:
        """The picture's own luminance at its own resolution, with the chroma of the result; gray outside its place."""
        operator = Grayscale(self.luma)
        y = operator(_signed(picture.rgb))
        gray = images.to_pil(((y + 1) / 2).expand(-1, 3, -1, -1)[0].numpy())
        whole = images.paste_back(image, images.Picture(gray), placement)
        return images.to_pil(((operator.project(_signed(whole), y) + 1) / 2)[0].numpy(), picture.alpha)

    def measure(self, fitted: images.Fit) -> tuple[Measurement, str]:
        """Its gray values; a picture in colour is reduced to them."""
        levels = _levels(fitted)
        gray = Grayscale(self.luma)(levels[None] / 127.5 - 1)[0]
        note = "" if is_gray(levels) else "in colour: reduced to gray"
        return Measurement("grayscale", ((gray + 1) * 127.5).round().byte(), options={"luma": self.luma}), note


@dataclass(frozen=True)
class UpscaleTask(Task):
    """The picture is the wanted image, made smaller.

    Attributes:
        factor: How many times smaller; None takes the picture's size as it is.
        kernel: How it was made smaller; see `degradations.Downsample`.
    """

    name = "upscale"
    fits_back = False
    factor: int | None = None
    kernel: Kernel = "bicubic"

    def check(self, resolution: int) -> None:
        """The factor has to divide the resolution.

        Raises:
            UsageError: It does not.
        """
        if self.factor is None:
            return
        if self.factor < 2 or resolution % self.factor or resolution // self.factor < 2:
            factors = [n for n in range(2, resolution // 2 + 1) if resolution % n == 0]
            raise UsageError(
                f"{resolution} pixels cannot be {self.factor} times smaller",
                hint=f"choose a factor of {', '.join(map(str, factors))}, or none, to take the picture's own size",
            )

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
        self.check(resolution)
        return resolution // self.factor

    def measure(self, fitted: images.Fit) -> tuple[Measurement, str]:
        """All of its pixels."""
        return Measurement("downsample", _levels(fitted), options={"kernel": self.kernel}), ""


@dataclass(frozen=True)
class InpaintTask(Task):
    """The picture shows the wanted image but for its transparent part."""

    name = "inpaint"

    def put_back(self, image: Image, picture: images.Picture, placement: images.Placement) -> Image:
        """Only the hole is filled; where the square does not reach, it stays transparent."""
        return images.paste_into_hole(image, picture, placement)

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


def explained(degradation: Degradation, measured: Measurement, x: torch.Tensor) -> dict[str, float]:
    """How well the generator's image x (1, 3, r, r) explains the measurement: PSNR, SSIM and LPIPS.

    Gray measurements are compared as images of three equal channels; the PSNR is that of the known pixels.
    """
    shown, y = (image.expand(-1, 3, -1, -1) for image in (degradation(x.clamp(-1, 1)), measured.y))
    metrics = image_metrics(shown, y)[0]
    metrics["psnr"] += 10 * math.log10(float(degradation.coverage(measured.y)))
    return metrics


def deviation(degradation: Degradation, measured: Measurement, levels: NDArray[np.uint8]) -> float:
    """The largest difference, in 8-bit steps, between a measurement and that of an image (3, r, r)."""
    x = torch.from_numpy(levels)[None] / 127.5 - 1
    return float((degradation(x) - measured.y).abs().max() * 127.5)
