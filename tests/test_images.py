from __future__ import annotations

import errno
import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from ganinvert.errors import ImageError, OutputError
from ganinvert.files import write_atomically, write_together
from ganinvert.images import Picture, comparison, encode_png, fit, from_pil, read, to_pil


def gradient(width: int = 40, height: int = 30) -> Image.Image:
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([x, y, 255 - x], axis=-1).astype(np.uint8))


def saved(image: Image.Image, path: Path, **options: object) -> Path:
    image.save(path, **options)
    return path


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "I", "F"])
def test_every_mode_becomes_rgb_of_the_same_brightness(mode: str) -> None:
    gray = gradient().convert("L")
    if mode == "I;16":
        image = Image.fromarray(np.asarray(gray).astype(np.uint16) * 257)
    elif mode in ("I", "F"):
        image = gray.convert(mode)
    elif mode == "PA":
        image = gray.convert("P").convert("PA")
    else:
        image = gray.convert(mode)
    picture = from_pil(image)
    assert picture.rgb.mode == "RGB"
    assert picture.rgb.size == gray.size
    error = np.abs(
        np.asarray(picture.rgb.convert("L")).astype(int) - np.asarray(gray.convert("1") if mode == "1" else gray)
    )
    assert error.mean() < (130 if mode == "1" else 3)


def test_sixteen_bits_are_scaled_and_not_clipped(tmp_path: Path) -> None:
    values = np.array([[0, 16384], [32768, 65535]], dtype=np.uint16).repeat(8, 0).repeat(8, 1)
    picture = read(saved(Image.fromarray(values), tmp_path / "deep.png"))
    assert [picture.rgb.getpixel((x, y))[0] for y in (0, 8) for x in (0, 8)] == [0, 64, 128, 255]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int, tmp_path: Path) -> None:
    upright = gradient()
    undo = {
        1: [],
        2: [Image.Transpose.FLIP_LEFT_RIGHT],
        3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_90],
        7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }[orientation]
    stored = upright
    for operation in undo:
        stored = stored.transpose(operation)
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = read(saved(stored, tmp_path / "turned.png", exif=exif))
    assert np.array_equal(np.asarray(picture.rgb), np.asarray(upright))


def test_colour_profile_is_converted_and_a_broken_one_reported(tmp_path: Path) -> None:
    reddish = Image.new("RGB", (16, 16), (200, 50, 60))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = srgb.replace(b"rXYZ", b"????").replace(b"bXYZ", b"rXYZ").replace(b"????", b"bXYZ")
    converted = read(saved(reddish, tmp_path / "swapped.png", icc_profile=swapped)).rgb.getpixel((0, 0))
    assert np.abs(np.subtract(converted, (60, 50, 200))).max() <= 2
    ignored = read(saved(reddish, tmp_path / "broken.png", icc_profile=b"not a profile"))
    assert ignored.rgb.getpixel((0, 0)) == (200, 50, 60)
    assert "colour profile" in ignored.notes[0]


def test_alpha_is_kept_apart_and_an_opaque_one_dropped() -> None:
    image = gradient().convert("RGBA")
    assert from_pil(image).alpha is None
    image.putalpha(gradient().convert("L"))
    picture = from_pil(image)
    assert picture.alpha is not None
    assert picture.alpha.mode == "L"
    assert to_pil(np.zeros((3, 8, 8), np.float32), picture.alpha).mode == "RGBA"


def test_an_animation_gives_its_first_frame_and_says_so(tmp_path: Path) -> None:
    first, second = Image.new("RGB", (16, 16), "red"), Image.new("RGB", (16, 16), "blue")
    picture = read(saved(first, tmp_path / "moving.gif", save_all=True, append_images=[second]))
    assert picture.rgb.getpixel((3, 3)) == (255, 0, 0)
    assert "first frame" in picture.notes[0]


def test_unusable_files_name_themselves_and_the_remedy(tmp_path: Path) -> None:
    text = tmp_path / "text.png"
    text.write_text("hello")
    empty = tmp_path / "empty.png"
    empty.touch()
    whole = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(whole, "JPEG")
    truncated = tmp_path / "truncated.jpg"
    truncated.write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    cases = {
        tmp_path / "missing.jpg": "no such file",
        tmp_path: "is a folder",
        text: "not an image",
        empty: "not an image",
        truncated: "cannot be decoded",
        saved(Image.new("RGB", (1, 1)), tmp_path / "dot.png"): "1×1 pixels",
    }
    for path, words in cases.items():
        with pytest.raises(ImageError, match=words) as caught:
            read(path)
        assert str(path) in caught.value.message
        assert caught.value.hint


def test_a_decompression_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(gradient(), tmp_path / "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ImageError, match="too many pixels"):
        read(path)


@pytest.mark.parametrize(("mode", "word"), [("crop", "centre-cropped"), ("pad", "padded"), ("squash", "squashed")])
def test_fit_makes_a_square_and_says_how(mode: str, word: str) -> None:
    fitted = fit(from_pil(gradient(60, 40)), 16, mode=mode)
    assert fitted.pixels.shape == (3, 16, 16)
    assert fitted.pixels.dtype == np.float32
    assert -1 <= fitted.pixels.min() < fitted.pixels.max() <= 1
    assert fitted.note.startswith("60×40, ")
    assert word in fitted.note


def test_fit_geometry() -> None:
    stripes = Image.fromarray(np.repeat(np.uint8([0] * 16 + [255] * 16 + [0] * 16)[None, :, None], 16, 0).repeat(3, 2))
    assert fit(Picture(stripes), 16, mode="crop").pixels.min() == 1
    padded = fit(Picture(stripes.transpose(Image.Transpose.ROTATE_90)), 48, mode="pad").pixels
    assert padded[0, 24].min() == 1
    assert fit(Picture(gradient(16, 16)), 16).note == ""


def test_pixels_survive_the_way_there_and_back() -> None:
    image = gradient(16, 16)
    assert np.array_equal(np.asarray(to_pil(fit(Picture(image), 16).pixels / 2 + 0.5)), np.asarray(image))


def test_png_carries_metadata_and_comparison_shows_the_difference(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encode_png(gradient(), {"seed": 3}))
    with Image.open(tmp_path / "a.png") as image:
        assert json.loads(image.text["ganinvert"]) == {"seed": 3}
    strip = comparison(Image.new("RGB", (16, 16), (10, 10, 10)), Image.new("RGB", (16, 16), (20, 20, 20)), tile=32)
    assert strip.size == (96, 32)
    assert [strip.getpixel((x, 5))[0] for x in (5, 40, 70)] == [10, 20, 40]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "result.png"
    path.write_bytes(b"old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, full)
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutputError, match="No space left"):
        write_atomically(path, b"new")
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"result.png": b"old"}


def test_files_written_together_are_all_new_or_all_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, last = tmp_path / "a.png", tmp_path / "a.pt"
    write_together({first: b"old", last: b"old"})
    real, calls = os.fsync, []

    def second_fails(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", second_fails)
    with pytest.raises(OutputError, match=r"a\.pt: cannot be written: No space left"):
        write_together({first: b"new", last: b"new"})
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"a.png": b"old", "a.pt": b"old"}


def test_tiny_pillow_images_are_refused_too() -> None:
    with pytest.raises(ImageError, match="only 1×1"):
        from_pil(Image.new("RGB", (1, 1)))
