"""Masks as people make them, and transparency beside them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

import ganinvert
from ganinvert import images
from ganinvert.errors import ImageError, UsageError
from ganinvert.images import read_mask
from ganinvert.tasks.inpaint import holed

from .conftest import EXAMPLE
from .test_restoration import QUICK, _whole

SIZE = (64, 48)
HOLE = Image.new("L", SIZE, 0)
ImageDraw.Draw(HOLE).ellipse((10, 8, 40, 30), fill=255)
INVERTED = HOLE.point(lambda level: 255 - level)
WIDE = HOLE.filter(ImageFilter.MaxFilter(9))


def labels(*colours: int) -> Image.Image:
    image = HOLE.point(lambda level: level // 255).convert("P")
    image.putpalette([0, 0, 0, *colours])
    return image


def layer(paint: str) -> Image.Image:
    """Paint on an otherwise transparent layer."""
    image = Image.new("RGBA", SIZE, (0, 0, 0, 0))
    image.paste(paint, mask=HOLE)
    return image


def as_jpeg(image: Image.Image, quality: int = 75) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


def example() -> Image.Image:
    with Image.open(EXAMPLE) as image:
        return image.convert("RGB").resize(SIZE)


def painted(paint: str = "red") -> Image.Image:
    image = example()
    image.paste(paint, mask=HOLE)
    return image


KINDS = {
    "0 and 255": HOLE,
    "of one bit": HOLE.convert("1"),
    "0 and 1": HOLE.point(lambda level: level // 255),
    "of 16 bits, 0 and 255": Image.fromarray(np.asarray(HOLE).astype(np.uint16)),
    "of 16 bits, 0 and 65535": Image.fromarray(np.asarray(HOLE).astype(np.uint16) * 257),
    "of 16 bits, 0 and 1": Image.fromarray((np.asarray(HOLE) // 255).astype(np.uint16)),
    "of 32 bits, 0 and 1": Image.fromarray((np.asarray(HOLE) // 255).astype(np.int32)),
    "floating-point numbers": Image.fromarray(np.asarray(HOLE).astype(np.float32) / 255),
    "labels with dark colours": labels(128, 0, 0),
    "labels with bright colours": labels(255, 255, 0),
    "black paint on a transparent layer": layer("black"),
    "white paint on a transparent layer": layer("white"),
    "RGB": HOLE.convert("RGB"),
    "RGBA, opaque": HOLE.convert("RGBA"),
    "twice as large": HOLE.resize((128, 96), Image.Resampling.NEAREST),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_mask_marks_the_same_pixels(kind: str, tmp_path: Path) -> None:
    assert read_mask(KINDS[kind], SIZE).tobytes() == HOLE.tobytes()
    suffix = "tif" if KINDS[kind].mode in ("I", "F") else "png"
    KINDS[kind].save(tmp_path / f"mask.{suffix}")
    assert read_mask(tmp_path / f"mask.{suffix}", SIZE).tobytes() == HOLE.tobytes()


@pytest.mark.parametrize("mask", [INVERTED, INVERTED.point(lambda level: level // 255), INVERTED.convert("1")])
def test_white_can_mark_what_is_known(mask: Image.Image) -> None:
    assert read_mask(mask, SIZE, keep_white=True).tobytes() == HOLE.tobytes()


@pytest.mark.parametrize("keep_white", [False, True])
def test_only_what_a_soft_brush_left_alone_is_known(keep_white: bool) -> None:
    soft = (INVERTED if keep_white else HOLE).filter(ImageFilter.GaussianBlur(2))
    missing = np.asarray(read_mask(soft, SIZE, keep_white=keep_white)) == 255
    touched = np.asarray(soft if not keep_white else soft.point(lambda level: 255 - level))
    assert missing[touched >= 32].all()
    assert not missing[touched < 32].any()
    assert missing.sum() > (np.asarray(HOLE) > 0).sum()
    compressed = np.asarray(read_mask(as_jpeg(HOLE), SIZE)) == 255
    assert compressed[np.asarray(HOLE) == 255].all()
    assert not compressed[np.asarray(WIDE) == 0].any()


def test_thin_strokes_of_a_large_mask_are_not_lost() -> None:
    large = Image.new("L", (640, 480), 0)
    ImageDraw.Draw(large).line((0, 0, 639, 479), fill=255, width=3)
    missing = np.asarray(read_mask(large, SIZE)) == 255
    assert missing.any(axis=0).all()


@pytest.mark.parametrize("photo", [example(), as_jpeg(example()), painted()])
def test_colour_photos_are_no_masks(photo: Image.Image) -> None:
    with pytest.raises(ImageError, match="the mask is a picture in colour") as caught:
        read_mask(photo, SIZE)
    assert "--mask-color red" in caught.value.hint


@pytest.mark.parametrize("paint", ["red", "#FF0000", "#ff0000"])
def test_red_paint_marks_what_is_missing(paint: str) -> None:
    for photo in (painted(), as_jpeg(painted(), 95), painted().convert("RGBA")):
        missing = np.asarray(read_mask(photo, SIZE, paint=paint)) == 255
        assert missing[np.asarray(HOLE) == 255].all()
        assert not missing[np.asarray(WIDE) == 0].any()
    in_the_photo = holed(images.from_pil(painted()), paint=paint)
    assert in_the_photo.alpha is not None
    assert np.array_equal(np.asarray(in_the_photo.alpha) == 0, np.asarray(read_mask(painted(), SIZE, paint=paint)) > 0)
    with pytest.raises(ImageError, match="the paint marks no pixel") as caught:
        read_mask(painted("blue"), SIZE, paint=paint)
    assert caught.value.hint == f"the paint is to be {paint}"


@pytest.mark.parametrize(
    "wrong", [{"paint": "reddish"}, {"paint": "red", "keep_white": True, "mask": Path("mask.png")}]
)
def test_paint_that_cannot_be(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="--mask-color") as caught:
        ganinvert.InpaintTask(**wrong)  # type: ignore[arg-type]
    assert caught.value.hint


def with_transparent_part(hidden: str) -> Image.Image:
    image = example().resize((16, 16)).convert("RGBA")
    image.paste(hidden, (0, 0, 5, 16))
    alpha = Image.new("L", (16, 16), 255)
    alpha.paste(0, (0, 0, 5, 16))
    image.putalpha(alpha)
    return image


@pytest.mark.parametrize("square", [False, True])
def test_a_photos_own_transparency_is_no_hole_beside_a_mask(square: bool, small_file: Path) -> None:
    options = {"generator": small_file, "settings": _whole(QUICK), "device": "cpu", "align": "off", "square": square}
    results = [
        ganinvert.inpaint(with_transparent_part(paint), box=(4, 6, 6, 5), **options) for paint in ("red", "lime")
    ]  # type: ignore[arg-type]
    before = np.asarray(with_transparent_part("red"))
    known = np.ones((16, 16), bool)
    known[6:11, 4:10] = False
    for result in results:
        assert result.bundle.measurement is not None
        assert not result.bundle.measurement.known[:, :5].any()
        after = np.asarray(result.image if square else result.whole)
        assert np.array_equal(after[..., 3], before[..., 3])
        assert np.array_equal(after[known & (before[..., 3] == 255)], before[known & (before[..., 3] == 255)])
        assert not np.array_equal(after[6:11, 5:10], before[6:11, 5:10])
    first, second = (np.asarray(result.image)[:, 5:] for result in results)
    assert np.array_equal(first, second)
    if not square:
        assert np.array_equal(np.asarray(results[0].whole)[:, :5], before[:, :5])


@pytest.mark.parametrize("box", [None, (6, 6, 4, 5)])
def test_a_photo_that_is_restored_keeps_its_transparency(
    box: tuple[int, int, int, int] | None, small_file: Path
) -> None:
    options = {"generator": small_file, "settings": _whole(QUICK), "device": "cpu", "align": "off"}
    task = ganinvert.RestoreTask(box=box, noise=5)
    whole = ganinvert.restore(with_transparent_part("red"), task, **options).whole  # type: ignore[arg-type]
    assert whole is not None
    assert np.array_equal(np.asarray(whole)[..., 3], np.asarray(with_transparent_part("red"))[..., 3])


@pytest.mark.parametrize("function", [ganinvert.invert, ganinvert.colorize])
def test_colours_that_transparency_hides_change_nothing(function: object, small_file: Path) -> None:
    options = {"generator": small_file, "settings": _whole(QUICK), "device": "cpu", "align": "off", "square": True}
    first, second = (function(with_transparent_part(hidden), **options) for hidden in ("red", "lime"))  # type: ignore[operator]
    assert first.image.mode == "RGBA"
    assert first.image.tobytes() == second.image.tobytes()


def test_photos_that_are_transparent_everywhere_are_refused(small_file: Path) -> None:
    with pytest.raises(ImageError, match="transparent everywhere") as caught:
        ganinvert.invert(
            Image.new("RGBA", (16, 16), (9, 9, 9, 0)), generator=small_file, settings=_whole(QUICK), device="cpu"
        )
    assert caught.value.hint


@pytest.mark.shared
def test_masks_that_made_trouble(assets: Path) -> None:
    odd = assets / "odd-files"
    hard = np.asarray(read_mask(odd / "hard.png", (256, 256)))
    for name in ("m01", "mvoc", "m16_255", "malpha"):
        assert np.array_equal(np.asarray(read_mask(odd / f"{name}.png", (256, 256))), hard), name
    assert (np.asarray(read_mask(odd / "soft.png", (256, 256))) >= hard).all()
