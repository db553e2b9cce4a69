"""`ganinvert swap`."""

from __future__ import annotations

from typing import Annotated

from ganinvert.batch.requests import SwapRequest
from ganinvert.cli._bundles import Pair, numbers_of
from ganinvert.cli._options import IO, METHOD, opt
from ganinvert.cli._signature import with_options
from ganinvert.errors import UsageError
from ganinvert.settings import preset_of
from ganinvert.settings.methods.styles import IMAGE2STYLEGAN

FILES = {"a": ".a.png", "b": ".b.png", "grid": ".grid.png", "bundle_b": ".b.pt", "bundle": ".a.pt"}
"""Kind of file to what its name ends with; the last is the sign that the others are complete."""

_SUBSPACES = "Numbers of the subspaces to exchange, from 1, with commas between."
_STYLES = "Numbers of the styles to exchange instead, from 0, as 0-6; of style-based generators."
_STRENGTH = "Strength of the exchange: 1 exchanges the subspaces or styles, less mixes them."
_GRID = "Also write a picture with the exchange of every subspace, as the paper's figure 4."


@with_options(Pair, preset_of("pmsfc", "edit"))
def swap(
    pair: Pair,
    chosen: Annotated[
        str | None, opt(METHOD, "--subspaces", help=_SUBSPACES, metavar="LIST", show_default=False)
    ] = None,
    styles: Annotated[str | None, opt(METHOD, "--styles", help=_STYLES, metavar="LIST", show_default=False)] = None,
    strength: Annotated[float, opt(METHOD, "--strength", help=_STRENGTH, metavar="S", min=0, max=1)] = 1.0,
    grid: Annotated[bool, opt(IO, "--grid", help=_GRID)] = False,
) -> None:
    """Exchange subspaces between two photos or bundles: expression, age, colours … of one in the other.

    Writes A-B.swap.a.png, A with the subspaces of B, and A-B.swap.b.png the other way round, with their bundles.

    Example: ganinvert swap ann.jpg bob.jpg --subspaces 2,5 --grid
    """
    if styles is not None and (chosen is not None or grid):
        raise UsageError("--styles exchanges no subspaces", hint="leave --subspaces and --grid out, or --styles")
    numbers = numbers_of("--subspaces", chosen) if chosen is not None else ()
    mixed = numbers_of("--styles", styles) if styles is not None else ()
    if not (numbers or mixed or grid):
        raise UsageError(
            "nothing says what to exchange",
            hint="name subspaces with --subspaces 2,5, or see all with --grid; or name styles with --styles 0-6",
        )
    exchanged = bool(numbers or mixed)
    kinds = [
        *(["a", "b"] if exchanged else []),
        *(["grid"] if grid else []),
        *(["bundle_b", "bundle"] if exchanged else []),
    ]
    jobs = pair.jobs("swap", {kind: FILES[kind] for kind in kinds})
    request, bundle = pair.inversion(IMAGE2STYLEGAN.name if mixed else "pmsfc")
    pair.run(SwapRequest(request, bundle, not pair.no_metadata, numbers, strength, styles=mixed), jobs)
