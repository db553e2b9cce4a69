"""`ganinvert interpolate`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from ganinvert.batch.outputs import chosen_suffixes
from ganinvert.batch.requests import InterpolationRequest
from ganinvert.cli._bundles import Pair
from ganinvert.cli._options import IO, METHOD, opt
from ganinvert.cli._signature import with_options
from ganinvert.settings import preset_of
from ganinvert.settings.common import InterpolationPath
from ganinvert.settings.presets import AUTOMATIC

FILES = {"webp": ".webp", "gif": ".gif", "frames": ".{:03d}.png", "strip": ".png"}


@with_options(Pair, preset_of("pmsfc", "edit"))
def interpolate(
    pair: Pair,
    frames: Annotated[
        int, opt(METHOD, "--frames", help="Number of images, both ends included.", metavar="N", min=2)
    ] = 60,
    path: Annotated[
        InterpolationPath,
        opt(METHOD, "--path", help="Interpolate composed features, as in the paper, or codes and weights."),
    ] = "features",
    save: Annotated[
        str,
        opt(
            IO,
            "--save",
            help="File to write: webp or gif (animations), frames (PNG files), strip (8 of the images).",
            metavar="LIST",
        ),
    ] = "webp,strip",
) -> None:
    """Go from one photo or bundle to another: an animation, frames or a strip of the images between.

    Writes A-B.interpolate.webp, an animation, and A-B.interpolate.png, a strip.

    Example: ganinvert interpolate ann.jpg bob.pt --frames 60
    """
    kinds = chosen_suffixes(save, FILES)
    jobs = pair.jobs("interpolate", _suffixes(kinds, frames))
    request, bundle = pair.inversion(AUTOMATIC)
    pair.run(InterpolationRequest(request, bundle, not pair.no_metadata, frames, path), jobs)


def _suffixes(kinds: Mapping[str, str], frames: int) -> dict[str, str]:
    """Every file's own suffix; an animation alone comes last and, without text inside, is never up to date."""
    numbers = {f"frame {n}": FILES["frames"].format(n) for n in range(1, frames + 1)}
    return {
        name: suffix
        for kind in kinds
        for name, suffix in (numbers if kind == "frames" else {kind: kinds[kind]}).items()
    }
