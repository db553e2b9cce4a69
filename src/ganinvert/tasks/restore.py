"""Restoring photos that have lost several things."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganinvert import images
from ganinvert.degradations import Grayscale, Lens, Measurement, estimate_blur
from ganinvert.errors import ImageError
from ganinvert.settings import RestoreTask
from ganinvert.tasks.base import KNOWN, Task, levels_of, picture_of
from ganinvert.tasks.colorize import carry_chroma, is_gray, luminance_of
from ganinvert.tasks.inpaint import Inpaint, filled
from ganinvert.tasks.upscale import smaller_side

SHIFT = 4
"""Offset in pixels of the second compression's grid of blocks from the first one's: half a block."""


class Restore(Inpaint):
    """The photo is the wanted image after some losses."""

    options: RestoreTask

    def check(self, resolution: int, *, whole: bool) -> None:  # noqa: ARG002
        """Raise UsageError unless the factor divides the resolution."""
        self._side(resolution)

    def side(self, placement: images.Placement, resolution: int, *, whole: bool) -> int:  # noqa: ARG002
        """The generator's resolution divided by the factor."""
        return self._side(resolution)

    def left_out(self, picture: images.Picture, places: Sequence[images.Placement]) -> str:  # noqa: ARG002
        """Nothing: outside the squares the hole has the colours around it."""
        return ""

    def put_back(
        self, picture: images.Picture, squares: Sequence[tuple[Image.Image, images.Placement]]
    ) -> images.Raster:
        """The whole photo with the results in their places, enlarged by Lanczos interpolation if it was smaller.

        Where colours are lost, those of the results are carried over the rest of it, as by `Colorize`.
        """
        own = picture.kept if self.options.has_hole else picture.alpha
        if self.options.gray and picture.raster.profile is not None:
            srgb = images.Raster(np.asarray(picture.rgb), None if own is None else np.asarray(own))
            picture = replace(picture, original=srgb)
        raster, factor = filled(picture), self.options.downscale
        if own is not None and picture.original is not None:
            raster = replace(raster, alpha=picture.original.alpha)
        size = factor * picture.rgb.width, factor * picture.rgb.height
        if factor > 1:
            raster = images.enlarged(raster, size)
        patches = list(images.patches([(image, place.scaled(size)) for image, place in squares], size))
        if self.options.gray:
            operator = Grayscale()
            levels = carry_chroma(raster, luminance_of(raster, operator), patches, operator)
            raster = replace(raster, levels=levels)
        return images.paste_back(raster, patches)

    def open(self, picture: images.Picture, path: Path | None) -> images.Picture:
        """The photo with its hole made transparent, if it has one."""
        return super().open(picture, path) if self.options.has_hole else Task.open(self, picture, path)

    def measure(self, fitted: images.Fit) -> tuple[Measurement, str]:
        """The pixels that are known, gray if the colours are lost, and the noise of a photo of this size.

        Resizing to the square makes a blur narrower, and averages the noise of larger photos.

        Raises:
            ImageError: Nothing is known inside the square, or not all where the blur is to be estimated.
        """
        options, levels = self.options, levels_of(fitted)
        luma, note = "rec601" if options.gray else "", ""
        if options.gray:
            note = "" if is_gray(levels) else "in colour: reduced to gray"
            levels = ((Grayscale()(levels[None] / 127.5 - 1)[0] + 1) * 127.5).round().byte()
        shrinking = max(fitted.placement.sides) / levels.shape[-1]
        noise = math.hypot(options.noise, compression_loss(levels, options.jpeg)) / max(shrinking, 1)
        known = None if fitted.alpha is None else torch.from_numpy(np.asarray(fitted.alpha) >= KNOWN)
        if known is not None and not known.any():
            raise ImageError("nothing is known inside the square that is restored", hint="try a smaller mask")
        known = None if known is None or known.all() else known
        if options.blur != "auto":
            blur = options.blur / shrinking
        elif known is None:
            blur = estimate_blur(levels, noise=noise)
            note += f"{'; ' if note else ''}blur: about {blur * shrinking:.1f} pixels"
        else:
            raise ImageError("a blur cannot be estimated beside missing pixels", hint="say how wide it is: --blur 1.5")
        numbers = {"blur": blur * options.downscale, "noise": noise}
        return Measurement("chain", levels, known, {"kernel": "bicubic", "luma": luma, **numbers}), note

    def degrade(self, levels: Tensor, trial: Any, rng: np.random.Generator) -> images.Picture:
        """The photo blurred, made smaller and gray, with noise, and compressed."""
        resolution = levels.shape[-1]
        x = Lens(resolution, self._side(resolution), blur=trial.blur * trial.downscale)(levels[None].float())
        if trial.gray:
            x = Grayscale()(x).expand(-1, 3, -1, -1)
        noise = rng.standard_normal((1, 1 if trial.gray else 3, *x.shape[-2:]))
        picture = picture_of((x + torch.from_numpy(trial.noise * noise).float()) / 127.5 - 1)
        return picture if trial.jpeg is None else images.Picture(compressed(picture.rgb, trial.jpeg))

    def _side(self, resolution: int) -> int:
        return smaller_side(resolution, self.options.downscale) if self.options.downscale > 1 else resolution

    def metrics(self, x: Tensor, y: Tensor, measurement: Measurement) -> Mapping[str, Tensor]:  # noqa: ARG002
        """None beside those of all tasks."""
        return {}


def compressed(image: Image.Image, quality: int) -> Image.Image:
    """A picture after JPEG compression."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert(image.mode)


def compression_loss(levels: Tensor, quality: int | None) -> float:
    """Estimate the error that JPEG compression left in an image (c, s, s) uint8: standard deviation in levels.

    It is about that of compressing the image once more, with the blocks elsewhere.
    """
    if quality is None:
        return 0.0
    moved = levels[:, SHIFT:, SHIFT:].expand(3, -1, -1)
    square = images.to_pil((moved.float() / 255).numpy()).convert("L" if len(levels) == 1 else "RGB")
    error = np.asarray(compressed(square, quality), dtype=np.float64) - np.asarray(square, dtype=np.float64)
    return float(np.sqrt(np.square(error).mean()))
