"""A folder of images, decoded once and kept in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ganinvert import images
from ganinvert.errors import ImageError, InputError
from ganinvert.settings import GrayImages

MIN_IMAGES = 10
"""So that a tenth can be held out."""

_GRAY = 3.0  # mean difference of the colour channels, of 255, that JPEG's rounding may leave in a gray image


@dataclass(frozen=True)
class ImageFolder:
    """Images of one size, and those that are kept from training.

    Attributes:
        training: (n, 3, r, r) uint8.
        held_out: (m, 3, r, r) uint8, a tenth of all, never trained on.
        skipped: What could not be used, with the reason.
        notes: What was done to the images that the user should know.
    """

    training: Tensor
    held_out: Tensor
    skipped: tuple[str, ...]
    notes: tuple[str, ...]

    @cached_property
    def sha256(self) -> str:
        """Of the pixels, in order: a training can only go on with the same images."""
        return hashlib.sha256(self.training.numpy().data).hexdigest()

    @classmethod
    def load(cls, folder: Path, resolution: int, *, gray: GrayImages = "keep", seed: int = 0) -> ImageFolder:
        """Read all images in a folder and its subfolders, centre-cropped to squares and resized.

        Args:
            folder: Files that are no images, or damaged, are skipped; hidden ones are not looked at.
            resolution: Side in pixels.
            gray: Whether to keep images without colour.
            seed: Chooses the held-out tenth.

        Raises:
            InputError: There is no such folder, or fewer than `MIN_IMAGES` images in it can be used.
        """
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder", hint="name a folder of images; archives must be unpacked")
        files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
        with ThreadPoolExecutor() as pool:
            found = list(pool.map(lambda path: _load(path, resolution), files))
        skipped = [result for result in found if isinstance(result, str)]
        loaded = [result for result in found if not isinstance(result, str)]
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
        notes = _notes(loaded, resolution, colourless if gray == "keep" else 0)
        pixels = torch.from_numpy(np.stack([image.pixels for image in loaded]))
        order = torch.randperm(len(pixels), generator=torch.Generator().manual_seed(seed))
        tenth = len(pixels) // 10
        held_out, training = order[:tenth].sort().values, order[tenth:].sort().values
        return cls(pixels[training], pixels[held_out], tuple(skipped), tuple(notes))


class Batches:
    """Endless batches in an order that is known from the seed and the number of images shown before.

    Args:
        pixels: (n, 3, r, r) uint8. Copied to the device when it takes less than a quarter of the free memory there.
        batch: Images per batch; more than n repeat images within one.
        flip: Mirror every second image on average.
        seed: Of the order and the flips.
        device: Where batches are wanted.
    """

    def __init__(self, pixels: Tensor, batch: int, *, flip: bool, seed: int, device: torch.device) -> None:
        self.count, self.batch, self.flip, self.seed, self.device = len(pixels), batch, flip, seed, device
        if device.type == "cuda":
            free, _total = torch.cuda.mem_get_info(device)
            pixels = pixels.to(device) if pixels.nbytes < free // 4 else pixels.pin_memory()
        self.pixels = pixels
        self._epoch, self._order = -1, torch.empty(0)

    def at(self, shown: int) -> Tensor:
        """The batch that follows after `shown` images: (batch, 3, r, r) in [-1, 1] on the device."""
        indices, flips = self._draw(shown)
        chosen = self.pixels[indices.to(self.pixels.device, non_blocking=True)]
        chosen = chosen.to(self.device, non_blocking=True).float() / 127.5 - 1
        if not self.flip:
            return chosen
        mirrored = flips.bool().to(self.device, non_blocking=True)[:, None, None, None]
        return torch.where(mirrored, chosen.flip(3), chosen)

    def _draw(self, position: int) -> Tensor:
        """Rows of indices and flips: every image once per epoch."""
        drawn, missing = [], self.batch
        while missing:
            epoch, place = divmod(position, self.count)
            if epoch != self._epoch:
                rng = torch.Generator().manual_seed((self.seed + (epoch << 20)) % 2**63)
                flips = torch.randint(0, 2, (self.count,), generator=rng)
                self._epoch, self._order = epoch, torch.stack([torch.randperm(self.count, generator=rng), flips])
            drawn.append(self._order[:, place : place + missing])
            position, missing = position + drawn[-1].shape[1], missing - drawn[-1].shape[1]
        return torch.cat(drawn, dim=1)


@dataclass(frozen=True)
class _Image:
    path: Path
    pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
    gray: bool
    size: tuple[int, int]


def _load(path: Path, resolution: int) -> _Image | str:
    """One image, or why it cannot be used."""
    try:
        picture = images.read(path)
    except ImageError as error:
        return error.message
    fitted = images.fit(picture, resolution).pixels
    pixels = np.rint((fitted + 1) * 127.5).clip(0, 255).astype(np.uint8)
    difference = np.abs(pixels.astype(np.int16) - pixels.astype(np.int16).mean(axis=0)).mean()
    return _Image(path, pixels, bool(difference < _GRAY), picture.rgb.size)


def _notes(loaded: Sequence[_Image], resolution: int, colourless: int) -> list[str]:
    notes = []
    if cropped := sum(image.size[0] != image.size[1] for image in loaded):
        notes.append(f"{cropped} of {len(loaded)} images are not square: their centre is used")
    if small := sum(min(image.size) < resolution for image in loaded):
        notes.append(f"{small} of {len(loaded)} images are smaller than {resolution} pixels and were enlarged")
    if 0 < colourless < len(loaded):
        notes.append(f"{colourless} of {len(loaded)} images are gray, and so will be some of what is learned")
    return notes
