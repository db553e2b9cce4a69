"""Upscaling."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from ganinvert import images
from ganinvert.degradations import Downsample, Measurement
from ganinvert.errors import ImageError, UsageError
from ganinvert.settings import UpscaleTask
from ganinvert.tasks.base import Task, levels_of, picture_of


class Upscale(Task[UpscaleTask]):
    """The photo is the wanted image, made smaller."""

    def check(self, resolution: int) -> None:
        """Raise UsageError unless the factor divides the resolution."""
        if self.options.factor is not None:
            smaller_side(resolution, self.options.factor)

    def side(self, picture: images.Picture, resolution: int) -> int:
        """The generator's resolution divided by the factor, or the photo's shorter side."""
        if self.options.factor is not None:
            return smaller_side(resolution, self.options.factor)
        side = min(picture.rgb.size)
        if side >= resolution:
            raise ImageError(
                f"the picture has {side} pixels already, as many as the generator makes ({resolution})",
                hint="choose a generator of a higher resolution with -g, or give --factor to shrink it first",
            )
        return side

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


def smaller_side(resolution: int, factor: int) -> int:
    """Side of images that are so many times smaller; raises UsageError unless the factor divides the resolution."""
    if factor < 2 or resolution % factor or resolution // factor < 2:
        factors = [n for n in range(2, resolution // 2 + 1) if resolution % n == 0]
        raise UsageError(
            f"{resolution} pixels cannot be {factor} times smaller",
            hint=f"choose a factor of {', '.join(map(str, factors))}, or none, to take the picture's own size",
        )
    return resolution // factor
