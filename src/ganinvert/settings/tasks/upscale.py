"""Upscaling: the photo is the wanted image, made smaller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ganinvert.errors import UsageError
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
        detail: Share of the generator's detail in the result; the rest is that of the bicubic enlargement.
    """

    name = "upscale"
    help = """Upscale small photos to the generator's resolution: find an image that gives the photo when made smaller.

    Writes NAME.upscale.png, which agrees with the small photo, and the bundle NAME.upscale.pt.

    Example: ganinvert upscale thumbnail.png
    """
    done = "upscaled"
    implementation = "ganinvert.tasks.upscale:Upscale"
    trial: ClassVar[type[Trial]] = UpscaleTrial
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
    detail: float = option(
        1.0,
        "--detail",
        help="Share of the generator's detail: less of it is nearer to the truth on average, and less sharp.",
        metavar="S",
        min=0,
        max=1,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.factor is not None:
            at_least("factor", self.factor, 2)
        if not 0 <= self.detail <= 1:
            raise UsageError(f"detail cannot be {self.detail:g}", hint="choose a share from 0 to 1")

    @property
    def identity(self) -> Mapping[str, Any]:
        """Name and options, without a detail of 1."""
        return {name: value for name, value in super().identity.items() if (name, value) != ("detail", 1.0)}
