"""Colorizing, upscaling, inpainting and editing on the command line; what all commands share is in test_cli_batch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganinvert.batch.inputs import expand
from ganinvert.bundle import LatentBundle
from ganinvert.errors import UsageError

from .commandline import QUICK, names, photo, program, run

OPTIONS = [*QUICK, "--layer", "3"]


@pytest.fixture
def ends(generator: list[str], tmp_path: Path) -> list[Path]:
    """Two inverted photos."""
    first = photo(tmp_path / "a.png", (16, 16))
    second = tmp_path / "b.png"
    with Image.open(first) as image:
        image.rotate(90).save(second)
    folder = tmp_path / "ends"
    assert run("invert", first, second, "-o", folder, *generator, *QUICK).exit_code == 0
    return [folder / "a.invert.pt", folder / "b.invert.pt"]


def _levels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def test_colorize_writes_a_picture_and_its_bundle(generator: list[str], tmp_path: Path) -> None:
    picture = photo(tmp_path / "a.png", (16, 16))
    command = ["colorize", picture, "-o", tmp_path / "out", *generator, *OPTIONS]
    result = run(*command, "--luma", "rec709", "--json")
    assert result.exit_code == 0, result.output
    item = json.loads(result.stdout.splitlines()[0])
    assert names(tmp_path / "out") == ["a.colorize.png", "a.colorize.pt"]
    assert item["metrics"]["deviation"] <= 1
    assert item["notes"] == ["in colour: reduced to gray"]
    assert "agrees with it to" in result.stderr
    weights = np.array([0.2126, 0.7152, 0.0722])
    before, after = (_levels(path) @ weights for path in (picture, tmp_path / "out" / "a.colorize.png"))
    assert np.abs(before - after).max() <= 1.5
    assert "up to date" in run(*command, "--luma", "rec709").stderr
    assert run(*command, "--luma", "lab").exit_code == 1


def test_upscale_takes_the_file_as_the_small_picture(generator: list[str], tmp_path: Path) -> None:
    small = photo(tmp_path / "a.png", (8, 8))
    result = run("upscale", small, "-o", tmp_path / "out", *generator, *OPTIONS)
    assert result.exit_code == 0, result.output
    assert _levels(tmp_path / "out" / "a.upscale.png").shape == (16, 16, 3)
    large = photo(tmp_path / "large.png", (40, 40))
    refused = run("upscale", large, "-o", tmp_path / "out", *generator, *OPTIONS)
    assert refused.exit_code == 1
    assert "40 pixels already" in refused.stderr
    assert run("upscale", large, "--square", "--factor", 4, "-o", tmp_path / "out", *generator, *OPTIONS).exit_code == 0
    wrong = run("upscale", large, "--square", "--factor", 5, "-o", tmp_path / "out", *generator, *OPTIONS)
    assert "choose a factor of 2, 4, 8" in wrong.stderr


def test_restore_undoes_several_losses_at_once(generator: list[str], tmp_path: Path) -> None:
    scan = tmp_path / "a.jpg"
    with Image.open(photo(tmp_path / "a.png", (16, 16))) as image:
        image.resize((8, 8)).convert("L").save(scan, quality=60)
    losses = ["--gray", "--downscale", 2, "--blur", 0.6, "--noise", 5, "--jpeg", 60]
    command = ["restore", scan, "-o", tmp_path / "out", *generator, *OPTIONS, *losses]
    result = run(*command, "--json")
    assert result.exit_code == 0, result.output
    assert "deviation" not in json.loads(result.stdout.splitlines()[0])["metrics"]
    assert _levels(tmp_path / "out" / "a.restore.png").shape == (16, 16, 3)
    measurement = LatentBundle.load(tmp_path / "out" / "a.restore.pt").measurement
    assert measurement is not None
    assert measurement.levels.shape == (1, 8, 8)
    assert measurement.options["blur"] == 1.2
    assert 5 < measurement.options["noise"] < 25
    assert "up to date" in run(*command).stderr
    assert run(*command, "--box", "0,0,4,4", "--overwrite").exit_code == 0
    measurement = LatentBundle.load(tmp_path / "out" / "a.restore.pt").measurement
    assert measurement is not None
    assert measurement.known is not None
    assert measurement.known.sum() == 48
    guessed = run("restore", scan, "-o", tmp_path / "auto", *generator, *OPTIONS, "--blur", "auto")
    assert "blur: about" in guessed.stderr
    measurement = LatentBundle.load(tmp_path / "auto" / "a.restore.pt").measurement
    assert measurement is not None
    assert 0 <= measurement.options["blur"] <= 8
    holed = run("restore", scan, "-o", tmp_path / "no", *generator, *OPTIONS, "--blur", "auto", "--box", "0,0,4,4")
    assert holed.exit_code == 1
    assert "beside missing pixels" in holed.stderr


@pytest.mark.parametrize(
    ("losses", "words"),
    [
        ([], "nothing is said to have happened"),
        (["--downscale", 3], "cannot be 3 times smaller"),
        (["--noise", 1000], "--noise"),
        (["--blur", "some"], "or auto"),
        (["--jpeg", 0], "--jpeg"),
    ],
)
def test_losses_that_cannot_be_are_usage_errors(
    losses: list[object], words: str, generator: list[str], tmp_path: Path
) -> None:
    picture = photo(tmp_path / "a.png", (16, 16))
    result = run("restore", picture, *losses, "-o", tmp_path / "out", *generator, *OPTIONS)
    assert result.exit_code == 2
    assert words in result.stderr
    assert not (tmp_path / "out").exists()


def test_samples_are_different_results_with_their_mean(generator: list[str], tmp_path: Path) -> None:
    small = photo(tmp_path / "a.png", (8, 8))
    command = ["upscale", small, "-o", tmp_path / "out", "--square", *generator, *OPTIONS]
    result = run(*command, "--samples", 3, "--json")
    assert result.exit_code == 0, result.output
    numbers = ["1", "2", "3", "mean", "samples"]
    bundles = [f"a.upscale.{n}.pt" for n in (1, 2, 3)]
    assert sorted(names(tmp_path / "out")) == sorted([*(f"a.upscale.{n}.png" for n in numbers), *bundles])
    samples = [_levels(tmp_path / "out" / f"a.upscale.{n}.png") for n in (1, 2, 3)]
    mean = _levels(tmp_path / "out" / "a.upscale.mean.png")
    assert np.abs(np.mean(samples, axis=0) - mean).max() <= 0.5
    assert not np.array_equal(samples[0], samples[1])
    seeds = [LatentBundle.load(tmp_path / "out" / name).provenance["seed"] for name in bundles]
    assert seeds == [0, 1, 2]
    metrics = json.loads(result.stdout.splitlines()[0])["metrics"]
    assert metrics["diversity"] > 0
    assert metrics["deviation"] <= 1
    assert "3 samples, LPIPS" in result.stderr
    again = run(*command, "--samples", 3, "--save", "image,bundle,report")
    assert "up to date" in again.stderr
    assert again.exit_code == 0
    alone = run(*command, "--seed", 1, "--name", "alone")
    assert alone.exit_code == 0
    assert np.array_equal(_levels(tmp_path / "out" / "alone.png"), samples[1])


def test_masks_of_a_folder_belong_to_photos_of_their_name(generator: list[str], tmp_path: Path) -> None:
    for name in ("a", "b"):
        photo(tmp_path / "photos" / f"{name}.png", (16, 16))
    mask = Image.new("L", (16, 16), 0)
    mask.paste(255, (4, 4, 9, 9))
    (tmp_path / "masks").mkdir()
    mask.save(tmp_path / "masks" / "a.bmp")
    command = ["inpaint", tmp_path / "photos", "-o", tmp_path / "out", *generator, *OPTIONS]
    result = run(*command, "--mask", tmp_path / "masks")
    assert result.exit_code == 1
    assert "b.png: no mask b.*" in result.stderr
    assert names(tmp_path / "out") == ["a.inpaint.png", "a.inpaint.pt"]
    known = np.asarray(mask) == 0
    before, after = _levels(tmp_path / "photos" / "a.png"), _levels(tmp_path / "out" / "a.inpaint.png")
    assert np.array_equal(before[known], after[known])
    assert not np.array_equal(before[~known], after[~known])
    everyone = run(*command, "--mask", tmp_path / "masks" / "a.bmp", "--overwrite")
    assert everyone.exit_code == 0
    assert len(names(tmp_path / "out")) == 4


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--box", "1,2,3"], "is not a rectangle"),
        (["--box", "1,2,0,4"], "holds no pixel"),
        (["--mask", "missing.png"], "no such file or folder"),
        (["--box", "1,1,4,4", "--mask", "."], "both say what is missing"),
        (["--mask", "."], "no mask of any input's name"),
    ],
)
def test_holes_that_cannot_be_are_usage_errors(
    options: list[str], words: str, generator: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = photo(tmp_path / "photos" / "a.png", (16, 16))
    monkeypatch.chdir(tmp_path)
    result = run("inpaint", picture, *options, *generator, *OPTIONS)
    assert result.exit_code == 2
    assert words in result.stderr
    assert "hint: " in result.stderr
    assert not list(tmp_path.glob("*.inpaint.*"))


def test_swap_writes_both_directions_and_the_figure(generator: list[str], ends: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ["swap", *ends, "-o", out, "--name", "{task}", *generator]
    result = run(*command, "--subspaces", "1,2", "--grid", "--json")
    assert result.exit_code == 0, result.output
    assert names(out) == ["swap.a.png", "swap.a.pt", "swap.b.png", "swap.b.pt", "swap.grid.png"]
    assert json.loads(result.stdout.splitlines()[0])["metrics"].keys() == {
        "a_lpips_a", "a_lpips_b", "b_lpips_a", "b_lpips_b",
    }  # fmt: skip
    # Two subspaces of two: everything is exchanged.
    assert np.array_equal(_levels(out / "swap.a.png"), _levels(ends[1].with_suffix(".png")))
    assert np.array_equal(_levels(out / "swap.b.png"), _levels(ends[0].with_suffix(".png")))
    assert "up to date" in run(*command, "--subspaces", "1,2", "--grid").stderr
    again = run("swap", out / "swap.a.pt", out / "swap.b.pt", "--subspaces", "1,2", "-o", tmp_path / "back", *generator)
    assert again.exit_code == 0, again.output
    back = next(path for path in (tmp_path / "back").glob("*.a.png"))
    assert np.array_equal(_levels(back), _levels(ends[0].with_suffix(".png")))


def test_photos_beside_bundles_are_inverted_as_those_were(
    generator: list[str], ends: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    result = run("swap", ends[0], tmp_path / "b.png", "--subspaces", "2", "--steps", "4", "-o", out, *generator)
    assert result.exit_code == 0, result.output
    assert torch.load(out / "a.invert-b.swap.a.pt", weights_only=True)["composition"]["codes"] == 2
    assert run("swap", ends[0], ends[1], "-o", out, *generator).exit_code == 2
    wrong = run("swap", *ends, "--subspaces", "7", "-o", out, *generator)
    assert "there is no subspace 7" in wrong.stderr
    assert run("swap", *ends, "--subspaces", "two", "-o", out, *generator).exit_code == 2
    assert run("swap", *ends, "--subspaces", "1", "-o", "-", *generator).exit_code == 2


def test_interpolate_writes_what_save_asks_for(generator: list[str], ends: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ["interpolate", *ends, "-o", out, "--name", "{task}", "--frames", "5", *generator]
    result = run(*command, "--save", "webp,gif,frames,strip", "--path", "codes")
    assert result.exit_code == 0, result.output
    frames = [f"interpolate.{n:03d}.png" for n in range(1, 6)]
    assert names(out) == sorted(["interpolate.gif", "interpolate.png", "interpolate.webp", *frames])
    assert np.array_equal(_levels(out / frames[0]), _levels(ends[0].with_suffix(".png")))
    assert np.array_equal(_levels(out / frames[-1]), _levels(ends[1].with_suffix(".png")))
    for name in ("interpolate.webp", "interpolate.gif"):
        with Image.open(out / name) as animation:
            assert animation.n_frames == 5
    assert "up to date" in run(*command, "--save", "webp,gif,frames,strip", "--path", "codes").stderr


def test_render_repeats_and_edits(generator: list[str], ends: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run("render", ends[0].parent, "-o", out, *generator)
    assert result.exit_code == 0, result.output
    assert names(out) == [f"{n}.invert.render.{kind}" for n in "ab" for kind in ("png", "pt")]
    assert np.array_equal(_levels(out / "a.invert.render.png"), _levels(ends[0].with_suffix(".png")))
    assert "2 rendered" in result.stderr
    edited = tmp_path / "edited"
    assert run("render", ends[0], "--subspace", 1, "--scale", 1.5, "-o", edited, *generator).exit_code == 0
    assert not np.array_equal(_levels(edited / "a.invert.render.png"), _levels(ends[0].with_suffix(".png")))
    assert run("render", ends[0], "--subspace", 9, "--scale", 2, "-o", edited, *generator).exit_code == 1
    nobundle = run("render", photo(tmp_path / "c.png"), "-o", out, *generator)
    assert nobundle.exit_code == 1
    assert "cannot be read" in nobundle.stderr


def test_edit_writes_a_picture_for_every_strength_and_a_sheet(
    generator: list[str], ends: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command = ["edit", *ends, "-o", out, "--direction", "sefa-1", *generator]
    result = run(*command, "--strength", "0")
    assert result.exit_code == 0, result.output
    assert names(out) == [f"{n}.invert.edit.{kind}" for n in "ab" for kind in ("png", "pt")]
    assert np.array_equal(_levels(out / "a.invert.edit.png"), _levels(ends[0].with_suffix(".png")))
    assert "2 edited" in result.stderr
    assert "up to date" in run(*command, "--strength", "0").stderr
    assert "exists already" in run(*command, "--strength", "1").stderr
    several = ["edit", ends[0], "--name", "{stem}", "-o", tmp_path / "several", "--direction", "ganspace-0", *generator]
    first = run(*several, "--strength", "-2,0,2.5", "--sheet")
    assert first.exit_code == 0, first.output
    assert "drawing what the directions change" in first.stderr
    files = [f"a.invert.{mark}.{kind}" for mark in ("+0", "+2.5", "-2") for kind in ("png", "pt")]
    assert names(tmp_path / "several") == [*files, "a.invert.sheet.png"]
    with pytest.raises(UsageError, match="no file to treat"):
        expand([tmp_path / "several"])
    shown = {path.name: _levels(path) for path in (tmp_path / "several").glob("*[05-9].png")}
    assert not np.array_equal(shown["a.invert.+0.png"], shown["a.invert.+2.5.png"])
    assert "up to date" in run(*several, "--strength", "-2,0,2.5", "--sheet").stderr


def test_edit_inverts_photos_and_edits_edits(generator: list[str], tmp_path: Path) -> None:
    picture = photo(tmp_path / "a.png", (16, 16))
    command = ["edit", picture, "--steps", "4", "--device", "cpu", *generator]
    assert run(*command, "--direction", "ganspace-1", "-o", tmp_path / "once").exit_code == 0
    edited = tmp_path / "once" / "a.edit.pt"
    assert torch.load(edited, weights_only=True)["settings"] == {"direction": "ganspace-1", "strength": 2.0}
    assert run("edit", edited, *generator, "--direction", "ganspace-1", "-o", tmp_path, "--strength=-2").exit_code == 0
    assert run(*command, "--direction", "ganspace-1", "--strength", 0, "-o", tmp_path / "still").exit_code == 0
    back, start = (_levels(path) for path in (tmp_path / "a.edit.edit.png", tmp_path / "still" / "a.edit.png"))
    assert np.abs(back - start).max() <= 1
    only = run(*command, "--sheet", "-o", tmp_path / "sheet", "--json")
    assert only.exit_code == 0, only.output
    assert names(tmp_path / "sheet") == ["a.edit.sheet.png"]
    assert "up to date" in run(*command, "--sheet", "-o", tmp_path / "sheet").stderr


def test_results_without_a_bundle_are_known_by_their_text(generator: list[str], tmp_path: Path) -> None:
    picture = photo(tmp_path / "a.png", (16, 16))
    command = ["invert", picture, "-o", tmp_path / "out", "--save", "image", *generator, *QUICK]
    assert run(*command).exit_code == 0
    assert "up to date" in run(*command).stderr
    assert run(*command, "--seed", 1).exit_code == 1
    assert run(*command, "--overwrite", "--no-metadata").exit_code == 0
    assert "nothing shows that it is the same" in run(*command).stderr


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["render", "A", "--scale", "1.3"], "belong together"),
        (["render", "A", "--subspace", "1"], "belong together"),
        (["swap", "A", "B", "--subspaces", "9"], "no subspace 9"),
        (["swap", "A", "B", "--subspaces", "1", "--styles", "0-2"], "exchanges no subspaces"),
        (["swap", "A", "B", "--styles", "0-2", "--grid"], "exchanges no subspaces"),
        (["swap", "A", "B", "--styles", "0-2"], "is for style-based generators"),
        (["swap", "A", "B", "--styles", "6-0"], "is no list of numbers"),
        (["edit", "A"], "nothing says what to change"),
        (["edit", "A", "--direction", "smile"], "is no direction"),
        (["edit", "A", "--direction", "sefa-12"], "there is no direction 12"),
        (["edit", "A", "--direction", "sefa-1", "--styles", "0"], "small has no styles"),
        (["edit", "A", "--direction", "sefa-1", "--strength", "much"], "is no list of numbers"),
        (["edit", "A", "--direction", "sefa-1", "--strength", "1,inf"], "is no list of numbers"),
        (["edit", "FOLDER", "--sheet"], "is a folder"),
        (["swap", "FOLDER", "B", "--subspaces", "1"], "is a folder"),
        (["swap", "A", "B", "--subspaces", "1", "--layer", "2"], "those of the bundle"),
        (["interpolate", "A", "B", "-o", "morph.webp"], "no name for results"),
        (["upscale", "PHOTO", "--square", "--factor", "5"], "times smaller"),
        (["colorize", "PHOTO", "-o", "result.jpg"], "no name for results"),
        (["colorize", "PHOTO", "--save", "bundle", "-o", "-"], "the picture alone"),
        (["colorize", "PHOTO", "--name", "{stem:{width}}"], "is no template"),
        (["inpaint", "PHOTO", "--box", "1,1,4,4", "--mask-keep", "white"], "there is none"),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(
    command: list[str], words: str, generator: list[str], ends: list[Path], tmp_path: Path
) -> None:
    known = {"A": ends[0], "B": ends[1], "FOLDER": ends[0].parent, "PHOTO": tmp_path / "a.png"}
    before = names(tmp_path)
    result = run(*[known.get(word, word) for word in command], *generator)
    assert result.exit_code == 2
    assert words in result.stderr
    assert "hint: " in result.stderr
    assert set(names(tmp_path)) - {"cache"} == set(before)


def test_scales_that_are_no_numbers_write_nothing(generator: list[str], ends: list[Path], tmp_path: Path) -> None:
    result = run("render", ends[0], "--subspace", 1, "--scale", "nan", "-o", tmp_path / "out", *generator)
    assert result.exit_code == 1
    assert "a.invert.pt: features cannot be scaled by nan" in result.stderr
    assert names(tmp_path / "out") == []


def test_bundles_of_a_generator_file_ask_for_the_file(ends: list[Path], tmp_path: Path) -> None:
    for command in (["render", ends[0]], ["swap", *ends, "--subspaces", "1"]):
        result = run(*command, "-o", tmp_path / "out")
        assert result.exit_code in (1, 2)
        assert "made with a generator file, small" in result.stderr
        assert "hint: name that file with -g" in result.stderr


def test_errors_name_their_photo_and_own_animations_are_no_inputs(
    generator: list[str], ends: list[Path], tmp_path: Path
) -> None:
    assert run("interpolate", *ends, "-o", tmp_path / "photos", "--frames", 2, *generator).exit_code == 0
    picture = photo(tmp_path / "photos" / "c.png", (16, 16))
    result = run("inpaint", picture.parent, "--box", "20,20,1000000000000,5", *generator, *OPTIONS)
    assert result.exit_code == 1
    assert [line for line in result.stderr.splitlines() if line.startswith("error")] == [
        f"error: {picture}: the box 20,20,1000000000000,5 marks no pixel as missing"
    ]


def test_a_closed_pipe_does_not_lose_results(generator: list[str], tmp_path: Path) -> None:
    pictures = [photo(tmp_path / f"{n}.png", (16, 16)) for n in range(3)]
    with program("invert", *pictures, "-o", tmp_path / "out", *generator, *QUICK) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        stderr = process.stderr.read()
    assert process.returncode == 0, stderr
    assert len(names(tmp_path / "out")) == 6
    assert "fault of ganinvert" not in stderr
