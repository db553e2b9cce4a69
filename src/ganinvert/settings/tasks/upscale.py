"""Upscaling: the photo is the wanted image, made smaller."""

from __future__ import annotations

from dataclasses import dataclass

from ganinvert.settings.common import Kernel, at_least
from ganinvert.settings.options import option
from ganinvert.settings.tasks.base import TaskOptions, Trial


@dataclass(frozen=True)
class UpscaleTrial(Trial):
    """The photo made smaller."""

    factor: int = option(4, "--factor", help="upscale: factor by which photos are made smaller.", metavar="F")
    kernel: Kernel = option("bicubic", "--kernel", help="upscale: resampling filter that makes it smaller.")

    def __post_init__(self) -> None:
        at_least("factor", self.factor, 2)

    def task(self) -> UpscaleTask:
        """Upscaling from the degraded photo's own size."""
        return UpscaleTask(None, self.kernel)


@dataclass(frozen=True)
class UpscaleTask(TaskOptions):
    """The photo is the wanted image, made smaller.

    Attributes:
        factor: Factor by which the photo is smaller; None takes the photo's own size, whatever factor that is.
        kernel: Filter with which it was made smaller; see `degradations.Downsample`.
    """

    name = "upscale"
    help = """Upscale small photos to the generator's resolution: find an image that gives the photo when made smaller.

    Writes NAME.upscale.png, which agrees with the small photo, and the bundle NAME.upscale.pt.

    Example: ganinvert upscale thumbnail.png
    """
    done = "upscaled"
    implementation = "ganinvert.tasks.upscale:Upscale"
    trial = UpscaleTrial
    fits_back = False
    caveat = (
        "NIQE is missing: no maintained package that may be used freely holds its parameters, and its patches"
        " of 96 pixels do not fit into small images."
    )
    factor: int | None = option(
        None,
        "--factor",
        help="Take the photo as the generator's image made F times smaller, resizing it if it has another size.",
        metavar="F",
        show_default="the photo's own size",
    )
    kernel: Kernel = option(
        "bicubic",
        "--kernel",
        help="Filter with which the photo was made smaller; bilinear is not antialiased, the others are.",
    )

    def __post_init__(self) -> None:
        if self.factor is not None:
            at_least("factor", self.factor, 2)
