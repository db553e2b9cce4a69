"""Reading pictures as people see them, and writing PNG files.

Reading applies the EXIF orientation, converts an embedded ICC profile to sRGB, keeps alpha apart, rounds 16-bit
colours to 8 bits and takes the first frame of an animation.
"""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms, PngImagePlugin, UnidentifiedImageError

from ganinvert.errors import ImageError
from ganinvert.images.depth import gray_to_8_bits, load_in_8_bits

MIN_SIDE = 4
"""The shortest side, in pixels, that an input may have."""

FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "TIFF", "BMP", "DIB", "GIF", "AVIF", "PPM")
"""What is opened, whatever a file's name says. Pillow knows more, one of which (EPS) starts another program."""

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
        rgb: The colours, mode "RGB".
        alpha: The transparency, mode "L", or None for an opaque picture.
        notes: What reading changed that the user should know.
    """

    rgb: Image.Image
    alpha: Image.Image | None = None
    notes: tuple[str, ...] = ()


def read(source: str | Path | bytes | BinaryIO, *, name: str = "") -> Picture:
    """Read a picture from a file, from bytes, or from an open file such as standard input's buffer.

    Args:
        source: Where it is; of an open file everything that is left is taken.
        name: What messages call it; a path's own name by default.

    Raises:
        ImageError: It is missing, no image of `FORMATS`, truncated, a decompression bomb or under `MIN_SIDE` pixels.
    """
    if not isinstance(source, str | Path):
        content = source if isinstance(source, bytes) else source.read()
        return _decode(io.BytesIO(content), name or "the image")
    name = name or str(source)
    try:
        with Path(source).open("rb") as file:
            return _decode(file if file.seekable() else io.BytesIO(file.read()), name)
    except FileNotFoundError as error:
        raise ImageError(f"{name}: no such file", hint="check the spelling of the path") from error
    except IsADirectoryError as error:
        raise ImageError(f"{name}: is a folder", hint="name the image files, for instance with *.jpg") from error
    except PermissionError as error:
        raise ImageError(f"{name}: may not be read", hint="check the permissions of the file") from error
    except (OSError, ValueError) as error:  # a name too long or with a null character, a disk that fails
        raise ImageError(f"{name}: cannot be opened: {error}", hint="check the path") from error


def from_pil(image: Image.Image, *, name: str = "the image") -> Picture:
    """Bring any Pillow image to an upright sRGB `Picture`; the image itself is not changed.

    Raises:
        ImageError: It has a side under `MIN_SIDE` pixels, or its file turns out to be damaged; `name` is what the
            message calls it.
    """
    _require_size(image, name)
    with _decoding(name):
        notes = _notes(image)
        image.load()
        return _upright_srgb(image, notes)


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


def shrunk(image: Image.Image, longest: int) -> NDArray[np.uint8]:
    """The colours, (3, h, w), with the longer side scaled down to `longest` pixels unless it is shorter anyway."""
    scale = longest / max(image.size)
    if scale < 1:
        size = (max(1, round(scale * image.width)), max(1, round(scale * image.height)))
        image = image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2)
    return to_array(image)


def difference(target: Image.Image, result: Image.Image) -> Image.Image:
    """Absolute difference ×4 of two images of one size."""
    before, after = (np.asarray(image.convert("RGB")).astype(np.int16) for image in (target, result))
    return Image.fromarray((4 * np.abs(before - after)).clip(0, 255).astype(np.uint8))


def comparison(target: Image.Image, result: Image.Image, *, tile: int = 256) -> Image.Image:
    """Input | result | absolute difference ×4, side by side in tiles of at least `tile` pixels."""
    side = target.width * max(1, round(tile / target.width))
    strip = Image.new("RGB", (3 * side, side))
    for n, part in enumerate((target, result, difference(target, result))):
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


def read_text(path: Path) -> dict[str, object]:
    """What `encode_png` kept in a PNG file; empty when it is none of ours."""
    try:
        with Image.open(path, formats=["PNG"]) as image:
            found = json.loads(image.text["ganinvert"])  # type: ignore[attr-defined]  # PNG files have it
    except (OSError, SyntaxError, ValueError, KeyError):
        return {}
    return found if isinstance(found, dict) else {}


def encode_thumbnail(image: Image.Image, *, side: int = 256) -> bytes:
    """The content of a WebP file of at most `side` pixels; small images keep every pixel."""
    small = image.copy()
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "WEBP", lossless=max(image.size) <= side // 2, quality=90)
    return buffer.getvalue()


def _decode(file: BinaryIO, name: str) -> Picture:
    with _decoding(name):
        image = Image.open(file, formats=[known for known in FORMATS if known in _openable()])
        _require_size(image, name)
        notes = _notes(image)
        load_in_8_bits(image, file)
        return _upright_srgb(image, notes)


def _openable() -> Collection[str]:
    """What this build of Pillow opens; one without libavif lacks AVIF."""
    Image.init()
    return Image.OPEN


@contextmanager
def _decoding(name: str) -> Iterator[None]:
    """Whatever a decoder of foreign bytes raises becomes an `ImageError`; its warnings help nobody."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise ImageError(
            f"{name}: is not an image that can be read",
            hint="PNG, JPEG, WebP, AVIF, TIFF, BMP, GIF and PPM files work; export others, such as HEIC, as JPEG",
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(
            f"{name}: has more than {Image.MAX_IMAGE_PIXELS:,} pixels, too many to be opened safely",
            hint="scale it down first",
        ) from error
    except MemoryError as error:
        raise ImageError(f"{name}: does not fit into memory", hint="scale it down first") from error
    except Exception as error:
        raise ImageError(
            f"{name}: cannot be decoded: {error}",
            hint="the file is damaged or incomplete: fetch or export it again",
        ) from error


def _require_size(image: Image.Image, name: str) -> None:
    width, height = image.size
    if min(width, height) < MIN_SIDE:
        raise ImageError(f"{name}: is only {width}×{height} pixels", hint=f"both sides need at least {MIN_SIDE} pixels")


def _notes(image: Image.Image) -> list[str]:
    # MPO is what phones write: the second picture is a preview or a depth map.
    if getattr(image, "is_animated", False) and image.format != "MPO":
        return [
            "several pages: the first is used" if image.format == "TIFF" else "an animation: its first frame is used"
        ]
    return []


def _upright_srgb(image: Image.Image, notes: list[str]) -> Picture:
    profile, turn = image.info.get("icc_profile"), _turn(image)
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        image = gray_to_8_bits(image)
    if image.mode in ("P", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("LA" if image.mode == "La" else "RGBA")
    alpha = None
    if image.mode in ("RGBA", "LA"):
        alpha, image = image.getchannel("A"), image.convert(image.mode[:-1])
        alpha = None if alpha.getextrema() == (255, 255) else alpha
    rgb = _to_srgb(image, profile, notes)
    rgb.info = {}  # Pillow would write the old profile, and more of the file's, into what is made of the picture
    if turn is not None:
        rgb, alpha = rgb.transpose(turn), None if alpha is None else alpha.transpose(turn)
    return Picture(rgb, alpha, tuple(notes))


def _turn(image: Image.Image) -> Image.Transpose | None:
    """What brings the picture upright. `ImageOps.exif_transpose` also encodes EXIF anew, which damaged EXIF breaks."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # the EXIF data are beyond reading: as good as none
        return None
    return _TURNS.get(orientation) if isinstance(orientation, int) else None


def _to_srgb(image: Image.Image, profile: bytes | None, notes: list[str]) -> Image.Image:
    if image.mode == "LAB":
        return _converted(image, ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")))
    if image.mode not in ("L", "RGB", "CMYK"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            # Gray pictures often keep the profile of the colours that they were made of.
            is_colour = source.profile.xcolor_space.strip() == "RGB"
            return _converted(image.convert("RGB") if image.mode == "L" and is_colour else image, source)
        except (ImageCms.PyCMSError, OSError):
            notes.append("its colour profile cannot be read or is not for such a picture: ignored")
    return image.convert("RGB")


def _converted(image: Image.Image, source: ImageCms.ImageCmsProfile) -> Image.Image:
    result = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    assert result is not None  # only a conversion in place gives none
    return result
