"""The samples of a picture as its file holds them: of 8 or 16 bits, in the colour space of its own profile."""

from __future__ import annotations

import io
import sys
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, PngImagePlugin

from ganinvert.settings.common import Kernel

Samples = NDArray[np.uint8] | NDArray[np.uint16]

_OTHER_ORDER = {"16B": "16L", "16L": "16B", "16N": "16B" if sys.byteorder == "little" else "16L"}
_TURNS = {
    Image.Transpose.FLIP_LEFT_RIGHT: lambda a: a[:, ::-1],
    Image.Transpose.ROTATE_180: lambda a: a[::-1, ::-1],
    Image.Transpose.FLIP_TOP_BOTTOM: lambda a: a[::-1],
    Image.Transpose.TRANSPOSE: lambda a: a.swapaxes(0, 1),
    Image.Transpose.ROTATE_270: lambda a: np.rot90(a, 3),
    Image.Transpose.TRANSVERSE: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    Image.Transpose.ROTATE_90: lambda a: np.rot90(a),
}


_KERNELS: dict[Kernel, Image.Resampling] = {
    "bicubic": Image.Resampling.BICUBIC,
    "area": Image.Resampling.BOX,
    "lanczos": Image.Resampling.LANCZOS,
}
COMPRESSION = 4
"""Level of compression of PNG files of 8 bits: a sixth of the time of the highest, for 1.5 % more bytes."""


@dataclass(frozen=True)
class Raster:
    """A whole picture of any depth and colour space.

    Attributes:
        levels: Colours (h, w, 3), uint8 or uint16.
        alpha: Transparency (h, w) of the same type; None if it is opaque.
        profile: ICC profile of the colours; None for sRGB.
    """

    levels: Samples
    alpha: Samples | None = None
    profile: bytes | None = None

    @property
    def top(self) -> int:
        """Level of white: 255 or 65535."""
        return int(np.iinfo(self.levels.dtype).max)

    @property
    def image(self) -> Image.Image:
        """The picture in 8 bits, with its profile in `info`."""
        image = Image.fromarray(_in_8_bits(self.levels))
        if self.alpha is not None:
            image.putalpha(Image.fromarray(_in_8_bits(self.alpha)))
        if self.profile is not None:
            image.info["icc_profile"] = self.profile
        return image

    def from_srgb(self, image: Image.Image) -> NDArray[np.float32]:
        """Convert an sRGB image to levels (h, w, 3) of this depth and colour space, not rounded."""
        if self.profile is not None:
            image = _into_profile(image, self.profile)
        return np.asarray(image.convert("RGB"), dtype=np.float32) * (self.top / 255)

    def rounded(self, levels: NDArray[np.floating[Any]]) -> Samples:
        """Round levels to samples of this depth."""
        samples: Samples = np.rint(levels).clip(0, self.top).astype(self.levels.dtype)
        return samples

    def turned(self, turn: Image.Transpose) -> Raster:
        """The picture, turned or mirrored."""
        alpha = None if self.alpha is None else np.ascontiguousarray(_TURNS[turn](self.alpha))
        return Raster(np.ascontiguousarray(_TURNS[turn](self.levels)), alpha, self.profile)

    def encode_png(self, text: PngImagePlugin.PngInfo) -> bytes:
        """Encode the picture as a PNG file of its depth, with its profile."""
        buffer = io.BytesIO()
        if self.levels.dtype == np.uint8:
            self.image.save(buffer, "PNG", pnginfo=text, compress_level=COMPRESSION)
            return buffer.getvalue()
        # Pillow writes no 16-bit colours.
        bands = self.levels if self.alpha is None else np.concatenate([self.levels, self.alpha[..., None]], axis=2)
        height, width, count = bands.shape
        size = b"".join(side.to_bytes(4, "big") for side in (width, height))
        buffer.write(b"\x89PNG\r\n\x1a\n")
        PngImagePlugin.putchunk(buffer, b"IHDR", size, bytes([16, 2 if count == 3 else 6, 0, 0, 0]))
        if self.profile is not None:
            PngImagePlugin.putchunk(buffer, b"iCCP", b"ICC Profile\0\0", zlib.compress(self.profile))
        for kind, content, *_ in text.chunks:
            PngImagePlugin.putchunk(buffer, kind, content)
        rows = np.ascontiguousarray(bands.astype(">u2")).view(np.uint8).reshape(height, -1)
        rows[:, 2 * count :] -= rows[:, : -2 * count].copy()  # differences to the pixel before compress well
        filtered = np.concatenate([np.ones((height, 1), np.uint8), rows], axis=1)
        PngImagePlugin.putchunk(buffer, b"IDAT", zlib.compress(filtered.tobytes()))
        PngImagePlugin.putchunk(buffer, b"IEND", b"")
        return buffer.getvalue()


def resample(levels: NDArray[np.float32], size: tuple[int, int], kernel: Kernel) -> NDArray[np.float32]:
    """Resize levels (h, w, c) to a size (width, height) by a kernel, antialiased except for "bilinear"."""
    bands = []
    for band in np.moveaxis(levels, 2, 0):
        image = Image.fromarray(np.ascontiguousarray(band))
        if kernel == "bilinear":
            step = (image.width / size[0], 0, 0, 0, image.height / size[1], 0)
            image = image.transform(size, Image.Transform.AFFINE, step, Image.Resampling.BILINEAR)
        else:
            image = image.resize(size, _KERNELS[kernel])
        bands.append(np.asarray(image))
    return np.stack(bands, axis=2)


def enlarged(raster: Raster, size: tuple[int, int]) -> Raster:
    """Enlarge a picture to a size (width, height) by Lanczos interpolation."""
    alpha = None
    if raster.alpha is not None:
        alpha = raster.rounded(resample(raster.alpha[..., None].astype(np.float32), size, "lanczos"))[..., 0]
    levels = raster.rounded(resample(raster.levels.astype(np.float32), size, "lanczos"))
    return Raster(levels, alpha, raster.profile)


def raster_of(image: Image.Image, low: Image.Image | None, profile: bytes | None) -> Raster | None:
    """The samples of a decoded file, if sRGB of 8 bits would lose some of them.

    Args:
        image: Decoded image, of any mode; 16-bit colours are reduced to 8 bits.
        low: The lower halves of 16-bit colours; see `in_other_order`.
        profile: ICC profile of the file, if any.
    """
    if image.mode == "I;16" and not profile:
        return Raster(np.asarray(image).astype(np.uint16)[..., None].repeat(3, axis=2))
    if image.mode not in ("RGB", "RGBA") or (low is None and not profile):
        return None
    if profile:
        try:
            _into_profile(Image.new("RGB", (1, 1)), profile)
        except (ImageCms.PyCMSError, OSError):  # it is for reading only, or for another kind of picture
            profile = None
            if low is None:
                return None
    samples: Samples = np.asarray(image)
    if low is not None:
        samples = samples.astype(np.uint16) << 8 | np.asarray(low)
    return Raster(samples[..., :3], samples[..., 3] if image.mode == "RGBA" else None, profile)


def in_other_order(tiles: list[Any]) -> list[Any] | None:
    """Tiles of a file of 16-bit colours in the other byte order, so that Pillow decodes the lower halves.

    Pillow keeps the upper halves alone. None if the tiles are of other samples.
    """
    changed = []
    for tile in tiles:
        args = tile.args if isinstance(tile.args, tuple) else (tile.args,)
        bands, _, order = str(args[0]).partition(";")
        if not set(bands) <= set("RGBA") or order not in _OTHER_ORDER:
            return None
        swapped = f"{bands};{_OTHER_ORDER[order]}"
        changed.append(tile._replace(args=(swapped, *args[1:]) if isinstance(tile.args, tuple) else swapped))
    return changed or None


def _into_profile(image: Image.Image, profile: bytes) -> Image.Image:
    """Convert an sRGB image to the colour space of a profile."""
    target = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    result = ImageCms.profileToProfile(image.convert("RGB"), ImageCms.createProfile("sRGB"), target, outputMode="RGB")
    assert result is not None  # only a conversion in place returns None
    return result


def _in_8_bits(samples: Samples) -> NDArray[np.uint8]:
    """Samples of 8 bits, rounded from 16."""
    if samples.dtype == np.uint8:
        return np.ascontiguousarray(samples, dtype=np.uint8)
    return np.ascontiguousarray(np.rint(samples / 257).astype(np.uint8))
