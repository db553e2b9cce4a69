from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

import ganinvert
from ganinvert import images
from ganinvert.degradations import Downsample, Grayscale
from ganinvert.errors import ImageError, UsageError
from ganinvert.metrics import lpips, to_unit
from ganinvert.settings import Optimization, TaskOptions, preset_of
from ganinvert.subspaces import SubspacePartition
from ganinvert.tasks import holed

from .conftest import EXAMPLE

QUICK = replace(preset_of("pmsfc", "invert"), optimization=Optimization(steps=12))
MASKS = SubspacePartition(torch.tensor([0, 1] * 4), "given")


@pytest.fixture
def photo() -> Image.Image:
    return Image.open(EXAMPLE).convert("RGB").resize((16, 16))


def _inverter(task: TaskOptions, path: Path, **options: Any) -> ganinvert.Inverter:
    return ganinvert.Inverter.load(path, QUICK, task=task, partition=MASKS, device="cpu", **options)


def _unit(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.asarray(image.convert("RGB")).transpose(2, 0, 1)[None] / 255.0)


def _repeats(result: ganinvert.Inversion, path: Path, tmp_path: Path) -> None:
    """The bundle, read back, renders the image again."""
    result.bundle.save(tmp_path / "result.pt")
    image = ganinvert.LatentBundle.load(tmp_path / "result.pt").render(ganinvert.load_generator(path))
    levels = np.rint(to_unit(image)[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)
    assert np.array_equal(levels, np.asarray(result.image))


@pytest.mark.parametrize("luma", ["rec601", "rec709", "lab"])
def test_colorizing_keeps_the_luminance(luma: str, photo: Image.Image, small_file: Path, tmp_path: Path) -> None:
    inverter = _inverter(ganinvert.ColorizeTask(luma), small_file)  # type: ignore[arg-type]
    target = inverter.prepare(photo)
    result = inverter.run([target])[0]
    assert tuple(map(str, target.notes)) == ("in colour: reduced to gray",)
    levels = Grayscale(luma)(_unit(result.image) * 2 - 1)[0] * 127.5 + 127.5  # type: ignore[arg-type]
    assert (levels - target.measurement.levels).abs().max() <= 1
    assert result.metrics["deviation"] <= 1
    assert result.bundle.task == "colorize"
    assert np.ptp(np.asarray(result.image).astype(int), axis=2).max() > 8
    assert np.ptp(np.asarray(result.target).astype(int), axis=2).max() == 0
    _repeats(result, small_file, tmp_path)


@pytest.mark.parametrize("mode", ["L", "LA", "1", "I;16", "RGB"])
def test_gray_files_of_every_mode_are_colorized(mode: str, photo: Image.Image, small_file: Path) -> None:
    gray = photo.convert("L")
    if mode == "I;16":
        gray = Image.fromarray(np.asarray(gray).astype(np.uint16) * 257)
    elif mode != "L":
        gray = gray.convert(mode)
    target = _inverter(ganinvert.ColorizeTask(), small_file).prepare(gray)
    assert tuple(map(str, target.notes)) == ()
    expected = np.asarray(photo.convert("L").convert("1").convert("L") if mode == "1" else photo.convert("L"))
    assert np.abs(target.measurement.levels[0].numpy().astype(int) - expected).max() <= 1


def test_upscaling_agrees_with_the_small_picture(photo: Image.Image, small_file: Path, tmp_path: Path) -> None:
    little = photo.resize((4, 4), Image.Resampling.BICUBIC)
    inverter = _inverter(ganinvert.UpscaleTask(), small_file)
    result = inverter.run([inverter.prepare(little)])[0]
    assert result.image.size == result.target.size == (16, 16)
    again = Downsample(16, 4)(_unit(result.image).float())[0] * 255
    assert (again - torch.from_numpy(np.asarray(little).transpose(2, 0, 1).copy())).abs().max() <= 1
    assert result.metrics["deviation"] <= 1
    _repeats(result, small_file, tmp_path)


def test_upscaling_takes_any_size_below_the_generators(photo: Image.Image, small_file: Path) -> None:
    anything = _inverter(ganinvert.UpscaleTask(), small_file)
    targets = [anything.prepare(photo.resize((side, side))) for side in (4, 7, 4)]
    sizes = [target.measurement.levels.shape[-1] for target in targets]
    assert sizes == [4, 7, 4]
    results = anything.run(targets)
    assert [result.bundle.measurement.levels.shape[-1] for result in results] == sizes
    shrunk = _inverter(ganinvert.UpscaleTask(4), small_file, square=True).prepare(photo)
    assert shrunk.measurement.levels.shape == (3, 4, 4)
    assert tuple(map(str, shrunk.notes)) == ("16×16, resized to 4×4",)
    with pytest.raises(ImageError, match="16 pixels already"):
        anything.prepare(photo)
    for factor in (3, 16):
        with pytest.raises(UsageError, match="times smaller") as caught:
            _inverter(ganinvert.UpscaleTask(factor), small_file, square=True).prepare(photo)
        assert "2, 4, 8" in caught.value.hint
    with pytest.raises(UsageError, match="factor cannot be 1"):
        ganinvert.UpscaleTask(1)


def test_inpainting_leaves_known_pixels_untouched(photo: Image.Image, small_file: Path, tmp_path: Path) -> None:
    mask = Image.new("L", (16, 16), 0)
    mask.paste(255, (5, 4, 11, 9))
    result = ganinvert.inpaint(photo, mask, generator=small_file, settings=_whole(QUICK), device="cpu")
    before, after = (np.asarray(image.convert("RGB")) for image in (photo, result.image))
    known = np.asarray(mask) == 0
    assert np.array_equal(before[known], after[known])
    assert not np.array_equal(before[~known], after[~known])
    assert result.metrics["deviation"] == pytest.approx(0, abs=1e-3)
    assert result.image.mode == "RGB"
    _repeats(result, small_file, tmp_path)


def _whole(settings: ganinvert.InversionSettings) -> ganinvert.InversionSettings:
    return replace(settings, method=replace(settings.method, subspaces=1))


def test_the_hole_comes_from_mask_box_or_transparency(photo: Image.Image, small_file: Path) -> None:
    inverter = _inverter(ganinvert.InpaintTask(), small_file)
    picture = images.from_pil(photo)
    mask = Image.new("L", (16, 16), 0)
    mask.paste(255, (2, 3, 7, 9))
    transparent = photo.copy()
    transparent.putalpha(mask.point(lambda level: 255 - level))
    holes = [
        inverter.prepare(holed(picture, mask=mask)),
        inverter.prepare(holed(picture, mask=mask.point(lambda level: 255 - level), keep_white=True)),
        inverter.prepare(holed(picture, mask=mask.resize((32, 32), Image.Resampling.NEAREST))),
        inverter.prepare(holed(picture, box=(2, 3, 5, 6))),
        inverter.prepare(holed(images.from_pil(transparent))),
    ]
    for hole in holes:
        assert torch.equal(hole.measurement.known, torch.from_numpy(np.asarray(mask) == 0))
        assert hole.sha256 == holes[0].sha256


def test_what_is_missing_never_reaches_known_pixels(photo: Image.Image, small_file: Path) -> None:
    """Whatever colour the hole has in the file: resizing must not carry it over."""
    large = photo.resize((100, 100))
    mask = Image.new("L", large.size, 0)
    ImageDraw.Draw(mask).ellipse((30, 30, 63, 60), fill=255)
    found = []
    for paint in ("white", "black"):
        painted = large.copy()
        painted.paste(paint, mask=mask)
        inverter = _inverter(ganinvert.InpaintTask(), small_file)
        found.append(inverter.prepare(holed(images.from_pil(painted), mask=mask)))
    assert found[0].sha256 == found[1].sha256


@pytest.mark.parametrize(
    ("fill", "size", "words"),
    [(0, (16, 16), "no pixel as missing"), (255, (16, 16), "every pixel as missing"), (255, (16, 12), "16×12 pixels")],
)
def test_unusable_masks_are_refused(fill: int, size: tuple[int, int], words: str, photo: Image.Image) -> None:
    with pytest.raises(ImageError, match=words) as caught:
        ganinvert.inpaint(photo, Image.new("L", size, fill))
    assert caught.value.hint


def test_boxes_outside_and_holes_cropped_away(photo: Image.Image) -> None:
    with pytest.raises(ImageError, match="marks no pixel as missing"):
        ganinvert.inpaint(photo, box=(20, 0, 5, 5))
    with pytest.raises(ImageError, match="no mask says what is missing"):
        ganinvert.inpaint(photo)
    with pytest.raises(ImageError, match="nothing is missing inside the square"):
        ganinvert.inpaint(photo.resize((64, 16)), box=(0, 0, 5, 5))
    with pytest.raises(ImageError, match="nothing is known inside the square"):
        ganinvert.inpaint(photo.resize((64, 16)), box=(10, 0, 44, 16))


@pytest.mark.shared
def test_real_photos_gain_from_the_prior(photos: list[Path]) -> None:
    """On two photos, by LPIPS to the truth: colours against gray, fillings against their surroundings' mean colour."""
    truth = [Image.open(photo).convert("RGB").resize((64, 64), Image.Resampling.LANCZOS) for photo in photos[:2]]
    before, after = [], []
    for image in truth:
        colorized = ganinvert.colorize(image.convert("L"), device="cpu")
        filled = ganinvert.inpaint(image, box=(16, 16, 32, 32), device="cpu")
        for result in (colorized, filled):
            before.append(float(lpips(_unit(result.target).float(), _unit(image).float())))
            after.append(float(lpips(_unit(result.image).float(), _unit(image).float())))
    assert sum(after) < 0.8 * sum(before)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_put_back_colours_keep_the_photos_own_luminance(mode: str, small_file: Path) -> None:
    """A photo in colour is gray outside the square, too, where nothing was colorized."""
    photo = Image.open(EXAMPLE).convert(mode).resize((60, 40))
    inverter = _inverter(ganinvert.ColorizeTask(around="gray"), small_file)
    whole = inverter.run([inverter.prepare(photo)])[0].whole
    assert whole is not None
    assert whole.size == photo.size
    before, after = (
        (_unit(image) * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(dim=1) for image in (photo, whole)
    )
    assert (after - before).abs().max() * 255 <= 1
    colour = np.ptp(np.asarray(whole).astype(int), axis=2)
    assert colour[:, :9].max() == 0  # outside the square it stays gray
    assert colour[10:30, 20:40].max() > 8


def test_put_back_fillings_leave_every_known_pixel_alone(small_file: Path) -> None:
    photo = Image.open(EXAMPLE).convert("RGB").resize((60, 40))
    inverter = _inverter(ganinvert.InpaintTask(), small_file)
    inside, beyond = Image.new("L", photo.size), Image.new("L", photo.size)
    inside.paste(255, (25, 10, 35, 30))
    beyond.paste(255, (2, 10, 34, 29))  # the square begins at column 10
    for mask, mode in ((inside, "RGB"), (beyond, "RGBA")):
        prepared = inverter.prepare(holed(images.from_pil(photo), mask=mask))
        assert any("25 % of the hole is outside" in str(note) for note in prepared.notes) == (mask is beyond)
        whole = inverter.run([prepared])[0].whole
        assert whole is not None
        assert (whole.size, whole.mode) == (photo.size, mode)
        known = np.asarray(mask) == 0
        assert np.array_equal(np.asarray(whole)[known][:, :3], np.asarray(photo)[known])
        changed = (np.asarray(whole)[..., :3] != np.asarray(photo)).any(axis=2)
        assert changed[12:28, 26:33].mean() > 0.9
    alpha = np.asarray(whole)[..., 3]
    assert (alpha[known] == 255).all()
    assert (alpha[12:28, 3:9] == 0).all()
    assert (alpha[12:28, 14:30] == 255).all()
