"""Reading a folder of images into memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ganinvert.errors import ImageError, InputError
from ganinvert.images.picture import read
from ganinvert.images.placement import fit
from ganinvert.settings.common import GrayImages

MIN_IMAGES = 10
"""Least number of images in a folder: a tenth of them is held out."""

_GRAY = 3.0  # mean difference of the colour channels, of 255, that JPEG's rounding may leave in a gray image


@dataclass(frozen=True)
class ImageFolder:
    """Images of one size, (n, 3, r, r) uint8, a tenth of which is held out from training.

    There are also the paths that could not be used, each with the reason, and notes about cropped and other images.
    """

    training: Tensor
    held_out: Tensor
    skipped: tuple[str, ...]
    notes: tuple[str, ...]

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the training pixels, by which a resumed training recognises its images."""
        return hashlib.sha256(self.training.numpy().data).hexdigest()

    @classmethod
    def load(cls, folder: Path, resolution: int, *, gray: GrayImages = "keep", seed: int = 0) -> ImageFolder:
        """Read all images in a folder and its subfolders, centre-cropped to squares and resized.

        Hidden files are ignored, damaged files and others are skipped, and the seed chooses the held-out tenth.

        Raises:
            InputError: There is no such folder, or fewer than `MIN_IMAGES` images in it can be used.
        """
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder", hint="name a folder of images; archives must be unpacked")
        files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
        with ThreadPoolExecutor() as pool:
            results = list(pool.map(lambda path: _load(path, resolution), files))
        skipped = [result for result in results if isinstance(result, str)]
        loaded = [result for result in results if not isinstance(result, str)]
        colourless = sum(image.gray for image in loaded)
        if gray == "skip":
            skipped += [f"{image.path}: is gray" for image in loaded if image.gray]
            loaded = [image for image in loaded if not image.gray]
        if len(loaded) < MIN_IMAGES:
            raise InputError(
                f"{folder}: holds {len(loaded) or 'no'} image{'s' * (len(loaded) != 1)} that can be used"
                + (f", and {len(skipped)} files that cannot, such as {skipped[0]}" if skipped else ""),
                hint=f"at least {MIN_IMAGES} images are needed, and some hundreds to be any good",
            )
        notes = tuple(_notes(loaded, resolution, colourless if gray == "keep" else 0))
        pixels = torch.from_numpy(np.stack([image.pixels for image in loaded]))
        order = torch.randperm(len(pixels), generator=torch.Generator().manual_seed(seed))
        tenth = len(pixels) // 10
        held_out, training = order[:tenth].sort().values, order[tenth:].sort().values
        return cls(pixels[training], pixels[held_out], tuple(skipped), notes)


@dataclass(frozen=True)
class _Image:
    path: Path
    pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
    gray: bool
    size: tuple[int, int]


def _load(path: Path, resolution: int) -> _Image | str:
    """Read one image, or say why it cannot be used."""
    try:
        picture = read(path)
    except ImageError as error:
        return error.message
    fitted = fit(picture, resolution).pixels
    pixels = np.rint((fitted + 1) * 127.5).clip(0, 255).astype(np.uint8)
    difference = np.abs(pixels.astype(np.int16) - pixels.astype(np.int16).mean(axis=0)).mean()
    return _Image(path, pixels, bool(difference < _GRAY), picture.rgb.size)


def _notes(loaded: Sequence[_Image], resolution: int, colourless: int) -> Iterator[str]:
    if cropped := sum(image.size[0] != image.size[1] for image in loaded):
        yield f"{cropped} of {len(loaded)} images are not square: their centre is used"
    if small := sum(min(image.size) < resolution for image in loaded):
        yield f"{small} of {len(loaded)} images are smaller than {resolution} pixels and were enlarged"
    if 0 < colourless < len(loaded):
        yield f"{colourless} of {len(loaded)} images are gray, and so will be some of what is learned"
