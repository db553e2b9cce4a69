"""`ganinvert edit`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

from ganinvert.batch.requests import DirectionRequest, StrokesRequest, edit_names
from ganinvert.cli._bundles import Singles, numbers_of
from ganinvert.cli._options import IO, METHOD, opt
from ganinvert.cli._signature import with_options
from ganinvert.errors import UsageError
from ganinvert.settings import preset_of
from ganinvert.settings.directions import parse_direction
from ganinvert.settings.presets import AUTOMATIC
from ganinvert.settings.strokes import Strokes

_DIRECTION = "Direction to move along: ganspace-N or sefa-N, N from 0; see what each changes with --sheet."
_STRENGTH = "Strengths, with commas between, in standard deviations of random codes along the direction."
_STYLES = "Numbers of the styles that change, from 0, as 4-9; of style-based generators."
_SHEET = "Also write a picture of the first ten directions of each kind, at minus and plus the greatest strength."
_STROKES = "Picture of colours, painted over the result on transparent ground, that the image shall have."
_SKETCH = "Picture of lines, painted likewise, whose edges the image shall have."
_CLOSENESS = "Weight of staying near the result with strokes: 0.01 obeys the strokes, 1 keeps the rest."
_FILM = "Also write the way to the image that obeys the strokes, NAME.edit.webp."
_TRANSFER = "Photo that the result was made from, to be changed likewise at its own size: NAME.edit.whole.png."


@with_options(Singles, preset_of("pmsfc", "edit"))
def edit(
    inputs: Singles,
    direction: Annotated[
        str | None, opt(METHOD, "--direction", help=_DIRECTION, metavar="NAME", show_default=False)
    ] = None,
    strength: Annotated[str, opt(METHOD, "--strength", help=_STRENGTH, metavar="LIST")] = "2",
    styles: Annotated[str | None, opt(METHOD, "--styles", help=_STYLES, metavar="LIST", show_default="all")] = None,
    sheet: Annotated[bool, opt(IO, "--sheet", help=_SHEET)] = False,
    strokes: Annotated[Path | None, opt(METHOD, "--strokes", help=_STROKES, metavar="FILE", show_default=False)] = None,
    sketch: Annotated[
        Path | None, opt(METHOD, "--smooth", "--sketch", help=_SKETCH, metavar="FILE", show_default=False)
    ] = None,
    closeness: Annotated[float, opt(METHOD, "--closeness", help=_CLOSENESS)] = Strokes().closeness,
    film: Annotated[bool, opt(IO, "--film", help=_FILM)] = False,
    transfer: Annotated[Path | None, opt(IO, "--transfer", help=_TRANSFER, metavar="PHOTO", show_default=False)] = None,
) -> None:
    """Change photos or bundles along a direction, such as pose or light, or by strokes painted over the result.

    Writes NAME.edit.png and its bundle, or with several strengths NAME.edit.-2.png, NAME.edit.+2.png …

    Examples: ganinvert edit ann.jpg --direction ganspace-3 --strength -2,2; ganinvert edit ann.pt --strokes hair.png
    """
    if strokes is not None or sketch is not None:
        if direction is not None or sheet:
            raise UsageError("strokes and directions are edits of their own", hint="edit the bundle of the first edit")
        _edit_strokes(inputs, strokes, sketch, Strokes(closeness=closeness), film=film, transfer=transfer)
        return
    if film or transfer is not None:
        raise UsageError("--film and --transfer go with strokes", hint="give --strokes FILE or --sketch FILE")
    if direction is not None:
        parse_direction(direction)
    elif not sheet:
        raise UsageError(
            "nothing says what to change",
            hint="name a direction, as --direction ganspace-0, see them with --sheet, or give --strokes FILE",
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


def _edit_strokes(
    inputs: Singles, strokes: Path | None, sketch: Path | None, chosen: Strokes, *, film: bool, transfer: Path | None
) -> None:
    if transfer is not None and len(inputs.sources) != 1:
        raise UsageError("--transfer is for a single result", hint="edit the results one by one")
    for option, path in (("--strokes", strokes), ("--sketch", sketch), ("--transfer", transfer)):
        if path is not None and not path.is_file():
            raise UsageError(f"{option} {path}: no such file", hint="check the spelling of the path")
    suffixes = {
        "image": ".png",
        **({"film": ".webp"} if film else {}),
        **({"whole": ".whole.png"} if transfer is not None else {}),
        "bundle": ".pt",
    }
    jobs = inputs.jobs("edit", suffixes)
    request, bundle = inputs.inversion(AUTOMATIC)
    inputs.run(StrokesRequest(request, bundle, not inputs.no_metadata, strokes, sketch, transfer, chosen), jobs)


def _strengths(text: str) -> tuple[float, ...]:
    """Numbers with commas between, each once."""
    try:
        strengths = tuple(dict.fromkeys(float(part) + 0.0 for part in text.split(",")))
    except ValueError:
        strengths = (math.nan,)
    if not all(map(math.isfinite, strengths)):
        raise UsageError(f"--strength {text} is no list of numbers", hint="for instance --strength -2,2")
    return strengths
