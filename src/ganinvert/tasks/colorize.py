"""Colorizing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ganinvert import images
from ganinvert.degradations import Grayscale, Measurement
from ganinvert.errors import ImageError
from ganinvert.metrics import color_auc
from ganinvert.settings import ColorizeTask
from ganinvert.tasks.base import Task, from_signed, levels_of, picture_of, to_signed

if TYPE_CHECKING:
    from PIL.Image import Image

GRAY_SPREAD = 16
"""Difference of channels, in 8-bit levels, up to which a picture is gray: JPEG's chroma is not exact."""


def is_gray(levels: Tensor) -> bool:
    """True if the channels of (3, h, w) uint8 are alike everywhere, as near as files keep them."""
    return int((levels.amax(dim=0) - levels.amin(dim=0)).max()) <= GRAY_SPREAD


def luminance_of(raster: images.Raster, operator: Grayscale) -> images.Samples:
    """The luminance (h, w, 1) of an sRGB picture, in its depth."""
    strips = [raster.levels[start : start + images.STRIP] for start in range(0, len(raster.levels), images.STRIP)]
    grays = [from_signed(operator(to_signed(strip, raster.top)), raster.top) for strip in strips]
    return raster.rounded(np.concatenate(grays))


def carry_chroma(
    raster: images.Raster, gray: images.Samples, patches: Sequence[images.Patch], operator: Grayscale
) -> images.Samples:
    """Carry the chroma of patches over a picture's luminance (h, w, 1), which stays: levels (h, w, 3)."""
    levels = gray.repeat(3, axis=2)
    for rows, chroma in images.carry_chroma(np.float32(1 / raster.top) * gray[..., 0], patches):
        y = to_signed(gray[rows], raster.top)
        x = y + 2 * torch.from_numpy(chroma).permute(2, 0, 1)[None]
        levels[rows] = raster.rounded(from_signed(operator.project(x, y), raster.top))
    return levels


class Colorize(Task[ColorizeTask]):
    """The photo shows the luminance of the wanted image."""

    def measure(self, fitted: images.Fit) -> tuple[Measurement, str]:
        """Gray values of the photo; one in colour is reduced to them."""
        levels, luma = levels_of(fitted), self.options.luma
        gray = Grayscale(luma)(levels[None] / 127.5 - 1)[0]
        note = "" if is_gray(levels) else "in colour: reduced to gray"
        return Measurement("grayscale", ((gray + 1) * 127.5).round().byte(), options={"luma": luma}), note

    def put_back(self, picture: images.Picture, squares: Sequence[tuple[Image, images.Placement]]) -> images.Raster:
        """The photo's own luminance in its own size and depth, with the chroma of the results, which is carried on."""
        operator, raster = Grayscale(self.options.luma), picture.raster
        if raster.profile is not None:
            raster = replace(picture, original=None).raster
        gray, patches = luminance_of(raster, operator), list(images.patches(squares, picture.rgb.size))
        if self.options.around == "carry":
            levels = carry_chroma(raster, gray, patches, operator)
        else:
            levels = gray.repeat(3, axis=2)
        for patch in patches:
            below = patch.of(levels)
            x = below + patch.weight * (raster.from_srgb(patch.image) - below)
            y = to_signed(patch.of(gray), raster.top)
            below[:] = raster.rounded(from_signed(operator.project(to_signed(x, raster.top), y), raster.top))
        return replace(raster, levels=levels)

    def check_truth(self, levels: Tensor) -> None:
        """Raise ImageError if a photo is gray."""
        if is_gray(levels):
            raise ImageError("has no colours that could be restored", hint="leave gray photos out of the folder")

    def degrade(self, levels: Tensor, trial: Any, rng: np.random.Generator) -> images.Picture:  # noqa: ARG002
        """The photo in gray."""
        return picture_of(Grayscale(trial.luma)(levels[None].float() / 127.5 - 1).expand(-1, 3, -1, -1))

    def metrics(self, x: Tensor, y: Tensor, measurement: Measurement) -> Mapping[str, Tensor]:  # noqa: ARG002
        """Area under the cumulative colour error, up to 149 and 150 of 255 levels."""
        return {f"color_auc_{top}": color_auc(x, y, top=top) for top in (149, 150)}
