"""Upscaling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from ganinvert import images
from ganinvert.degradations import Downsample, Measurement
from ganinvert.errors import ImageError, UsageError
from ganinvert.settings import UpscaleTask
from ganinvert.tasks.base import Task, levels_of, picture_of

if TYPE_CHECKING:
    from PIL.Image import Image


LONGEST_SIDE = 4096
"""Longer side in pixels up to which photos are enlarged, unless an option asks for more."""
ALTERNATIONS, TOLERANCE = 10, 0.5 / 255
"""Most corrections by which the enlarged photo is brought to agree with the small one, and the aim, of white."""


class Upscale(Task[UpscaleTask]):
    """The photo is the wanted image, made smaller."""

    smallest_face = 16

    def check(self, resolution: int, *, whole: bool) -> None:
        """Raise UsageError unless the factor divides the resolution, if squares alone are wanted."""
        if self.options.factor is not None and not whole:
            smaller_side(resolution, self.options.factor)

    def side(self, placement: images.Placement, resolution: int, *, whole: bool) -> int:
        """The shorter side of the place, or for squares alone the generator's resolution divided by the factor."""
        if self.options.factor is not None and not whole:
            return smaller_side(resolution, self.options.factor)
        side = max(2, round(min(placement.sides)))
        if side >= resolution:
            raise ImageError(
                f"the picture has {side} pixels already, as many as the generator makes ({resolution})",
                hint="choose a generator of a higher resolution with -g, or shrink it first by --square --factor",
            )
        return side

    def put_back(self, picture: images.Picture, squares: Sequence[tuple[Image, images.Placement]]) -> images.Raster:
        """The whole photo, enlarged, with the results in their places; made smaller, it is about the photo again."""
        raster, frame = picture.raster, picture.rgb.size
        factor = self.options.factor or _factor(frame, squares)
        size = round(factor * frame[0]), round(factor * frame[1])
        small, whole = raster.levels.astype(np.float32), images.enlarged(raster, size)
        large = whole.levels.astype(np.float32)
        for patch in images.patches([(image, place.scaled(size)) for image, place in squares], size):
            below = patch.of(large)
            below += patch.weight * (raster.from_srgb(patch.image) - below)
        for _ in range(ALTERNATIONS):
            error = small - images.resample(large, frame, self.options.kernel)
            if np.abs(error).max() <= TOLERANCE * raster.top:
                break
            large = (large + images.resample(error, size, "lanczos")).clip(0, raster.top)
        return replace(whole, levels=raster.rounded(large))

    def measure(self, fitted: images.Fit) -> tuple[Measurement, str]:
        """All pixels of the photo."""
        options: dict[str, Any] = {"kernel": self.options.kernel}
        if self.options.detail < 1:
            options["detail"] = self.options.detail
        return Measurement("downsample", levels_of(fitted), options=options), ""

    def degrade(self, levels: Tensor, trial: Any, rng: np.random.Generator) -> images.Picture:  # noqa: ARG002
        """The photo made smaller."""
        resolution = levels.shape[-1]
        small = Downsample(resolution, smaller_side(resolution, trial.factor), kernel=trial.kernel)
        return picture_of(small(levels[None].float() / 127.5 - 1))


def _factor(frame: tuple[int, int], squares: Sequence[tuple[Image, images.Placement]]) -> float:
    """Factor at which the largest square has the generator's resolution; it may be limited by `LONGEST_SIDE` to 2."""
    wanted = squares[0][0].width / max(min(place.sides) for _, place in squares)
    return min(wanted, max(2.0, LONGEST_SIDE / max(frame)))


def smaller_side(resolution: int, factor: int) -> int:
    """Side of images that are so many times smaller; raises UsageError unless the factor divides the resolution."""
    if factor < 2 or resolution % factor or resolution // factor < 2:
        factors = [n for n in range(2, resolution // 2 + 1) if resolution % n == 0]
        raise UsageError(
            f"{resolution} pixels cannot be {factor} times smaller",
            hint=f"choose a factor of {', '.join(map(str, factors))}, or none, to take the picture's own size",
        )
    return resolution // factor
