"""`ganinvert invert`."""

from __future__ import annotations

from ganinvert.cli._photos import Photos
from ganinvert.cli._signature import with_options
from ganinvert.settings import INVERT


@with_options(Photos, INVERT["default"])
def invert(photos: Photos) -> None:
    """Invert photos: find codes from which the generator makes them again (PmSFC).

    Writes NAME.invert.png and the bundle NAME.invert.pt, which holds everything to render the result again.
    What is up to date is skipped: to go on after a stop, give the same command again.

    Example: ganinvert invert face.jpg -R 6 -K 5
    """
    from ganinvert.tasks import Inverting

    photos.treat("invert", INVERT, task=Inverting, done="inverted")
