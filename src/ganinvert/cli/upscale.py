"""`ganinvert upscale`."""

from __future__ import annotations

from typing import Annotated

from ganinvert.cli import _options as options
from ganinvert.cli._photos import Photos
from ganinvert.cli._signature import with_options
from ganinvert.settings import UPSCALE, Kernel


@with_options(Photos, UPSCALE["default"], task="upscale")
def upscale(
    photos: Photos,
    factor: Annotated[
        int | None,
        options.opt(
            options.METHOD,
            "--factor",
            help="Take the photo as the generator's image made F times smaller, resizing it if it has another size.",
            metavar="F",
            show_default="the photo's own size",
        ),
    ] = None,
    kernel: Annotated[
        Kernel,
        options.opt(
            options.METHOD,
            "--kernel",
            help="How the photo was made smaller; bilinear is not antialiased, the others are.",
        ),
    ] = "bicubic",
) -> None:
    """Upscale small photos to the generator's resolution: find an image that gives the photo when made smaller.

    Writes NAME.upscale.png, which agrees with the small photo, and the bundle NAME.upscale.pt.

    Example: ganinvert upscale thumbnail.png
    """
    from ganinvert.tasks import UpscaleTask

    photos.treat("upscale", task=lambda: UpscaleTask(factor, kernel), done="upscaled")
