"""Finding faces and aligning them; the last of point 16's warnings: a picture that looks unaligned says so."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import ganinvert
from ganinvert import paths
from ganinvert.cli import app
from ganinvert.errors import ImageError, UsageError
from ganinvert.faces import Alignment, Face, alignment, detect, face_square, misplacement
from ganinvert.faces.alignment import known_landmarks
from ganinvert.faces.networks import embedded_cascade
from ganinvert.generators import PGGANGenerator, load_generator
from ganinvert.images import Picture, Placement, default_placement, from_pil, place, read, to_pil, with_hole
from ganinvert.settings import InversionSettings, Optimization, PmSFC
from ganinvert.weights import TensorFile
from ganinvert.weights.catalog import ALIGNED_FACES, CATALOG

from .conftest import EXAMPLE
from .pictures import gradient

FRAME = (420, 300)


def placed(*faces: tuple[float, float, float, float]) -> tuple[Picture, list[Placement]]:
    """A scene with the example's face at (centre x, centre y, side, degrees clockwise), and the true squares."""
    scene = gradient(*FRAME).convert("RGBA")
    squares = []
    for x, y, side, degrees in faces:
        across = side * math.cos(math.radians(degrees)), side * math.sin(math.radians(degrees))
        corner = x - (across[0] - across[1]) / 2, y - (across[0] + across[1]) / 2
        squares.append(Placement(FRAME, corner, across, (-across[1], across[0])))
        with Image.open(EXAMPLE) as photo:
            face = photo.convert("RGBA").resize((round(side), round(side)))
        turned = face.rotate(-degrees, Image.Resampling.BICUBIC, expand=True)
        scene.alpha_composite(turned, (round(x - turned.width / 2), round(y - turned.height / 2)))
    return from_pil(scene.convert("RGB")), squares


@pytest.mark.parametrize("fails", [False, True])
def test_faces_are_found_with_torchvisions_operators_alone_or_by_its_import(fails: bool) -> None:
    program = f"""
import sys, torch
from ganinvert.faces import detect
from ganinvert.images import read
load, calls = torch.ops.load_library, []
def scarce(path):
    calls.append(path)
    if {fails} and len(calls) == 1:
        raise OSError("it needs libraries that the import finds")
    load(path)
torch.ops.load_library = scarce
print(len(detect(read({str(EXAMPLE)!r}))), "torchvision" in sys.modules)
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["1", str(fails)]


def test_the_cascade_has_the_embedded_weights_and_leaves_random_numbers_alone() -> None:
    embedded_cascade.cache_clear()
    state = torch.random.get_rng_state()
    cascade = embedded_cascade()
    assert torch.equal(torch.random.get_rng_state(), state)
    file = TensorFile.load(paths.embedded("mtcnn.safetensors"))
    assert file.about["licence"] == "MIT"
    tensors = {f"{name}.{key}": tensor for name in cascade for key, tensor in cascade[name].weights.items()}
    assert set(tensors) == set(file.tensors)
    assert all(torch.equal(tensor, file.tensors[key].float()) for key, tensor in tensors.items())
    assert not any(tensor.requires_grad for tensor in tensors.values())


@pytest.mark.shared
def test_the_embedded_weights_are_the_originals_rounded(assets: Path) -> None:
    for name in ("pnet", "rnet", "onet"):
        original = torch.load(assets / "landmarks" / f"{name}.pt", weights_only=True)
        weights = embedded_cascade()[name].weights
        assert set(weights) == set(original)
        for key, tensor in original.items():
            assert torch.equal(weights[key], tensor.half().float())


def test_landmarks_are_where_eyes_nose_and_mouth_are() -> None:
    (face,) = detect(read(EXAMPLE))
    left, right, nose, mouth_left, mouth_right = face.landmarks
    assert face.probability > 0.99
    assert left[0] < nose[0] < right[0]
    assert mouth_left[0] < mouth_right[0]
    assert max(left[1], right[1]) < nose[1] < min(mouth_left[1], mouth_right[1])
    assert face.box[0] < left[0] < right[0] < face.box[2]
    # On the dark of the pupils, not beside them.
    gray = np.asarray(read(EXAMPLE).rgb.convert("L")).astype(int)
    for x, y in (left, right):
        around = gray[int(y) - 12 : int(y) + 13, int(x) - 12 : int(x) + 13]
        assert around[8:17, 8:17].min() < np.quantile(around, 0.1) + 1


@pytest.mark.parametrize("degrees", [-35, -12, 0, 12, 35])
@pytest.mark.parametrize(("x", "y", "side"), [(250, 140, 200), (110, 170, 90), (350, 60, 160)])
def test_alignment_recovers_where_a_face_was_put(x: float, y: float, side: float, degrees: float) -> None:
    scene, (truth,) = placed((x, y, side, degrees))
    faces = detect(scene)
    found = face_square(faces[0], FRAME)
    assert misplacement(found, truth) < 0.1
    # The example itself is off by half of that: against its own square the rest is smaller.
    own = face_square(detect(read(EXAMPLE))[0], (256, 256))
    assert misplacement(own, default_placement((256, 256), "crop")) < 0.06


def test_faces_come_by_size_and_large_photos_give_the_same() -> None:
    scene, truths = placed((90, 150, 100, 0), (290, 150, 220, 0))
    faces = detect(scene)
    assert len(faces) == 2
    assert faces[0].size > 1.6 * faces[1].size
    assert misplacement(face_square(faces[1], FRAME), truths[0]) < 0.1
    large = Picture(scene.rgb.resize((4200, 3000), Image.Resampling.BICUBIC))
    again = detect(large)
    assert len(again) == 2
    difference = np.abs(np.array(again[0].landmarks) / 10 - np.array(faces[0].landmarks)).max()
    assert difference < 0.02 * faces[0].size


@pytest.mark.parametrize("size", [(4, 4), (24, 24), (13, 900), (300, 200)])
def test_where_there_is_no_face_none_is_found(size: tuple[int, int]) -> None:
    assert detect(Picture(gradient(*size))) == []
    noise = np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), np.uint8)
    assert detect(Picture(Image.fromarray(noise))) == []


def test_the_square_follows_its_definition() -> None:
    level = Face((0, 0, 9, 9), 1.0, ((40, 50), (60, 50), (50, 60), (42, 70), (58, 70)))
    found = face_square(level, (100, 100))
    assert found.sides == pytest.approx((4 * 20 / 1.0125,) * 2)  # the eyes' distance decides: 2·20 > 1.8·20
    assert found.across[1] == 0
    centre = np.mean(found.corners, axis=0)
    assert centre == pytest.approx((50, 50 + 0.13 * 20))
    profile = Face((0, 0, 9, 9), 1.0, ((50, 50), (50, 50), (50, 60), (50, 80), (50, 80)))
    assert face_square(profile, (100, 100)).sides == pytest.approx((2 * 1.8 * 30 / 1.0125,) * 2)
    nothing = Face((0, 0, 9, 9), 1.0, ((50, 50),) * 5)
    assert face_square(nothing, (100, 100)).sides == (0, 0)


@pytest.mark.shared
def test_aligned_photos_are_left_alone_and_others_are_not(assets: Path) -> None:
    single_image_only = {"fairface256": 0, "unaligned": 0}
    for folder in single_image_only:
        for path in sorted((assets / "photos" / folder).iterdir())[:8]:
            picture = read(path)
            plain = default_placement(picture.rgb.size, "crop")
            [(found, _)], _ = Alignment().find(picture, mode="crop", knows_faces=True)
            single_image_only[folder] += found == plain
    assert single_image_only["fairface256"] >= 7
    assert single_image_only["unaligned"] == 0


def test_generated_faces_are_aligned(portraits: PGGANGenerator) -> None:
    z = torch.randn(12, portraits.space().shape[0], generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        made = portraits(z) / 2 + 0.5
    for image in made.clamp(0, 1).numpy():
        picture = from_pil(to_pil(image))
        found = face_square(detect(picture)[0], picture.rgb.size)
        assert misplacement(found, default_placement(picture.rgb.size, "crop")) < 0.1


def notes(mode: str, picture: Picture, *, knows_faces: bool = True, face: int = 1) -> tuple[Placement, Sequence[str]]:
    [(placement, note)], said = Alignment(mode, face).find(picture, mode="crop", knows_faces=knows_faces)
    return placement, [place(picture, placement, 64, note=note).note, *map(str, said)]


def test_what_happens_to_a_face_that_is_elsewhere() -> None:
    scene, (truth,) = placed((260, 130, 180, 12))
    plain = default_placement(FRAME, "crop")
    found, said = notes("auto", scene)
    assert misplacement(found, truth) < 0.1
    assert "aligned to the face in 1" in said[0]
    assert "tilted by 1" in said[0]
    left, warned = notes("off", scene)
    assert left == plain
    assert warned[1].startswith("warning: the face is not where this generator expects one; --align auto")
    assert notes("auto", scene, knows_faces=False) == (plain, ["420×300, centre-cropped to 300×300, resized to 64×64"])
    assert misplacement(notes("force", scene, knows_faces=False)[0], truth) < 0.1


def test_what_happens_to_a_face_that_is_in_place() -> None:
    picture = read(EXAMPLE)
    plain = default_placement((256, 256), "crop")
    assert notes("auto", picture) == (plain, ["256×256, resized to 64×64"])
    assert notes("off", picture) == (plain, ["256×256, resized to 64×64"])
    assert notes("force", picture)[0] != plain


def test_what_happens_without_a_face() -> None:
    empty = Picture(gradient(*FRAME))
    for mode in ("auto", "off"):
        found, said = notes(mode, empty)
        assert found == default_placement(FRAME, "crop")
        assert said[1].startswith("warning: no face was found")
    with pytest.raises(ImageError, match="no face was found") as caught:
        notes("force", empty)
    assert "--align off" in caught.value.hint
    assert notes("auto", Picture(gradient(40, 40)))[1] == ["40×40, resized to 64×64"]  # too small to tell


def test_what_happens_with_several_faces() -> None:
    scene, (small, large) = placed((90, 150, 100, 0), (290, 150, 220, 0))
    found, said = notes("auto", scene)
    assert misplacement(found, large) < 0.1
    assert said[1] == "2 faces were found: the largest is used; --face N takes another"
    found, said = notes("auto", scene, face=2)
    assert misplacement(found, small) < 0.1
    assert said[1].startswith("2 faces were found: number 2 by size")
    with pytest.raises(ImageError, match="only 2 faces were found"):
        notes("auto", scene, face=3)
    for mode, face in (("auto", 0), ("off", 2)):
        with pytest.raises(UsageError):
            Alignment(mode, face)


@pytest.fixture
def face_file(small_file: Path, tmp_path: Path) -> Path:
    """A small generator that says that it shows aligned faces."""
    path = tmp_path / "faces.safetensors"
    TensorFile(TensorFile.load(small_file).tensors, {"domain": ALIGNED_FACES}).save(path)
    return path


def test_generators_of_aligned_faces_are_known(small_file: Path, face_file: Path, portraits: PGGANGenerator) -> None:
    assert portraits.knows_faces
    assert load_generator(face_file).knows_faces
    assert not load_generator(small_file).knows_faces
    assert {name for name, entry in CATALOG.items() if entry.domain == ALIGNED_FACES} == {
        "celebahq-1024",
        "celebahq-512",
        "celebahq-256",
        "celebahq-1024-mmgen",
        "ffhq-1024",
    }


def test_the_library_aligns_and_puts_back(face_file: Path) -> None:
    scene, (truth,) = placed((260, 130, 180, 12))
    quick = InversionSettings(PmSFC(subspaces=1, codes=1, candidates=2), Optimization(steps=2))
    found = ganinvert.invert(scene.rgb, generator=face_file, settings=quick, square=False, device="cpu")
    assert found.image.size == (16, 16)
    assert found.whole is not None
    assert found.whole.size == FRAME
    changed = (np.asarray(found.whole) != np.asarray(scene.rgb)).any(axis=2)
    assert not changed[:, : round(truth.box[0]) - 15].any()
    assert changed[110:150, 240:280].mean() > 0.9
    assert ganinvert.invert(scene.rgb, generator=face_file, settings=quick, device="cpu").whole is None
    provenance = found.bundle.provenance
    assert (provenance["align"], provenance["face"], provenance["paste_back"]) == ("auto", 1, True)


@pytest.fixture
def scene_file(tmp_path: Path) -> Path:
    path = tmp_path / "scene.png"
    picture = placed((260, 130, 180, 12))[0].rgb
    picture.putalpha(Image.linear_gradient("L").resize(FRAME).point([155 + level * 100 // 255 for level in range(256)]))
    picture.save(path)
    return path


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.stdout, result.stderr


def quick(generator: Path, folder: Path) -> list[object]:
    return ["-g", generator, "-o", folder, "-R", 1, "-K", 1, "--steps", 2, "--device", "cpu"]


def test_options_of_the_command_line(scene_file: Path, face_file: Path, tmp_path: Path) -> None:
    command = ["invert", scene_file, *quick(face_file, tmp_path / "out")]
    code, _, said = run(*command, "--whole")
    assert (code, "aligned to the face in 1" in said) == (0, True)
    with Image.open(tmp_path / "out" / "scene.invert.png") as whole, Image.open(scene_file) as scene:
        assert (whole.size, whole.mode) == (FRAME, "RGBA")
        assert np.array_equal(np.asarray(whole)[..., 3], np.asarray(scene)[..., 3])
        assert np.array_equal(np.asarray(whole)[:, :100], np.asarray(scene)[:, :100])
    # The square alone is another result.
    code, _, said = run(*command)
    assert (code, "exists already" in said) == (1, True)
    code, stdout, said = run(*command, "--align", "off", "--json", "--overwrite")
    assert code == 0
    event = json.loads(stdout.splitlines()[0])
    assert "--align auto moves it there" in event["warning"]
    assert event["notes"] == ["420×300, centre-cropped to 300×300, resized to 16×16"]
    assert "warning: the face is not where this generator expects one; --align auto" in said


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--face", 2], 1, "only 1 face was found"),
        (["--face", 0], 2, "--face cannot be 0"),
        (["--face", 2, "--align", "off"], 2, "a face cannot be chosen"),
        (["--align", "maybe"], 2, "maybe"),
    ],
)
def test_impossible_faces_are_refused(
    options: list[object], code: int, words: str, scene_file: Path, face_file: Path, tmp_path: Path
) -> None:
    found, _, said = run("invert", scene_file, *quick(face_file, tmp_path / "out"), *options)
    assert found == code
    assert words in said
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    ("left", "top", "right", "bottom"), [(60, 90, 200, 150), (0, 0, 128, 256), (70, 160, 190, 220)]
)
def test_holes_do_not_move_a_face_that_is_in_place(left: int, top: int, right: int, bottom: int) -> None:
    """What a detector sees beside a hole is a guess."""
    photo = read(EXAMPLE)
    missing = Image.new("L", photo.rgb.size, 0)
    missing.paste(255, (left, top, right, bottom))
    found, _ = notes("auto", with_hole(photo, missing))
    assert found == default_placement((256, 256), "crop")


def test_a_face_elsewhere_is_aligned_beside_a_hole(monkeypatch: pytest.MonkeyPatch) -> None:
    scene, (truth,) = placed((110, 120, 160, 12))
    face = detect(scene)[0]
    monkeypatch.setattr(alignment, "detect", lambda *_, **__: [face])
    missing = Image.new("L", FRAME, 0)
    missing.paste(255, (0, 0, FRAME[0], round(face.landmarks[2][1])))
    found, said = notes("auto", with_hole(scene, missing))
    assert known_landmarks(face, with_hole(scene, missing)) == 2
    assert misplacement(found, truth) < 0.1
    missing.paste(255, (0, 0, *FRAME))
    found, said = notes("auto", with_hole(scene, missing))
    assert found == default_placement(FRAME, "crop")
    assert "the place of the face is a guess from missing pixels: not aligned" in said
