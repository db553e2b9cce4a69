"""`ganinvert edit`."""

from __future__ import annotations

import math
from typing import Annotated

from ganinvert.batch.requests import DirectionRequest, edit_names
from ganinvert.cli._bundles import Singles, numbers_of
from ganinvert.cli._options import IO, METHOD, opt
from ganinvert.cli._signature import with_options
from ganinvert.errors import UsageError
from ganinvert.settings import preset_of
from ganinvert.settings.directions import parse_direction
from ganinvert.settings.presets import AUTOMATIC

_DIRECTION = "Direction to move along: ganspace-N or sefa-N, N from 0; see what each changes with --sheet."
_STRENGTH = "Strengths, with commas between, in standard deviations of random codes along the direction."
_STYLES = "Numbers of the styles that change, from 0, as 4-9; of style-based generators."
_SHEET = "Also write a picture of the first ten directions of each kind, at minus and plus the greatest strength."


@with_options(Singles, preset_of("pmsfc", "edit"))
def edit(
    inputs: Singles,
    direction: Annotated[
        str | None, opt(METHOD, "--direction", help=_DIRECTION, metavar="NAME", show_default=False)
    ] = None,
    strength: Annotated[str, opt(METHOD, "--strength", help=_STRENGTH, metavar="LIST")] = "2",
    styles: Annotated[str | None, opt(METHOD, "--styles", help=_STYLES, metavar="LIST", show_default="all")] = None,
    sheet: Annotated[bool, opt(IO, "--sheet", help=_SHEET)] = False,
) -> None:
    """Change photos or bundles along a direction in which the generator's own images vary most, such as pose or light.

    Writes NAME.edit.png and its bundle, or with several strengths NAME.edit.-2.png, NAME.edit.+2.png …

    Example: ganinvert edit ann.jpg --direction ganspace-3 --strength -2,2
    """
    if direction is not None:
        parse_direction(direction)
    elif not sheet:
        raise UsageError(
            "nothing says what to change", hint="name a direction, as --direction ganspace-0, or see them with --sheet"
        )
    strengths = _strengths(strength)
    chosen = None if styles is None else numbers_of("--styles", styles)
    names = edit_names(strengths) if direction is not None else []
    suffixes = {
        **({"sheet": ".sheet.png"} if sheet else {}),
        **{image: suffix + ".png" for image, _, suffix in names},
        **{bundle: suffix + ".pt" for _, bundle, suffix in names},
    }
    jobs = inputs.jobs("edit", suffixes)
    request, bundle = inputs.inversion(AUTOMATIC)
    inputs.run(DirectionRequest(request, bundle, not inputs.no_metadata, direction, strengths, chosen), jobs)


def _strengths(text: str) -> tuple[float, ...]:
    """Numbers with commas between, each once."""
    try:
        strengths = tuple(dict.fromkeys(float(part) + 0.0 for part in text.split(",")))
    except ValueError:
        strengths = (math.nan,)
    if not all(map(math.isfinite, strengths)):
        raise UsageError(f"--strength {text} is no list of numbers", hint="for instance --strength -2,2")
    return strengths
