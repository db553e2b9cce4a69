"""Edits of results along directions of the latent space."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, get_args

import torch

from ganinvert import images
from ganinvert.bundle import LatentBundle
from ganinvert.devices import undisturbed
from ganinvert.directions import find_directions
from ganinvert.errors import UsageError
from ganinvert.generators import Generator, View, Window
from ganinvert.progress import report
from ganinvert.settings.directions import DirectionKind, parse_direction
from ganinvert.tasks.editing import Edit, edited_bundle, listed, to_picture

if TYPE_CHECKING:
    from PIL.Image import Image

TILE = 256
"""Side to which the images of a sheet are averaged, in pixels."""
ROWS = 10
"""Number of directions of each kind in a sheet."""


@undisturbed()
@torch.no_grad()
def edit(
    bundle: LatentBundle,
    generator: Generator,
    *,
    direction: str,
    strength: float = 2.0,
    styles: Sequence[int] | None = None,
) -> Edit:
    """Move the code of a result along a direction.

    What moves is a latent code; every code of a composition; or the styles beside features, and what they change in
    the features. A code of z or w for some `styles` only, or for directions of another space, becomes one of W+.

    Args:
        bundle: Bundle of any task; the edit need not agree with its measurement.
        generator: Generator that made the bundle.
        direction: Name of the direction: "ganspace-N" or "sefa-N", N from 0.
        strength: Length of the way in standard deviations of sampled codes along the direction; 0 changes nothing.
        styles: Numbers from 0 of the styles that change; None for all. "sefa" finds directions for them alone.

    Raises:
        BundleError: The bundle was made with another generator.
        UsageError: There is no such direction or style, the strength is not finite, or the code cannot be moved.
    """
    edited = move(bundle, generator, direction, strength=strength, styles=styles)
    return Edit(to_picture(edited.render(generator)), edited)


@undisturbed()
@torch.no_grad()
def move(
    bundle: LatentBundle,
    generator: Generator,
    direction: str,
    *,
    strength: float,
    styles: Sequence[int] | None = None,
) -> LatentBundle:
    """Move the code as `edit` does, without rendering the image."""
    kind, number = parse_direction(direction)
    if not math.isfinite(strength):
        raise UsageError(f"the strength of an edit cannot be {strength:g}", hint="choose a number, for instance 2")
    shift = find_directions(generator, kind, styles).shift(number, strength, styles)
    settings: dict[str, object] = {"direction": direction, "strength": strength}
    if styles is not None:
        settings["styles"] = listed(styles)
    code = bundle.restored(generator).shifted(bundle.own(generator), shift)
    return replace(edited_bundle(bundle, code, "edit", settings), measurement=None)


@undisturbed()
@torch.no_grad()
def edit_sheet(
    bundle: LatentBundle, generator: Generator, *, strength: float = 2.0, styles: Sequence[int] | None = None
) -> Image:
    """Draw what the first directions of each kind change, in one labelled picture; arguments as in `edit`.

    A row per number, with the image at -strength, 0 and +strength along "ganspace" and along "sefa" of that number.
    """
    kinds = [kind for kind in get_args(DirectionKind) if kind != "sefa" or generator.style_inputs()]
    directions = {kind: find_directions(generator, kind, styles) for kind in kinds}
    count = min(ROWS, *(len(each.vectors) for each in directions.values()))
    code, own = bundle.restored(generator), bundle.own(generator)
    view = View(Window.tile(own.resolution, 1, 0), max(1, own.resolution // TILE))

    def tile(kind: DirectionKind, number: int, strength: float) -> Image:
        shift = directions[kind].shift(number, strength, styles)
        return to_picture(code.shifted(own, shift).render(own, view))

    middle, rows = tile(kinds[0], 0, 0.0), []
    for n in range(count):
        report("drawing what the directions change", n, count)
        rows.append([each for kind in kinds for each in (tile(kind, n, -strength), middle, tile(kind, n, strength))])
    return images.grid(
        rows,
        row_labels=[str(n) for n in range(count)],
        column_labels=[label for kind in kinds for label in (f"{kind} {-strength:+g}", "0", f"{kind} {strength:+g}")],
    )
