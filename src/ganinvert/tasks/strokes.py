"""Edits of results by painting: strokes ask for colours, and sketches for edges."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ganinvert import images
from ganinvert.bundle import LatentBundle
from ganinvert.degradations import Identity, Mask
from ganinvert.devices import undisturbed
from ganinvert.errors import UsageError
from ganinvert.generators import Generator
from ganinvert.losses import sketch_loss
from ganinvert.methods import Anchoring
from ganinvert.metrics import lpips, to_unit
from ganinvert.optimize import Step, solve
from ganinvert.settings import Objective, Optimization, SingleCode
from ganinvert.settings.strokes import Strokes
from ganinvert.tasks.editing import Edit, edited_bundle, interpolate, to_picture

if TYPE_CHECKING:
    from PIL.Image import Image

SKETCH = 0.05
"""Weight of the difference of edges, where the mean squared difference of colours in [-1, 1] has 1."""
MILLISECONDS = 80
"""Duration of a frame of the film of an edit."""


@undisturbed()
def edit_strokes(
    bundle: LatentBundle,
    generator: Generator,
    strokes: str | Path | Image | None = None,
    *,
    sketch: str | Path | Image | None = None,
    settings: Strokes = Strokes(),
    callback: Callable[[Step], None] | None = None,
) -> Edit:
    """Move the code of a result until its image obeys strokes, while it stays near where it was (GenVisMani).

    The objective is that of Zhu et al. (2016, eq. 4), without their discriminator: the mean squared difference to the
    colours of the strokes, the difference to the edges of the sketch, and the distance of the codes to their start.
    What moves is a latent code, every code of a composition, and styles beside features; weights and features stay.

    Args:
        bundle: Bundle of any task whose code has latent codes; the edit need not agree with its measurement.
        generator: Generator that made the bundle; it computes on its device; the result is the CPU's.
        strokes: Colours painted over the result on transparent ground, a file or a Pillow image of any square size.
        sketch: Lines painted likewise, whose edges the image shall have; their colour says nothing.
        settings: Steps, learning rate and closeness.
        callback: Called after every step. StopIteration ends the optimisation, and the edit is that of the step;
            another exception that it raises ends it without an edit.

    Returns:
        The edit. Metrics: "strokes" and before the edit "strokes_before", the root mean squared difference to the
        strokes in levels of 255; and "lpips", the distance to the image before the edit.

    Raises:
        BundleError: The bundle was made with another generator.
        ImageError: The strokes or the sketch cannot be used.
        UsageError: There are neither strokes nor a sketch, or the code keeps features alone.
    """
    if strokes is None and sketch is None:
        raise UsageError("nothing says what to change", hint="give strokes, or a sketch")
    device, own = next(generator.parameters()).device, bundle.own(generator)
    before = bundle.decode(generator, bundle.features(generator))
    painted = None if strokes is None else _painted(strokes, own.resolution, "the strokes", device)
    term = None
    if sketch is not None:
        _, ink = _painted(sketch, own.resolution, "the sketch", device)
        edges = sketch_loss(ink.float())

        def term(x: Tensor) -> Tensor:
            return SKETCH * edges(x)

    solution = solve(
        own,
        before if painted is None else painted[0],
        method=Anchoring(
            SingleCode(), code=deepcopy(bundle.restored(generator)), closeness=settings.closeness, term=term
        ),
        degradation=Identity() if painted is None else Mask(painted[1]),
        objective=Objective(pixel=0.0 if painted is None else 1.0, perceptual=0.0),
        optimization=Optimization(settings.steps, settings.lr, "cosine", 0.05),
        callback=callback,
    )
    edited = replace(edited_bundle(bundle, solution.code, "edit", settings.named), measurement=None)
    try:
        x, before = edited.render(generator.cpu()), before.cpu()
    finally:
        generator.to(device)
    metrics = {"lpips": float(lpips(to_unit(x), to_unit(before)))}
    if painted is not None:
        y, known = (each.cpu() for each in painted)
        for name, image in (("strokes", x), ("strokes_before", before)):
            metrics[name] = float(127.5 * (image.clamp(-1, 1) - y)[known.expand_as(y)].square().mean().sqrt())
    return Edit(to_picture(x), replace(edited, metrics=metrics, losses=solution.losses[:, 0].clone()))


def describe(metrics: Mapping[str, float]) -> str:
    """Say in a sentence how well an edit follows the strokes, and how much it changed."""
    text = "LPIPS to the image before: {lpips:.3f}"
    if "strokes" in metrics:
        text = "difference to the strokes: {strokes_before:.1f} → {strokes:.1f} of 255; " + text
    return text.format(**metrics)


def film(before: LatentBundle, after: LatentBundle, generator: Generator, *, frames: int = 17) -> list[Edit]:
    """The images between a result and its edit by strokes, along the codes; arguments as in `interpolate`."""
    return interpolate(before, after, generator, frames=frames, path="codes")


def _painted(strokes: str | Path | Image, side: int, name: str, device: torch.device) -> tuple[Tensor, Tensor]:
    """Colours (1, 3, side, side) in [-1, 1], 0 where there are none, and the covered pixels (1, 1, side, side)."""
    levels, covered = images.read_strokes(strokes, side, name=name)
    known = torch.from_numpy(covered)[None, None].to(device)
    return (torch.from_numpy(levels)[None].to(device).float() / 127.5 - 1) * known, known
