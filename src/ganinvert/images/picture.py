"""Read pictures as people see them, and write PNG files.

Reading applies the EXIF orientation, converts an embedded ICC profile to sRGB, separates alpha, reduces 16-bit colours
to 8 bits and takes the first frame of an animation.
"""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms, ImageFile, PngImagePlugin, UnidentifiedImageError

from ganinvert.errors import ImageError
from ganinvert.files import open_input
from ganinvert.images.chunks import whatever_its_texts
from ganinvert.images.depth import correct_tiff, gray_to_8_bits, is_inverted
from ganinvert.images.raster import COMPRESSION, Raster, in_other_order, raster_of

MIN_SIDE = 4
"""Least length of an input's shorter side, in pixels."""

FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "TIFF", "BMP", "DIB", "GIF", "AVIF", "PPM")
"""File formats that are opened, whatever the file's name says. Pillow's EPS reader would start another program."""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Picture:
    """An upright sRGB picture.

    Attributes:
        rgb: Colours ("RGB").
        alpha: Transparency ("L"); None if it is opaque.
        notes: Remarks for the user.
        original: Samples of the file, upright, if colours and transparency of 8 bits in sRGB do not hold them.
        kept: Transparency ("L") that the result keeps, if `alpha` marks what is missing besides.
    """

    rgb: Image.Image
    alpha: Image.Image | None = None
    notes: tuple[str, ...] = ()
    original: Raster | None = None
    kept: Image.Image | None = None

    @property
    def raster(self) -> Raster:
        """Samples of the picture, those of its file if they are known."""
        if self.original is not None:
            return self.original
        return Raster(np.asarray(self.rgb), None if self.alpha is None else np.asarray(self.alpha))


def read(source: str | Path | bytes | BinaryIO, *, name: str = "") -> Picture:
    """Read a picture from a file, from bytes, or from an open file; error messages tell its name.

    Raises:
        ImageError: The picture is missing, of a format not in `FORMATS`, truncated, a decompression bomb, or has a
            side under `MIN_SIDE` pixels.
    """
    if not isinstance(source, str | Path):
        content = source if isinstance(source, bytes) else source.read()
        return _decode(io.BytesIO(content), name or "the image")
    name = name or str(source)
    with open_input(Path(source), ImageError, name=name) as file:
        return _decode(file, name)


def require_picture(path: Path, *, name: str = "") -> None:
    """Raise `ImageError` unless a file is there and begins as a picture does; its pixels are not read."""
    with open_input(path, ImageError, name=name) as file, _decoding(name or str(path)):
        whatever_its_texts(_recognised, file)


def from_pil(image: Image.Image, *, name: str = "the image") -> Picture:
    """Convert a Pillow image of any mode to an upright sRGB `Picture`, without changing the image.

    Raises:
        ImageError: The image has a side under `MIN_SIDE` pixels, or its file is damaged.
    """
    if not isinstance(image, Image.Image):
        raise ImageError(f"{name}: is of type {type(image).__name__}", hint="give a path, or Image.fromarray(levels)")
    with _decoding(name):
        return _upright_srgb(image, name)


def to_pil(pixels: NDArray[np.float32], alpha: Image.Image | None = None) -> Image.Image:
    """Convert pixels (3, h, w) in [0, 1], or clamped to it, to an 8-bit image; its transparency may be of any size."""
    levels = np.rint(np.nan_to_num(pixels).clip(0, 1) * 255).astype(np.uint8)
    image = Image.fromarray(np.ascontiguousarray(levels.transpose(1, 2, 0)), "RGB")
    if alpha is not None:
        image.putalpha(alpha.resize(image.size, Image.Resampling.LANCZOS))
    return image


def to_array(image: Image.Image) -> NDArray[np.uint8]:
    """Convert the colours of an image to levels (3, h, w)."""
    return np.ascontiguousarray(np.asarray(image.convert("RGB")).transpose(2, 0, 1))


def resize_to_array(image: Image.Image, longest: int) -> NDArray[np.uint8]:
    """Convert the colours to levels (3, h, w), with the longer side scaled to `longest` pixels."""
    scale = longest / max(image.size)
    if scale != 1:
        size = (max(1, round(scale * image.width)), max(1, round(scale * image.height)))
        image = image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2)
    return to_array(image)


def difference(target: Image.Image, result: Image.Image) -> Image.Image:
    """Draw the absolute difference ×4 of two images of one size."""
    before, after = (np.asarray(image.convert("RGB")).astype(np.int16) for image in (target, result))
    return Image.fromarray((4 * np.abs(before - after)).clip(0, 255).astype(np.uint8))


def comparison(target: Image.Image, result: Image.Image, *, tile: int = 256) -> Image.Image:
    """Draw input, result and absolute difference ×4 side by side, in tiles of at least `tile` pixels."""
    side = target.width * max(1, round(tile / target.width))
    strip = Image.new("RGB", (3 * side, side))
    for n, part in enumerate((target, result, difference(target, result))):
        strip.paste(part.convert("RGB").resize((side, side), Image.Resampling.NEAREST), (n * side, 0))
    return strip


def encode_png(image: Image.Image | Raster, metadata: Mapping[str, object] | None = None) -> bytes:
    """Encode an image as a PNG file, with `metadata` as JSON in the iTXt chunk `ganinvert`."""
    chunks = PngImagePlugin.PngInfo()
    if metadata:
        chunks.add_itxt("ganinvert", json.dumps(metadata, ensure_ascii=False))
    if isinstance(image, Raster):
        return image.encode_png(chunks)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=chunks, compress_level=COMPRESSION)
    return buffer.getvalue()


def read_metadata(path: Path) -> dict[str, object]:
    """Read the metadata that `encode_png` wrote into a PNG file; empty if there are none."""
    try:
        with Image.open(path, formats=["PNG"]) as image:
            metadata = json.loads(image.text["ganinvert"])  # type: ignore[attr-defined]  # PNG files have it
    except (OSError, SyntaxError, ValueError, KeyError):
        return {}
    return metadata if isinstance(metadata, dict) else {}


def encode_thumbnail(image: Image.Image, *, side: int = 256) -> bytes:
    """Encode an image as a WebP file of at most `side` pixels, without loss if it is small."""
    small = image.copy()
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "WEBP", lossless=max(image.size) <= side // 2, quality=90)
    return buffer.getvalue()


def _decode(file: BinaryIO, name: str) -> Picture:
    with _decoding(name):
        return whatever_its_texts(lambda whole: _decoded(whole, name), file)


def _decoded(file: BinaryIO, name: str) -> Picture:
    image = _recognised(file)
    transparent = image.info.get("transparency")
    if isinstance(transparent, tuple) and image.tile[0].args == "RGB;16B":
        image.info["transparency"] = tuple(level >> 8 for level in transparent)  # Pillow keeps the high bytes
    if image.format == "TIFF":
        correct_tiff(image, name)
    low, tiles = None, in_other_order(image.tile)
    if tiles is not None:
        file.seek(0)
        low = Image.open(file, formats=[str(image.format)])
        low.tile = tiles
        low.load()
        file.seek(0)
    return _upright_srgb(image, name, low)


def _recognised(file: BinaryIO) -> ImageFile.ImageFile:
    Image.init()  # lists the formats that this build of Pillow opens; without libavif it lacks AVIF
    return Image.open(file, formats=[form for form in FORMATS if form in Image.OPEN])


@contextmanager
def _decoding(name: str) -> Iterator[None]:
    """Turn anything that a decoder raises into an `ImageError`, and hide its warnings."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise ImageError(
            f"{name}: is not an image of a supported format",
            hint="use PNG, JPEG, WebP, AVIF, TIFF, BMP, GIF or PPM; export others, such as HEIC, as JPEG",
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(
            f"{name}: has more than {Image.MAX_IMAGE_PIXELS:,} pixels, too many to open safely",
            hint="scale it down first",
        ) from error
    except MemoryError as error:
        raise ImageError(f"{name}: does not fit into memory", hint="scale it down first") from error
    except Exception as error:
        raise ImageError(
            f"{name}: cannot be decoded: {error}", hint="the file is damaged or incomplete: fetch or export it again"
        ) from error


def _upright_srgb(image: Image.Image, name: str, low: Image.Image | None = None) -> Picture:
    width, height = image.size
    if min(width, height) < MIN_SIDE:
        raise ImageError(f"{name}: is only {width}×{height} pixels", hint=f"both sides need at least {MIN_SIDE} pixels")
    notes = []
    # Phones write MPO files, whose second picture is a preview or a depth map.
    if getattr(image, "is_animated", False) and image.format != "MPO":
        notes += [
            "several pages: the first is used" if image.format == "TIFF" else "animation: the first frame is used"
        ]
    image.load()
    profile, turn = image.info.get("icc_profile"), _turn(image)
    is_plain = "transparency" not in image.info and not is_inverted(image)
    original = raster_of(image, low, profile) if is_plain else None
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        image = gray_to_8_bits(image)
    if image.mode in ("P", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("LA" if image.mode == "La" else "RGBA")
    alpha = None
    if image.mode in ("RGBA", "LA"):
        alpha, image = image.getchannel("A"), image.convert(image.mode[:-1])
        alpha = None if alpha.getextrema() == (255, 255) else alpha
    rgb = _to_srgb(image, profile, notes)
    rgb.info = {}  # or Pillow would write the input's profile and other data into the result
    if turn is not None:
        rgb, alpha = rgb.transpose(turn), None if alpha is None else alpha.transpose(turn)
        original = None if original is None else original.turned(turn)
    return Picture(rgb, alpha, tuple(notes), original)


def _turn(image: Image.Image) -> Image.Transpose | None:
    """Look up the transposition that makes the picture upright. `ImageOps.exif_transpose` fails on damaged EXIF."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # damaged EXIF data can raise anything
        return None
    return _TURNS.get(orientation) if isinstance(orientation, int) else None


def _to_srgb(image: Image.Image, profile: bytes | None, notes: list[str]) -> Image.Image:
    if image.mode == "LAB":
        return _convert(image, ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")))
    if image.mode not in ("L", "RGB", "CMYK"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            # Gray pictures often keep the profile of the colour picture that they were made from.
            is_colour = source.profile.xcolor_space.strip() == "RGB"
            return _convert(image.convert("RGB") if image.mode == "L" and is_colour else image, source)
        except (ImageCms.PyCMSError, OSError):
            notes.append("colour profile ignored: it cannot be read or is for another kind of picture")
    return image.convert("RGB")


def _convert(image: Image.Image, source: ImageCms.ImageCmsProfile) -> Image.Image:
    result = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    assert result is not None  # only a conversion in place returns None
    return result
