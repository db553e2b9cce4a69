"""`ganinvert colorize`."""

from __future__ import annotations

from typing import Annotated

from ganinvert.cli import _options as options
from ganinvert.cli._photos import Photos
from ganinvert.cli._signature import with_options
from ganinvert.settings import COLORIZE, Luma


@with_options(Photos, COLORIZE["default"], task="colorize")
def colorize(
    photos: Photos,
    luma: Annotated[
        Luma,
        options.opt(
            options.METHOD,
            "--luma",
            help="What is kept: the Y' of Rec.601 (JPEG) or Rec.709 (HDTV), or the L* of CIELAB.",
        ),
    ] = "rec601",
) -> None:
    """Colorize gray photos: keep their luminance, take the chroma from the image that explains it.

    Photos in colour are reduced to gray first. Writes NAME.colorize.png and the bundle NAME.colorize.pt.

    Example: ganinvert colorize old/*.jpg -o coloured
    """
    from ganinvert.tasks import ColorizeTask

    photos.treat("colorize", task=lambda: ColorizeTask(luma), done="colorized")
