"""Inpainting."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganinvert import images
from ganinvert.degradations import Measurement
from ganinvert.degradations.mask import SEAM, blend_seam
from ganinvert.errors import ImageError, UsageError
from ganinvert.metrics import psnr
from ganinvert.settings import InpaintTask
from ganinvert.settings.common import Box, Hole
from ganinvert.tasks.base import KNOWN, Task, from_signed, levels_of, picture_of, to_signed

if TYPE_CHECKING:
    from PIL.Image import Image


class Inpaint(Task[InpaintTask]):
    """The photo shows the wanted image except in its transparent part."""

    def open(self, picture: images.Picture, path: Path | None) -> images.Picture:
        """The photo with its hole made transparent: see `holed`; raises InputError if it has no mask in the folder."""
        options = self.options
        mask = options.mask_of(path)
        return holed(picture, mask=mask, box=options.box, keep_white=options.keep_white, paint=options.paint)

    def measure(self, fitted: images.Fit) -> tuple[Measurement, str]:
        """Opaque pixels of the photo; raises ImageError if nothing is missing in the square, or everything."""
        known = None if fitted.alpha is None else torch.from_numpy(np.asarray(fitted.alpha) >= KNOWN)
        if known is None or known.all():
            raise ImageError(
                "nothing is missing inside the square that is inpainted",
                hint="the hole was cropped away or is smaller than a pixel there: try --fit pad, or a larger mask",
            )
        if not known.any():
            raise ImageError(
                "nothing is known inside the square that is inpainted", hint="try --fit pad, or a smaller mask"
            )
        return Measurement("mask", levels_of(fitted), known), ""

    def left_out(self, picture: images.Picture, places: Sequence[images.Placement]) -> str:
        """The part of the hole that no square reaches."""
        missing = ~known_pixels(picture)
        left, blank = missing.copy(), images.to_pil(np.zeros((3, 1, 1), np.float32))
        for patch in images.patches([(blank, place) for place in places], picture.rgb.size):
            patch.of(left)[patch.weight[..., 0] > 0] = False
        share = 100 * left.sum() / missing.sum() if missing.any() else 0
        return (
            f"{share:.0f} % of the hole is outside the squares of faces, and stays transparent" if share >= 0.5 else ""
        )

    def put_back(self, picture: images.Picture, squares: Sequence[tuple[Image, images.Placement]]) -> images.Raster:
        """The photo with its hole filled; where no square reaches, it stays transparent.

        Known pixels stay the same to the bit. At the picture's own size, too, the error at the hole's border is
        continued into the hole; see `Mask.project`.
        """
        raster, known = filled(picture), known_pixels(picture)
        levels, covered = raster.levels.copy(), known.copy()
        for patch, (_, placement) in zip(images.patches(squares, picture.rgb.size), squares, strict=True):
            area = around(~patch.of(known))
            below, kept = patch.of(levels)[area], patch.of(known)[area]
            if kept.all():
                continue
            x = below + patch.weight[area] * (raster.from_srgb(patch.image)[area] - below)
            x, y = (to_signed(each, raster.top) for each in (x, below))
            x = blend_seam(x, y, torch.from_numpy(kept)[None, None], SEAM * max(placement.sides))
            below[~kept] = raster.rounded(from_signed(x, raster.top))[~kept]
            patch.of(covered)[patch.weight[..., 0] > 0] = True
        opacity = covered * np.float32(raster.top)
        if picture.kept is not None and picture.original is not None and picture.original.alpha is not None:
            hidden = np.asarray(picture.kept) < KNOWN
            levels[hidden] = picture.original.levels[hidden]
            opacity = np.where(covered | hidden, picture.original.alpha, 0)
        return replace(raster, levels=levels, alpha=None if opacity.min() == raster.top else raster.rounded(opacity))

    def degrade(self, levels: Tensor, trial: Any, rng: np.random.Generator) -> images.Picture:
        """The photo with a hole."""
        missing = missing_pixels(trial.hole, trial.share, levels.shape[-1], rng)
        hole = images.to_pil(missing.expand(3, -1, -1).float().numpy()).convert("L")
        return images.with_hole(picture_of(levels[None].float() / 127.5 - 1), hole)

    def metrics(self, x: Tensor, y: Tensor, measurement: Measurement) -> Mapping[str, Tensor]:
        """PSNR of the missing pixels."""
        assert measurement.known is not None
        missing = ~measurement.known
        return {"psnr_missing": psnr(x[:, :, missing], y[:, :, missing])}


def known_pixels(picture: images.Picture) -> NDArray[np.bool_]:
    """The opaque pixels of a picture, (h, w)."""
    if picture.alpha is None:
        return np.ones(picture.rgb.size[::-1], dtype=bool)
    return np.asarray(picture.alpha) >= KNOWN


def filled(picture: images.Picture) -> images.Raster:
    """The samples of a picture, with the colours of its surroundings in the hole, opaque."""
    raster, known = picture.raster, known_pixels(picture)
    if picture.original is None or known.all():
        return replace(raster, alpha=None)
    levels = raster.levels.copy()
    levels[~known] = raster.rounded(raster.from_srgb(picture.rgb)[~known])
    return replace(raster, levels=levels, alpha=None)


def around(pixels: NDArray[np.bool_]) -> tuple[slice, slice]:
    """The rows and columns that hold all chosen pixels of (h, w), and one more on every side."""
    spans = []
    for axis in (1, 0):
        chosen = np.flatnonzero(pixels.any(axis=axis))
        spans.append(slice(max(0, int(chosen[0]) - 1), int(chosen[-1]) + 2) if len(chosen) else slice(0, 0))
    return spans[0], spans[1]


def holed(
    picture: images.Picture,
    *,
    mask: str | Path | Image | None = None,
    box: Box | None = None,
    keep_white: bool = False,
    paint: str | None = None,
) -> images.Picture:
    """Make transparent what is missing: by a mask, a box or paint, or what is transparent already.

    With a mask, box or paint, the picture's own transparency is no hole: it stays.

    Raises:
        ImageError: Nothing is missing or nothing is known, or the mask does not fit.
    """
    size = picture.rgb.size
    if box is not None:
        missing = images.box_mask(box, size)
    elif mask is not None:
        missing = images.read_mask(mask, size, keep_white=keep_white, paint=paint)
    elif paint is not None:
        missing = images.read_mask(picture.rgb, size, paint=paint)
    else:
        return images.with_hole(picture, images.missing_where_transparent(picture))
    return images.with_hole_beside_transparency(picture, missing)


def missing_pixels(hole: Hole, share: float, side: int, rng: np.random.Generator) -> Tensor:
    """A hole, (side, side) bool; raises UsageError if the share is less than half a pixel, or all but that."""
    missing = np.zeros((side, side), dtype=bool)
    if hole == "box":
        length = round(side * math.sqrt(share))
        start = (side - length) // 2
        missing[start : start + length, start : start + length] = True
    else:
        missing.flat[rng.permutation(side * side)[: round(share * side * side)]] = True
    if not missing.any() or missing.all():
        raise UsageError(
            f"a missing share of {share:g} leaves {'nothing' if missing.all() else 'everything'} known"
            f" at {side} pixels",
            hint="choose one farther from 0 and 1",
        )
    return torch.from_numpy(missing)
