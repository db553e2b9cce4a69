from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from ganinvert.errors import ImageError
from ganinvert.images import Fit, Picture, Placement, fit, from_pil, paste_back, patches, place, to_pil
from ganinvert.images.pasting import SOFT_EDGE

from .pictures import gradient

FRAME = (90, 60)


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


def turned(centre: tuple[float, float], side: float, degrees: float) -> Placement:
    cosine, sine = (side * f(math.radians(degrees)) for f in (math.cos, math.sin))
    corner = centre[0] - (cosine - sine) / 2, centre[1] - (sine + cosine) / 2
    return Placement(FRAME, corner, (cosine, sine), (-sine, cosine))


PLACEMENTS: dict[str, Placement | str] = {
    "crop": "crop",
    "pad": "pad",
    "squash": "squash",
    "inside": turned((45, 30), 36, 20),
    "over the border": turned((80, 20), 50, -35),
    "around everything": turned((45, 30), 150, 10),
    "level, between pixels": turned((45.3, 30.4), 33.3, 0),
    "upside down": turned((40, 30), 30, 180),
}


def smooth_picture() -> Picture:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (FRAME[1], FRAME[0], 3), np.uint8))
    alpha = noise.getchannel("G")
    return Picture(noise.filter(ImageFilter.GaussianBlur(4)), alpha)


def fitted(picture: Picture, where: Placement | str, size: int) -> Fit:
    return fit(picture, size, mode=where) if isinstance(where, str) else place(picture, where, size, note="cut")


def levels(image: Image.Image) -> NDArray[np.int64]:
    return np.asarray(image).astype(np.int64)


def depth(placement: Placement) -> NDArray[np.float64]:
    """How deep in the square every pixel of the frame lies, as a share of its side; below 0 outside."""
    x, y = np.meshgrid(np.arange(FRAME[0]) + 0.5, np.arange(FRAME[1]) + 0.5)
    matrix = np.array([placement.across, placement.down]).T
    u, v = np.linalg.solve(matrix, np.stack([x - placement.corner[0], y - placement.corner[1]]).reshape(2, -1))
    return np.minimum(np.minimum(u, 1 - u), np.minimum(v, 1 - v)).reshape(x.shape)


@pytest.mark.parametrize("name", PLACEMENTS)
@pytest.mark.parametrize("size", [24, 64, 300])
def test_what_was_cut_out_put_back_gives_the_picture_again(name: str, size: int) -> None:
    picture = smooth_picture()
    cut = fitted(picture, PLACEMENTS[name], size)
    whole = paste_back(picture.raster, patches([(to_pil(cut.pixels / 2 + 0.5), cut.placement)], FRAME)).image
    assert (whole.mode, whole.size) == ("RGBA", FRAME)
    difference = np.abs(levels(whole)[..., :3] - levels(picture.rgb))
    assert difference.mean() < (2.5 if size == 24 else 0.6)
    assert difference.max() < (40 if size == 24 else 12)
    assert picture.alpha is not None
    assert np.array_equal(levels(whole)[..., 3], levels(picture.alpha))


@pytest.mark.parametrize(("mode", "size"), [("crop", 60), ("pad", 90)])
def test_without_resampling_it_is_the_same_to_the_bit(mode: str, size: int) -> None:
    picture = smooth_picture()
    cut = fitted(picture, mode, size)
    whole = paste_back(picture.raster, patches([(to_pil(cut.pixels / 2 + 0.5), cut.placement)], FRAME)).image
    assert np.array_equal(levels(whole)[..., :3], levels(picture.rgb))


@pytest.mark.parametrize("name", PLACEMENTS)
def test_outside_the_square_nothing_changes_and_inside_everything(name: str) -> None:
    picture = smooth_picture()
    placement = fitted(picture, PLACEMENTS[name], 64).placement
    white = paste_back(picture.raster, patches([(Image.new("RGB", (64, 64), "white"), placement)], FRAME)).image
    black = paste_back(picture.raster, patches([(Image.new("RGB", (64, 64), "black"), placement)], FRAME)).image
    share = (levels(white) - levels(black))[..., 0] / 255  # of the result in the mixture
    deep = depth(placement)
    margin = 1.5 / min(placement.sides)
    assert np.array_equal(levels(white)[deep < -margin][:, :3], levels(picture.rgb)[deep < -margin])
    assert (share[deep > SOFT_EDGE + margin] == 1).all()
    if name in ("pad", "squash", "around everything"):
        assert share.min() > 0.9
    elif name != "crop":
        assert ((share > 0.1) & (share < 0.9)).any()


def test_a_crop_is_soft_where_it_was_cut_and_whole_at_the_border() -> None:
    picture = smooth_picture()
    placement = fitted(picture, "crop", 64).placement
    share = levels(
        paste_back(
            Picture(Image.new("RGB", FRAME)).raster, patches([(Image.new("RGB", (64, 64), "white"), placement)], FRAME)
        ).image
    )
    row, column = share[30, :, 0], share[:, 45, 0]
    assert (column == 255).all()
    assert row[:15].max() == 0
    assert (np.diff(row[:45]) >= 0).all()
    assert 0 < row[16] < row[18] < 255


def test_beyond_the_frame_a_turned_square_shows_it_mirrored_and_soft() -> None:
    stripes = np.uint8([[[0, 200][x // 4 % 2]] * 3 for x in range(90)] * 60).reshape(60, 90, 3)
    shown = fitted(Picture(Image.fromarray(stripes)), turned((0, 30), 60, 1e-9), 60).pixels[0, 30]
    assert np.allclose(shown[31:], levels(Image.fromarray(stripes))[30, 1:30, 0] / 127.5 - 1, atol=0.01)
    assert np.allclose(shown[28:30], shown[30:32][::-1], atol=0.3)
    assert np.ptp(shown[:15]) < np.ptp(shown[45:]) / 2


def test_pictures_too_long_to_pad_and_of_another_size_are_refused() -> None:
    with pytest.raises(ImageError, match="cannot be padded"):
        fit(Picture(Image.new("RGB", (20_000, 8))), 16, mode="pad")
    cut = fitted(smooth_picture(), "crop", 16)
    with pytest.raises(ImageError, match="is now 16×16 pixels, not 90×60"):
        list(patches([(Image.new("RGB", (16, 16)), cut.placement)], (16, 16)))
