"""Restoration gives the whole photo back, with every face in it."""

from __future__ import annotations

import base64
import io
import json
import re
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from typer.testing import CliRunner

import ganinvert
from ganinvert import files, images
from ganinvert.batch.job import Job
from ganinvert.batch.photos import PhotoSession
from ganinvert.batch.requests import PhotoRequest
from ganinvert.checkpoint import Checkpoints
from ganinvert.cli import app
from ganinvert.errors import InsufficientMemoryError
from ganinvert.generators import load_generator
from ganinvert.settings import InversionSettings, Optimization, PmSFC, TaskOptions
from ganinvert.weights import TensorFile
from ganinvert.weights.catalog import ALIGNED_FACES

from .conftest import EXAMPLE
from .pictures import deep_png, gradient, png_chunk, rgb_profile
from .test_faces import FRAME, placed

QUICK = InversionSettings(PmSFC(subspaces=1, codes=1, candidates=2), Optimization(steps=2))
BOX = (12, 9, 14, 12)
PROFILE = rgb_profile()


@pytest.fixture
def face_file(small_file: Path, tmp_path: Path) -> Path:
    """A small generator that says that it shows aligned faces."""
    path = tmp_path / "faces.safetensors"
    TensorFile(TensorFile.load(small_file).tensors, {"domain": ALIGNED_FACES}).save(path)
    return path


def restored(task: TaskOptions, picture: Any, generator: Path, **options: Any) -> ganinvert.Inversion:
    inverter = ganinvert.Inverter.load(generator, QUICK, task=task, device="cpu", **options)
    return inverter.run([inverter.prepare(picture)])[0]


def deep_levels(height: int = 30, width: int = 40) -> np.ndarray[Any, np.dtype[np.uint16]]:
    noise = np.random.default_rng(0).integers(0, 2000, (height, width, 3))
    return (np.asarray(gradient(width, height)).astype(int) * 240 + noise).astype(np.uint16)


def icc_chunk() -> bytes:
    return png_chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(PROFILE))


def decoded_deep(content: bytes) -> np.ndarray[Any, np.dtype[np.uint16]]:
    raster = images.read(content).original
    assert raster is not None
    assert raster.levels.dtype == np.uint16
    return raster.levels


@pytest.mark.parametrize("kind", ["png", "png with a profile", "tiff", "packed tiff"])
def test_a_deep_photo_comes_back_in_its_depth_with_every_known_sample(
    kind: str, small_file: Path, tmp_path: Path
) -> None:
    levels, path = deep_levels(), tmp_path / "photo"
    if kind.startswith("png"):
        path.write_bytes(deep_png(levels, *([icc_chunk()] if "profile" in kind else [])))
    else:
        tifffile.imwrite(path, levels, photometric="rgb", compression="zlib" if kind == "packed tiff" else None)
    result = restored(ganinvert.InpaintTask(box=BOX), path, small_file)
    assert result.raster is not None
    content = images.encode_png(result.raster, {"seed": 0})
    after = decoded_deep(content)
    hole = np.zeros(levels.shape[:2], dtype=bool)
    hole[BOX[1] : BOX[1] + BOX[3], BOX[0] : BOX[0] + BOX[2]] = True
    assert np.array_equal(after[~hole], levels[~hole])
    assert (after[hole] != levels[hole]).any(axis=1).mean() > 0.9
    with Image.open(io.BytesIO(content)) as image:
        assert json.loads(image.text["ganinvert"]) == {"seed": 0}
        assert image.info.get("icc_profile") == (PROFILE if "profile" in kind else None)


def test_colours_are_carried_outwards_up_to_edges() -> None:
    """A bright disc on a dark ground, whose middle is red: the disc gets red, and the ground hardly."""
    y, x = np.mgrid[:120, :160]
    disc = np.hypot(y - 60, x - 80) < 40
    gray = np.where(disc, 0.7, 0.2).astype(np.float32)
    red = Image.new("RGB", (20, 20), (255, 140, 140))
    patches = list(images.patches([(red, images.Placement((160, 120), (70, 50), (20, 0), (0, 20)))], (160, 120)))
    chroma = np.concatenate([strip for _, strip in images.carry_chroma(gray, patches)])
    assert chroma.shape == (120, 160, 3)
    reddish = chroma[..., 0]
    assert reddish[disc].min() > 0.1
    assert reddish[60, 80] > 0.2
    assert np.abs(chroma[:10]).max() < 0.02
    assert np.abs(chroma @ np.array([0.299, 0.587, 0.114])).max() < 1e-3


def test_colours_around_keep_the_luminance(small_file: Path, tmp_path: Path) -> None:
    gray = deep_levels()[..., 0]
    Image.fromarray(gray).save(tmp_path / "a.png")
    task = ganinvert.ColorizeTask()
    assert task.identity == {"task": "colorize", "luma": "rec601"}
    raster = restored(task, tmp_path / "a.png", small_file).raster
    assert raster is not None
    assert np.abs(raster.levels @ np.array([0.299, 0.587, 0.114]) - gray).max() <= 1
    assert np.ptp(raster.levels[:, :5].astype(int), axis=2).max() > 100


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_restored_colours_are_carried_over_the_enlarged_photo(mode: str, small_file: Path, tmp_path: Path) -> None:
    """Beside the square the luminance and the transparency stay; colours come from the square, not from the photo."""
    photo, path = gradient(60, 40).convert(mode), tmp_path / "photo.png"
    if mode == "RGBA":
        photo.putalpha(200)
    photo.save(path, icc_profile=None if mode == "L" else PROFILE)
    raster = restored(ganinvert.RestoreTask(gray=True, downscale=2), path, small_file).raster
    assert raster is not None
    assert (raster.levels.shape, raster.profile) == ((80, 120, 3), None)
    assert np.unique(raster.alpha if mode == "RGBA" else 200).tolist() == [200]
    assert (raster.alpha is None) == (mode != "RGBA")
    before = np.asarray(images.read(path).rgb.resize((120, 80), Image.Resampling.LANCZOS)).astype(int)[:, :18]
    after = raster.levels[:, :18].astype(int)  # the square begins at column 20
    luma = np.array([0.299, 0.587, 0.114])
    assert np.abs(after @ luma - before @ luma).max() <= 1.5
    assert np.ptp(after, axis=2).max() > 5
    assert mode == "L" or np.abs(after - before).mean() > 20


def test_gray_of_16_bits_keeps_its_luminance_and_stays_gray_outside(small_file: Path, tmp_path: Path) -> None:
    gray = deep_levels()[..., 0]
    Image.fromarray(gray).save(tmp_path / "a.png")
    raster = restored(ganinvert.ColorizeTask(around="gray"), tmp_path / "a.png", small_file).raster
    assert raster is not None
    assert raster.levels.dtype == np.uint16
    assert np.array_equal(raster.levels[:, :5], gray[:, :5, None].repeat(3, axis=2))
    luma = raster.levels @ np.array([0.299, 0.587, 0.114])
    assert np.abs(luma - gray).max() <= 1
    assert np.ptp(raster.levels[10:20, 15:25].astype(int), axis=2).max() > 1000


def test_a_photo_keeps_its_size_orientation_and_colour_profile(small_file: Path, tmp_path: Path) -> None:
    path, exif = tmp_path / "photo.jpg", Image.Exif()
    exif[0x0112] = 6
    gradient(40, 30).save(path, exif=exif, icc_profile=PROFILE, quality=95)
    raster = restored(ganinvert.InpaintTask(box=(9, 12, 12, 14)), path, small_file).raster
    assert raster is not None
    assert raster.image.size == (30, 40)
    with Image.open(path) as image:
        upright = np.rot90(np.asarray(image), 3)
    assert np.array_equal(raster.levels[:12], upright[:12])
    with Image.open(io.BytesIO(images.encode_png(raster))) as image:
        assert image.info["icc_profile"] == PROFILE
        assert np.array_equal(np.asarray(image), raster.levels)


def test_overlapping_squares_share_the_picture_without_a_gap() -> None:
    frame = (60, 40)
    left, right = (images.Placement(frame, (x, 0), (40, 0), (0, 40)) for x in (0, 20))
    squares = [(Image.new("RGB", (16, 16), colour), place) for colour, place in (("red", left), ("lime", right))]
    blue = images.Picture(Image.new("RGB", frame, "blue")).raster
    whole = np.asarray(images.paste_back(blue, images.patches(squares, frame)).image)
    assert (whole[5, 8] == (255, 0, 0)).all()
    assert (whole[5, 52] == (0, 255, 0)).all()
    assert whole[20, 18:42, 2].max() == 0  # nothing of what lay below
    assert abs(int(whole[20, 30, 0]) - int(whole[20, 29, 1])) < 30


def two_faces() -> Image.Image:
    return placed((90, 150, 100, 0), (290, 150, 220, 8))[0].rgb


def test_every_face_is_restored_and_the_rest_stays(face_file: Path) -> None:
    scene = two_faces()
    result = restored(ganinvert.ColorizeTask(around="gray"), scene.convert("L"), face_file)
    assert len(result.faces) == 2
    assert result.whole is not None
    spread = np.ptp(np.asarray(result.whole).astype(int), axis=2)
    assert spread[140:160, 80:100].max() > 5
    assert spread[140:160, 280:300].max() > 5
    assert spread[:20].max() == 0
    assert any("2 faces were found: all are restored" in str(note) for note in result.notes)
    one = restored(ganinvert.ColorizeTask(), scene.convert("L"), face_file, face=2, square=True)
    assert (len(one.faces), one.whole) == (1, None)
    assert one.bundle.provenance["face"] == 2


def test_an_enlarged_photo_made_smaller_is_the_photo(small_file: Path) -> None:
    photo = Image.open(EXAMPLE).convert("RGB").resize((14, 10), Image.Resampling.LANCZOS)
    for factor in (None, 3):
        result = restored(ganinvert.UpscaleTask(factor), photo, small_file)
        assert result.whole is not None
        assert result.whole.size == ((22, 16) if factor is None else (42, 30))
        again = result.whole.resize(photo.size, Image.Resampling.BICUBIC)
        difference = np.abs(np.asarray(again).astype(int) - np.asarray(photo))
        assert (difference <= 1).mean() > 0.99  # beside white, a level may need more than white


def run(*arguments: object) -> tuple[int, list[dict[str, Any]], str]:
    result = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    return result.exit_code, [line for line in lines if line["event"] == "item"], result.stderr


def test_the_command_writes_one_picture_and_a_bundle_for_each_face(face_file: Path, tmp_path: Path) -> None:
    two_faces().convert("L").save(tmp_path / "group.png")
    quick = ["-g", face_file, "-R", 1, "-K", 1, "--steps", 2, "--device", "cpu"]
    command = ["colorize", tmp_path / "group.png", "-o", tmp_path / "out", *quick]
    code, [item], _ = run(*command, "--save", "image,bundle,comparison")
    assert (code, item["status"]) == (0, "done")
    names = {kind: Path(path).name for kind, path in item["outputs"].items()}
    assert names == {
        "image": "group.colorize.png",
        "comparison": "group.colorize.comparison.png",
        "bundle 2": "group.colorize.2.pt",
        "bundle": "group.colorize.pt",
    }
    with Image.open(item["outputs"]["image"]) as image, Image.open(item["outputs"]["comparison"]) as sheet:
        assert image.size == FRAME
        assert sheet.size == (768, 512)
    code, [again], _ = run(*command, "--save", "image,bundle,comparison")
    assert (code, again["status"]) == (0, "skipped")
    (tmp_path / "out" / "group.colorize.2.pt").unlink()
    code, [failed], _ = run(*command, "--save", "image,bundle,comparison")
    assert (code, failed["status"]) == (1, "failed")
    code, [squares], _ = run(*command, "--square", "--overwrite", "--save", "image,bundle,report")
    assert (code, sorted(squares["outputs"])) == (0, ["bundle", "bundle 2", "image", "image 2"])
    with Image.open(squares["outputs"]["image 2"]) as image:
        assert image.size == (16, 16)
    page = (tmp_path / "out" / "colorize.report.html").read_text("utf-8")
    shown = [Image.open(io.BytesIO(base64.b64decode(part))) for part in re.findall(r"image/webp;base64,([^\"]+)", page)]
    assert [each.size for each in shown] == 3 * [(256, 126)]
    bundle = ganinvert.LatentBundle.load(squares["outputs"]["bundle 2"])
    rendered = images.to_pil(bundle.render(load_generator(face_file))[0].clamp(-1, 1).numpy() / 2 + 0.5)
    with Image.open(squares["outputs"]["image 2"]) as image:
        assert np.array_equal(np.asarray(rendered), np.asarray(image))


def test_a_stopped_crowd_goes_on_face_by_face(face_file: Path, tmp_path: Path) -> None:
    settings = replace(QUICK, optimization=Optimization(steps=3))
    inverter = ganinvert.Inverter.load(face_file, settings, task=ganinvert.ColorizeTask(), device="cpu")
    prepared = inverter.prepare(two_faces().convert("L"))
    assert len(prepared.squares) == 2
    assert len({square.sha256 for square in prepared.squares}) == 2
    last = tmp_path / "a.pt"
    paths = {square.sha256: files.beside(last, f"{n}.{files.CHECKPOINT}") for n, square in enumerate(prepared.squares)}
    store = Checkpoints(inverter.settings_hash, paths, 1)
    whole = inverter.run([prepared])[0]
    steps = []

    def stop(step: Any) -> None:
        steps.append(step.index)
        if len(steps) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        inverter.run([prepared], callback=stop, checkpoints=store)
    again = inverter.run([prepared], checkpoints=store)[0]
    for before, after in zip(whole.faces, again.faces, strict=True):
        assert np.array_equal(np.asarray(before.image), np.asarray(after.image))
    files.tidy(last)
    assert not list(tmp_path.glob(".ganinvert-*"))


def test_a_crowd_that_fills_the_memory_is_done_in_smaller_batches(
    face_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inverter = ganinvert.Inverter.load(face_file, QUICK, task=ganinvert.ColorizeTask(), device="cpu")
    session, sizes = PhotoSession(PhotoRequest(inverter.request), inverter), []
    prepared = inverter.prepare(two_faces().convert("L"))
    [result] = inverter.run([prepared])

    def run(*_: object, at_once: int, **__: object) -> list[ganinvert.Inversion]:
        sizes.append(at_once)
        if at_once > 1:
            raise InsufficientMemoryError("no room", hint="none")
        return [result]

    monkeypatch.setattr(ganinvert.Inverter, "run", run)
    monkeypatch.setattr(PhotoSession, "batch_size", 8)
    [product] = session.run([(Job((), {"bundle": tmp_path / "a.pt"}), prepared)], lambda _: None)
    assert sizes == [2, 1]
    assert product.files
