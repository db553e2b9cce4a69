"""Inpainting."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ganinvert import images
from ganinvert.degradations import Measurement
from ganinvert.errors import ImageError, UsageError
from ganinvert.metrics import psnr
from ganinvert.settings import InpaintTask
from ganinvert.settings.common import Box, Hole
from ganinvert.tasks.base import Task, levels_of, picture_of

if TYPE_CHECKING:
    from PIL.Image import Image


class Inpaint(Task[InpaintTask]):
    """The photo shows the wanted image except in its transparent part."""

    def open(self, picture: images.Picture, path: Path | None) -> images.Picture:
        """The photo with its hole made transparent: see `holed`; raises InputError if it has no mask in the folder."""
        options = self.options
        return holed(picture, mask=options.mask_of(path), box=options.box, keep_white=options.keep_white)

    def measure(self, fitted: images.Fit) -> tuple[Measurement, str]:
        """Opaque pixels of the photo; raises ImageError if nothing is missing in the square, or everything."""
        known = None if fitted.alpha is None else torch.from_numpy(np.asarray(fitted.alpha) >= 128)
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

    def put_back(self, image: Image, picture: images.Picture, placement: images.Placement) -> Image:
        """The photo with its hole filled; where the square does not reach, it stays transparent."""
        return images.paste_into_hole(image, picture, placement)

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


def holed(
    picture: images.Picture, *, mask: str | Path | Image | None = None, box: Box | None = None, keep_white: bool = False
) -> images.Picture:
    """Make transparent what is missing: where the mask is white, inside the box, or where it is transparent already.

    Raises:
        ImageError: The mask, box or transparency leaves nothing missing or nothing known, or the mask does not fit.
    """
    if mask is not None:
        missing = images.read_mask(mask, picture.rgb.size, keep_white=keep_white)
    elif box is not None:
        missing = images.box_mask(box, picture.rgb.size)
    else:
        missing = images.missing_where_transparent(picture)
    return images.with_hole(picture, missing)


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
