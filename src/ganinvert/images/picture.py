"""Reading pictures as people see them, and writing PNG files.

Reading applies the EXIF orientation, converts an embedded ICC profile to sRGB, keeps alpha apart,
scales 16-bit gray by hand (Pillow clips it) and takes the first frame of an animation.
"""

from __future__ import annotations

import io
import json
import struct
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, PngImagePlugin, UnidentifiedImageError

from ganinvert.errors import ImageError

MIN_SIDE = 4
"""The shortest side, in pixels, that an input may have."""


@dataclass(frozen=True)
class Picture:
    """An upright sRGB picture.

    Attributes:
        rgb: The colours, mode "RGB".
        alpha: The transparency, mode "L", or None for an opaque picture.
        notes: What reading changed that the user should know.
    """

    rgb: Image.Image
    alpha: Image.Image | None = None
    notes: tuple[str, ...] = ()


def read(path: Path) -> Picture:
    """Read an image file.

    Raises:
        ImageError: The file is missing, no image, truncated, a decompression bomb or under `MIN_SIDE` pixels.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                image.load()
                return from_pil(image, name=str(path))
    except FileNotFoundError as error:
        raise ImageError(f"{path}: no such file", hint="check the spelling of the path") from error
    except IsADirectoryError as error:
        raise ImageError(f"{path}: is a folder", hint="name the image files, for instance with *.jpg") from error
    except PermissionError as error:
        raise ImageError(f"{path}: may not be read", hint="check the permissions of the file") from error
    except UnidentifiedImageError as error:
        raise ImageError(
            f"{path}: is not an image that can be read", hint="PNG, JPEG, WebP, TIFF, BMP and GIF files work"
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(f"{path}: has too many pixels to be opened safely", hint="scale it down first") from error
    except (OSError, SyntaxError, ValueError, EOFError, TypeError, IndexError, struct.error) as error:
        raise ImageError(
            f"{path}: cannot be decoded: {error}",
            hint="the file is damaged or incomplete: fetch or export it again",
        ) from error


def from_pil(image: Image.Image, *, name: str = "the image") -> Picture:
    """Bring any Pillow image to an upright sRGB `Picture`; the image itself is not changed.

    Raises:
        ImageError: It has a side under `MIN_SIDE` pixels; `name` is what the message calls it.
    """
    width, height = image.size
    if min(width, height) < MIN_SIDE:
        raise ImageError(f"{name}: is only {width}×{height} pixels", hint=f"both sides need at least {MIN_SIDE} pixels")
    notes = []
    if getattr(image, "n_frames", 1) > 1:
        notes.append("an animation: its first frame is used")
    profile = image.info.get("icc_profile")
    image = ImageOps.exif_transpose(image)
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        image = _gray_to_8_bits(image)
    if image.mode in ("P", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
    alpha = image.getchannel("A") if "A" in image.getbands() else None
    if alpha is not None and alpha.getextrema() == (255, 255):
        alpha = None
    if image.mode in ("RGBA", "LA"):
        image = image.convert(image.mode[:-1])
    if profile:
        image = _to_srgb(image, profile, notes)
    return Picture(image.convert("RGB"), alpha, tuple(notes))


def to_pil(pixels: NDArray[np.float32], alpha: Image.Image | None = None) -> Image.Image:
    """Turn pixels into an 8-bit image, rounding to the nearest level.

    Args:
        pixels: (3, h, w), values in [0, 1]; others are clamped, NaN becomes 0.
        alpha: Transparency to attach, mode "L", any size.
    """
    levels = np.rint(np.nan_to_num(pixels).clip(0, 1) * 255).astype(np.uint8)
    image = Image.fromarray(np.ascontiguousarray(levels.transpose(1, 2, 0)), "RGB")
    if alpha is not None:
        image.putalpha(alpha.resize(image.size, Image.Resampling.LANCZOS))
    return image


def to_array(image: Image.Image) -> NDArray[np.uint8]:
    """The colours of an image, (3, h, w)."""
    return np.ascontiguousarray(np.asarray(image.convert("RGB")).transpose(2, 0, 1))


def comparison(target: Image.Image, result: Image.Image, *, tile: int = 256) -> Image.Image:
    """Input | result | absolute difference ×4, side by side in tiles of at least `tile` pixels."""
    before, after = (np.asarray(image.convert("RGB")).astype(np.int16) for image in (target, result))
    difference = Image.fromarray((4 * np.abs(before - after)).clip(0, 255).astype(np.uint8))
    side = target.width * max(1, round(tile / target.width))
    strip = Image.new("RGB", (3 * side, side))
    for n, part in enumerate((target, result, difference)):
        strip.paste(part.convert("RGB").resize((side, side), Image.Resampling.NEAREST), (n * side, 0))
    return strip


def encode_png(image: Image.Image, metadata: Mapping[str, object] | None = None) -> bytes:
    """The content of a PNG file; `metadata` is kept as JSON in the iTXt chunk `ganinvert`."""
    chunks = PngImagePlugin.PngInfo()
    if metadata:
        chunks.add_itxt("ganinvert", json.dumps(metadata, ensure_ascii=False))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=chunks, optimize=True)
    return buffer.getvalue()


def _gray_to_8_bits(image: Image.Image) -> Image.Image:
    """Scale deep gray: 16 bits by their range; "I" and "F", which state none, by the smallest that holds them."""
    values = np.asarray(image).astype(np.float64)
    ranges = (65535,) if image.mode.startswith("I;16") else (1, 255, 65535) if image.mode == "F" else (255, 65535)
    span = next((top for top in ranges if values.max() <= top), values.max())
    return Image.fromarray(np.rint((values * (255 / span)).clip(0, 255)).astype(np.uint8))


def _to_srgb(image: Image.Image, profile: bytes, notes: list[str]) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        notes.append("its colour profile cannot be read and is ignored")
        return image
    return image if converted is None else converted
