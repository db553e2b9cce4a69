"""Point 13 of the command line's rules: whatever a picture file holds, it is read as people see it, or refused."""

from __future__ import annotations

import io
import os
import struct
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms, features

from ganinvert.errors import ImageError
from ganinvert.images import from_pil, read, to_pil
from ganinvert.images.picture import FORMATS as FORMATS_READ
from ganinvert.settings.common import PICTURE_SUFFIXES as PICTURES

from .pictures import (
    DISPLAY_P3,
    deep_png,
    gradient,
    gray_profile,
    png_chunk,
    rgb_profile,
    srgb_decode,
    srgb_encode,
)

UNDO_TURN = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def encoded(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def levels(image: Image.Image) -> NDArray[np.int64]:
    return np.asarray(image).astype(np.int64)


GRAY = gradient().convert("L")
COLOURS = gradient()
INDEXED = COLOURS.quantize(256)
MODES: dict[str, tuple[Callable[[], Image.Image], Image.Image, float]] = {
    # mode: how to make it, what it should look like, largest mean difference in levels
    "1": (lambda: GRAY.convert("1"), GRAY.convert("1").convert("L"), 0),
    "L": (lambda: GRAY, GRAY, 0),
    "LA": (lambda: GRAY.convert("LA"), GRAY, 0),
    "La": (lambda: GRAY.convert("LA").convert("La"), GRAY, 0),
    "P": (lambda: INDEXED, INDEXED.convert("RGB"), 0),
    "PA": (lambda: INDEXED.convert("PA"), INDEXED.convert("RGB"), 0),
    "RGB": (lambda: COLOURS, COLOURS, 0),
    "RGBX": (lambda: COLOURS.convert("RGBX"), COLOURS, 0),
    "RGBA": (lambda: COLOURS.convert("RGBA"), COLOURS, 0),
    "RGBa": (lambda: COLOURS.convert("RGBA").convert("RGBa"), COLOURS, 0),
    "CMYK": (lambda: COLOURS.convert("CMYK"), COLOURS, 0),
    "YCbCr": (lambda: COLOURS.convert("YCbCr"), COLOURS, 1.5),
    "HSV": (lambda: COLOURS.convert("HSV"), COLOURS, 2),
    "LAB": (lambda: _lab(COLOURS), COLOURS, 2),
    "I;16": (lambda: Image.fromarray(np.asarray(GRAY).astype(np.uint16) * 257), GRAY, 0),
    "I;16B": (lambda: _big_endian(GRAY), GRAY, 0),
    "I": (lambda: GRAY.convert("I"), GRAY, 0),
    "F": (lambda: GRAY.convert("F"), GRAY, 0),
    "F in [0, 1]": (lambda: Image.fromarray(np.asarray(GRAY).astype(np.float32) / 255), GRAY, 0),
}


def _lab(image: Image.Image) -> Image.Image:
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    return ImageCms.profileToProfile(image, *profiles, outputMode="LAB")


def _big_endian(gray: Image.Image) -> Image.Image:
    return Image.frombytes("I;16B", gray.size, (np.asarray(gray).astype(">u2") * 257).tobytes())


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_becomes_rgb_of_the_same_colours(mode: str) -> None:
    make, expected, tolerance = MODES[mode]
    image = make()
    assert image.mode == mode.partition(" ")[0]
    picture = from_pil(image)
    assert (picture.rgb.mode, picture.rgb.size, picture.alpha) == ("RGB", expected.size, None)
    assert np.abs(levels(picture.rgb) - levels(expected.convert("RGB"))).mean() <= tolerance


FORMATS: dict[str, tuple[Image.Image, dict[str, object], float]] = {
    "PNG": (COLOURS, {}, 0),
    "PNG interlaced and tiny": (COLOURS.resize((8, 9)), {"interlace": True}, 0),
    "JPEG": (COLOURS, {"quality": 98, "subsampling": "4:4:4"}, 1.5),
    "JPEG progressive": (COLOURS, {"quality": 98, "subsampling": "4:4:4", "progressive": True}, 1.5),
    "JPEG of CMYK": (COLOURS.convert("CMYK"), {"quality": 98, "subsampling": "4:4:4"}, 1.5),
    "JPEG of gray": (GRAY, {"quality": 98}, 1.5),
    "WebP": (COLOURS, {"lossless": True, "exact": True}, 0),
    "TIFF": (COLOURS, {}, 0),
    "TIFF with LZW": (COLOURS, {"compression": "tiff_lzw"}, 0),
    "TIFF of CMYK": (COLOURS.convert("CMYK"), {}, 0),
    "TIFF of fax": (GRAY.convert("1"), {"compression": "group4"}, 0),
    "BMP": (COLOURS, {}, 0),
    "GIF": (INDEXED, {}, 0),
    "PPM": (COLOURS, {}, 0),
    "AVIF": (COLOURS, {"quality": 100, "subsampling": "4:4:4"}, 2),
}


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_is_read_whatever_the_name_says(form: str, tmp_path: Path) -> None:
    image, options, tolerance = FORMATS[form]
    if form == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow was built without AVIF")
    content = encoded(image, form.partition(" ")[0], **options)
    lying = tmp_path / "picture.txt"
    lying.write_bytes(content)
    for picture in (read(lying), read(str(lying)), read(content), read(io.BytesIO(content))):
        assert picture.rgb.size == image.size
        assert picture.notes == ()
        assert np.abs(levels(picture.rgb) - levels(image.convert("RGB"))).mean() <= tolerance


def test_a_pipe_is_read_as_a_file_is(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=[encoded(COLOURS)])
    writer.start()
    assert read(tmp_path / "pipe").rgb.tobytes() == COLOURS.tobytes()
    writer.join()


ALL_LEVELS = np.arange(65536, dtype=np.uint16).reshape(256, 256)
ROUNDED = np.rint(ALL_LEVELS / 257).astype(np.int64)


def deep_tiff(samples: int, **options: object) -> bytes:
    import tifffile  # Pillow writes no colours of 16 bits

    buffer = io.BytesIO()
    values = ALL_LEVELS if samples == 1 else np.repeat(ALL_LEVELS[..., None], samples, axis=2)
    if options.get("planarconfig") == "separate":
        values = np.moveaxis(values, 2, 0)
    extra = {"extrasamples": ["unassalpha"]} if samples == 4 and options.get("photometric") == "rgb" else {}
    tifffile.imwrite(buffer, values, **options, **extra)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(deep_png(np.repeat(ALL_LEVELS[..., None], samples, axis=2)), id=f"PNG of {samples}")
        for samples in (1, 2, 3, 4)
    ]
    + [
        pytest.param(deep_tiff(samples, photometric=kind, byteorder=order), id=f"TIFF of {samples}, {order}")
        for samples, kind in ((1, "minisblack"), (3, "rgb"), (4, "rgb"))
        for order in "<>"
    ]
    + [pytest.param(deep_tiff(3, photometric="rgb", compression="zlib"), id="TIFF of 3, compressed")]
    + [
        pytest.param(
            deep_tiff(samples, photometric="rgb", byteorder=order, planarconfig="separate", tile=tile),
            id=f"TIFF of {samples} planes, {order}, {tile or 'strips'}",
        )
        for samples, order, tile in ((3, "<", None), (3, ">", (64, 64)), (4, "<", (64, 64)), (4, ">", None))
    ],
)
def test_sixteen_bits_become_eight_within_one_level(content: bytes) -> None:
    picture = read(content)
    assert np.abs(levels(picture.rgb) - ROUNDED[..., None]).max() <= 1
    if picture.alpha is not None:
        assert np.abs(levels(picture.alpha) - ROUNDED).max() <= 1


@pytest.mark.parametrize("content", [deep_png(ALL_LEVELS[..., None]), deep_tiff(1, photometric="minisblack")])
def test_deep_gray_is_rounded_to_the_nearest_level(content: bytes) -> None:
    assert np.array_equal(levels(read(content).rgb)[..., 0], ROUNDED)


def test_scans_in_which_white_is_zero_are_not_negatives() -> None:
    assert np.array_equal(levels(read(deep_tiff(1, photometric="miniswhite")).rgb)[..., 0], 255 - ROUNDED)


@pytest.mark.parametrize(
    ("numbers", "options", "words"),
    [
        ("u2", {"photometric": "separated", "planarconfig": "separate"}, "separate planes of 16 bits"),
        ("i1", {"photometric": "minisblack"}, "signed numbers"),
        ("i2", {"photometric": "minisblack"}, "signed numbers"),
        ("f4", {"photometric": "minisblack", "byteorder": ">", "compression": "zlib"}, "big-endian"),
        ("f4", {"photometric": "miniswhite"}, "in which white is 0"),
    ],
)
def test_numbers_that_pillow_mistakes_are_refused(numbers: str, options: dict[str, object], words: str) -> None:
    import tifffile

    buffer = io.BytesIO()
    shape = (4, 16, 16) if options["photometric"] == "separated" else (16, 16)
    tifffile.imwrite(buffer, np.ones(shape, numbers), **options)
    with pytest.raises(ImageError, match=words) as caught:
        read(buffer.getvalue())
    assert "export" in caught.value.hint


def test_large_unsigned_numbers_are_not_negative() -> None:
    import tifffile

    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.linspace(0, 2**32 - 1, 256).astype("u4").reshape(16, 16), photometric="minisblack")
    assert np.array_equal(levels(read(buffer.getvalue()).rgb)[..., 0].ravel(), range(256))


@pytest.mark.parametrize(("samples", "step"), [(1, 1), (3, 256)])
def test_a_transparent_colour_of_sixteen_bits_is_matched_at_the_depth_that_is_read(samples: int, step: int) -> None:
    transparent = png_chunk(b"tRNS", struct.pack(">H", 1000) * samples)
    picture = read(deep_png(np.repeat(ALL_LEVELS[..., None], samples, axis=2), transparent))
    assert picture.alpha is not None
    assert np.array_equal(levels(picture.alpha) == 0, ALL_LEVELS // step == 1000 // step)


def test_numbers_that_are_none_become_black() -> None:
    values = np.full((8, 8), 0.5, np.float32)
    values[0, :3] = np.nan, np.inf, -np.inf
    assert levels(from_pil(Image.fromarray(values)).rgb)[0, :4, 0].tolist() == [0, 0, 0, 128]


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WebP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int, form: str) -> None:
    if form == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow was built without AVIF")
    upright = gradient(48, 32)
    upright.putalpha(upright.getchannel("R"))
    if form == "JPEG":
        upright = upright.convert("RGB")
    turn = UNDO_TURN[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {} if form in ("PNG", "TIFF") else {"quality": 100, "subsampling": "4:4:4"}
    stored = upright if turn is None else upright.transpose(turn)
    picture = read(encoded(stored, form, exif=exif, **options))
    assert picture.rgb.size == upright.size
    assert np.abs(levels(picture.rgb) - levels(upright.convert("RGB"))).mean() < 4
    if form != "JPEG":
        assert picture.alpha is not None
        assert np.abs(levels(picture.alpha) - levels(upright)[..., 3]).mean() < 4


def test_damaged_exif_data_do_not_matter() -> None:
    width_as_text = struct.pack("<HHI4s", 0x0100, 2, 4, b"abc")
    turned = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
    tags = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 2) + turned + width_as_text + bytes(4)
    assert read(encoded(COLOURS, "JPEG", exif=tags)).rgb.size == (30, 40)
    assert read(encoded(COLOURS, "JPEG", exif=b"Exif\0\0nonsense")).rgb.size == (40, 30)


def in_srgb(colour: tuple[int, int, int]) -> NDArray[np.float64]:
    """What a Display P3 colour is in sRGB, by both colour spaces' definition."""
    srgb = np.array(((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))).T
    light = np.linalg.solve(srgb, np.array(DISPLAY_P3).T @ srgb_decode(np.array(colour, float)))
    return srgb_encode(light.clip(0, 1))


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WebP", "TIFF", "AVIF"])
def test_wide_gamut_colours_are_converted_to_srgb(form: str) -> None:
    if form == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow was built without AVIF")
    for colour in ((180, 120, 100), (90, 140, 120), (255, 0, 0)):
        options = {} if form in ("PNG", "TIFF") else {"quality": 100, "subsampling": "4:4:4"}
        content = encoded(Image.new("RGB", (16, 16), colour), form, icc_profile=rgb_profile(), **options)
        picture = read(content)
        assert np.abs(levels(picture.rgb)[8, 8] - in_srgb(colour)).max() <= 3, colour
        assert picture.notes == ()
    assert np.abs(in_srgb((180, 120, 100)) - (180, 120, 100)).max() > 6  # the profile does make a difference


def test_gray_with_a_profile_is_converted() -> None:
    linear = read(encoded(Image.new("L", (16, 16), 128), icc_profile=gray_profile(1.0)))
    assert np.abs(levels(linear.rgb)[0, 0] - srgb_encode(np.array(128 / 255))).max() <= 2
    with_alpha = Image.new("LA", (16, 16), (128, 30))
    assert read(encoded(with_alpha, icc_profile=gray_profile(1.0))).rgb.tobytes() == linear.rgb.tobytes()
    # Deep gray goes through 8 bits, a profile of colours through RGB.
    deep = Image.fromarray(np.full((16, 16), 128 * 257, np.uint16))
    assert read(encoded(deep, icc_profile=gray_profile(1.0))).rgb.tobytes() == linear.rgb.tobytes()
    assert read(encoded(Image.new("L", (16, 16), 128), icc_profile=rgb_profile())).rgb.getpixel((0, 0)) == (128,) * 3


# Profiles hold the time at which they were made: as names of tests they would differ between processes.
@pytest.mark.parametrize(
    "profile", [b"not a profile", gray_profile(2.2), rgb_profile()[:300]], ids=("no", "gray", "cut")
)
def test_a_profile_that_does_not_fit_is_ignored_and_reported(profile: bytes) -> None:
    picture = read(encoded(Image.new("RGB", (16, 16), (200, 50, 60)), icc_profile=profile))
    assert picture.rgb.getpixel((0, 0)) == (200, 50, 60)
    assert "colour profile" in picture.notes[0]


def test_alpha_is_kept_apart_and_an_opaque_one_dropped() -> None:
    image = gradient().convert("RGBA")
    assert read(encoded(image)).alpha is None
    image.putalpha(GRAY)
    picture = read(encoded(image))
    assert picture.rgb.tobytes() == COLOURS.tobytes()
    assert picture.alpha is not None
    assert picture.alpha.tobytes() == GRAY.tobytes()
    assert to_pil(np.zeros((3, 8, 8), np.float32), picture.alpha).mode == "RGBA"
    indexed = COLOURS.quantize(4)
    hidden = read(encoded(indexed, "GIF", transparency=2)).alpha
    assert hidden is not None
    assert np.array_equal(levels(hidden) == 0, levels(indexed) == 2)


@pytest.mark.parametrize(
    ("form", "words"), [("GIF", "animation"), ("PNG", "animation"), ("WebP", "animation"), ("TIFF", "several pages")]
)
def test_the_first_of_several_pictures_is_taken_and_said_so(form: str, words: str) -> None:
    first, second = Image.new("RGB", (16, 16), (250, 0, 0)), Image.new("RGB", (16, 16), (0, 0, 250))
    picture = read(encoded(first, form, save_all=True, append_images=[second]))
    assert np.abs(levels(picture.rgb)[3, 3] - (250, 0, 0)).max() < 9
    assert words in picture.notes[0]
    assert "first" in picture.notes[0]


def test_a_phones_second_picture_is_no_animation() -> None:
    picture = read(encoded(COLOURS, "MPO", save_all=True, append_images=[GRAY.convert("RGB")], quality=98))
    assert picture.notes == ()


def noise(side: int = 64) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (side, side, 3), np.uint8))


def huge_png() -> bytes:
    """A small file that says that it holds ten thousand million pixels."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0))
    return encoded(COLOURS)[:8] + header + encoded(COLOURS)[33:]


def half(content: bytes) -> bytes:
    return content[: len(content) // 2]


UNREADABLE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is not an image"),
    "text": (b"hello", "is not an image"),
    "PostScript, which would start a program": (
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 40 40\n%%EndComments\nshowpage\n",
        "is not an image",
    ),
    "half a PNG": (half(encoded(noise())), "cannot be decoded"),
    "half a JPEG": (half(encoded(noise(), "JPEG")), "cannot be decoded"),
    "half a WebP": (half(encoded(noise(), "WebP")), "cannot be|not an image"),
    "half a TIFF": (half(encoded(noise(), "TIFF")), "cannot be decoded|not an image"),
    "half a GIF": (half(encoded(noise().quantize(256), "GIF")), "cannot be decoded"),
    "half a BMP": (half(encoded(noise(), "BMP")), "cannot be decoded"),
    "the head of a PNG": (encoded(noise())[:20], "is not an image|cannot be decoded"),
    "a decompression bomb": (huge_png(), "more than 89,478,485 pixels"),
    "a dot": (encoded(Image.new("RGB", (1, 1))), "1×1 pixels"),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_unusable_content_is_an_error_that_names_file_and_remedy(what: str, tmp_path: Path) -> None:
    content, words = UNREADABLE[what]
    path = tmp_path / "picture.png"
    path.write_bytes(content)
    for source, called, name in ((path, "", str(path)), (content, "standard input", "standard input")):
        with pytest.raises(ImageError, match=words) as caught:
            read(source, name=called)
        assert caught.value.message.startswith(f"{name}: ")
        assert caught.value.hint


def test_unusable_paths_say_why(tmp_path: Path) -> None:
    cases = {
        tmp_path / "missing.jpg": "no such file",
        tmp_path: "is a folder",
        tmp_path / ("long" * 100): "cannot be opened: .*File name too long",
        tmp_path / "null\0character": "cannot be opened",
    }
    for path, words in cases.items():
        with pytest.raises(ImageError, match=words) as caught:
            read(path)
        assert str(path) in caught.value.message
        assert caught.value.hint


def test_folders_are_searched_for_what_can_be_read() -> None:
    Image.init()
    readable = {suffix for suffix, form in Image.registered_extensions().items() if form in FORMATS_READ}
    assert readable >= PICTURES
    assert readable - PICTURES <= {".apng", ".pfm", ".avifs"}


def test_pillow_images_that_turn_out_to_be_damaged_or_tiny(tmp_path: Path) -> None:
    (tmp_path / "half.png").write_bytes(half(encoded(noise())))
    with Image.open(tmp_path / "half.png") as image, pytest.raises(ImageError, match="cannot be decoded"):
        from_pil(image)
    with pytest.raises(ImageError, match="only 1×1"):
        from_pil(Image.new("RGB", (1, 1)))
