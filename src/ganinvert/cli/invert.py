"""`ganinvert invert`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from ganinvert.cli import _options as options
from ganinvert.cli._photos import Photos
from ganinvert.cli._signature import with_options
from ganinvert.settings import INVERT, Refinement


@with_options(Photos, INVERT["default"], task="invert")
def invert(
    photos: Photos,
    refine: Annotated[
        Refinement | None,
        options.opt(
            options.METHOD,
            "--refine",
            help="Then fine-tune a copy of the generator for each photo, nearly to perfection; only changes are kept.",
            env=True,
        ),
    ] = None,
    reals: Annotated[
        Path | None,
        options.opt(
            options.METHOD,
            "--reals",
            help="near-perfect: photos like those that the generator was trained on.",
            metavar="FOLDER",
            show_default="its own samples stand in",
        ),
    ] = None,
) -> None:
    """Invert photos: find codes from which the generator makes them again (PmSFC, or another --method).

    Writes NAME.invert.png and the bundle NAME.invert.pt, which holds everything to render the result again.
    What is up to date is skipped: to go on after a stop, give the same command again.

    Example: ganinvert invert face.jpg -R 6 -K 5
    """
    from ganinvert.tasks import InvertTask

    photos.treat("invert", task=InvertTask, done="inverted", refinement=refine, reals=reals)
