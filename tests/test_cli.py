from __future__ import annotations

import json
import os
import resource
import signal
from pathlib import Path

import pytest
import torch
from PIL import Image

from ganinvert.cli._console import output
from ganinvert.generators import PGGANGenerator
from ganinvert.generators.pggan import PGGANArchitecture
from ganinvert.optimize import Outcome
from ganinvert.weights import TensorFile

from .commandline import QUICK, names, photo, program, run


def test_invert_writes_results_and_says_how_good_they_are(generator: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run("invert", photo(tmp_path / "a.png"), photo(tmp_path / "b.jpg"), "-o", out, *generator, *QUICK)
    assert result.exit_code == 0, result.output
    assert names(out) == ["a.invert.png", "a.invert.pt", "b.invert.png", "b.invert.pt"]
    assert result.stdout.splitlines() == [str(out / name) for name in names(out)]
    assert "a.png: 20×16, centre-cropped to 16×16" in result.stderr
    assert "PSNR" in result.stderr
    assert "warning: the optimisation has hardly moved" in result.stderr
    assert "2 inverted, 0 skipped, 0 failed" in result.stderr
    with Image.open(out / "a.invert.png") as image:
        metadata = json.loads(image.text["ganinvert"])
    assert image.size == (16, 16)
    assert (
        metadata["settings_hash"] == torch.load(out / "a.invert.pt", weights_only=True)["provenance"]["settings_hash"]
    )


def test_save_chooses_what_is_written(generator: list[str], tmp_path: Path) -> None:
    run("invert", photo(tmp_path / "a.png"), "-o", tmp_path / "out", "--save", "comparison", *generator, *QUICK)
    assert names(tmp_path / "out") == ["a.invert.comparison.png"]
    with Image.open(tmp_path / "out" / "a.invert.comparison.png") as strip:
        assert strip.size == (768, 256)


def test_quiet_leaves_only_the_paths(generator: list[str], tmp_path: Path) -> None:
    result = run("invert", photo(tmp_path / "a.png"), "-o", tmp_path / "out", "-q", *generator, *QUICK)
    assert result.stderr == ""
    assert len(result.stdout.splitlines()) == 2


def test_running_again_skips_and_other_settings_need_overwrite(generator: list[str], tmp_path: Path) -> None:
    command = ["invert", photo(tmp_path / "a.png"), "-o", tmp_path / "out", *generator]
    assert run(*command, *QUICK).exit_code == 0
    before = (tmp_path / "out" / "a.invert.pt").read_bytes()
    again = run(*command, *QUICK)
    assert (again.exit_code, again.stdout) == (0, "")
    assert "up to date" in again.stderr
    other = run(*command, *QUICK, "--seed", 1)
    assert other.exit_code == 1
    assert "hint: replace it with --overwrite" in other.stderr
    assert (tmp_path / "out" / "a.invert.pt").read_bytes() == before
    assert run(*command, *QUICK, "--seed", 1, "--overwrite").exit_code == 0
    assert (tmp_path / "out" / "a.invert.pt").read_bytes() != before
    (tmp_path / "out" / "a.invert.pt").write_bytes(b"damaged")
    damaged = run(*command, *QUICK)
    assert damaged.exit_code == 1
    assert "unreadable bundle" in damaged.stderr


def test_bad_inputs_do_not_stop_the_good_one(generator: list[str], tmp_path: Path) -> None:
    text = tmp_path / "text.png"
    text.write_text("hello")
    truncated = photo(tmp_path / "truncated.jpg", (200, 200))
    truncated.write_bytes(truncated.read_bytes()[:2000])
    dot = photo(tmp_path / "dot.png", (1, 1))
    inputs = [tmp_path / "missing.png", text, truncated, dot, photo(tmp_path / "fine.png")]
    result = run("invert", *inputs, "-o", tmp_path / "out", *generator, *QUICK)
    assert result.exit_code == 1
    for words in ("missing.png: no such file", "text.png: is not an image", "truncated.jpg: cannot be decoded", "1×1"):
        assert words in result.stderr
    assert result.stderr.count("error: ") == result.stderr.count("hint: ") == 4
    assert "1 inverted, 0 skipped, 4 failed" in result.stderr
    assert names(tmp_path / "out") == ["fine.invert.png", "fine.invert.pt"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["-R", "9"], "9 subspaces cannot be made of the 8 channels of layer 3"),
        (["-R", "0"], "subspaces (-R) cannot be 0"),
        (["-K", "0"], "codes (-K) cannot be 0"),
        (["--layer", "7"], "layer 7 does not exist"),
        (["--steps", "0"], "steps cannot be 0"),
        (["--lr", "0"], "lr cannot be 0"),
        (["--device", "cuda:99"], "this machine has no such device"),
        (["--device", "quantum"], "no such device"),
        (["--save", "picture"], "--save 'picture' is unknown"),
        (["--batch-size", "0"], "--batch-size cannot be 0"),
    ],
)
def test_impossible_options_exit_2_and_leave_nothing(
    options: list[str], words: str, generator: list[str], tmp_path: Path
) -> None:
    result = run("invert", photo(tmp_path / "a.png"), "-o", tmp_path / "out", *generator, *QUICK, *options)
    assert result.exit_code == 2
    assert words in result.stderr
    assert "hint: " in result.stderr
    assert "Traceback" not in result.stderr
    assert names(tmp_path / "out") == []


def test_an_optimisation_that_explodes_writes_nothing(
    generator: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ganinvert.optimize.loop.assess_outcome", lambda *_, **__: Outcome.NOT_FINITE)
    result = run("invert", photo(tmp_path / "a.png"), "-o", tmp_path / "out", *generator, *QUICK)
    assert result.exit_code == 1
    assert "a.png: nothing was written" in result.stderr
    assert "not finite: lower --lr" in result.stderr
    assert names(tmp_path / "out") == []


def test_no_input_and_unknown_choices_exit_2() -> None:
    for arguments in (
        ["invert"],
        ["invert", "a.png", "--preset", "best"],
        ["paint"],
        ["invert", "a.png", "--seed", "9" * 20],
        ["invert", "a.png", "--nonsense"],
    ):
        result = run(*arguments)
        assert result.exit_code == 2
        assert result.stderr


def test_missing_weights_and_masks_exit_3(small_file: Path, tmp_path: Path) -> None:
    picture = photo(tmp_path / "a.png")
    unknown = run("invert", picture, "-g", "nobody-64")
    assert unknown.exit_code == 3
    assert "neither a known generator nor a file" in unknown.stderr
    undiscovered = run("invert", picture, "-g", small_file, *QUICK)
    assert undiscovered.exit_code == 3
    assert "run `ganinvert discover" in undiscovered.stderr
    state = TensorFile.load(small_file).tensors
    for name, tensors, words in [
        ("short", {key: value for key, value in state.items() if key != "layers.2.bias"}, "missing layers.2.bias"),
        ("long", {**state, "layers.2.noise": torch.zeros(1)}, "extra layers.2.noise"),
    ]:
        TensorFile(tensors).save(tmp_path / f"{name}.safetensors")
        result = run("invert", picture, "-g", tmp_path / f"{name}.safetensors", "-R", 1)
        assert result.exit_code == 3
        assert words in result.stderr


def test_inputs_that_would_share_a_name_are_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    first, second = photo(tmp_path / "a.png"), photo(tmp_path / "sub" / "a.jpg")
    result = run("invert", first, second, "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert "would both be written to" in result.stderr
    assert names(tmp_path / "out") == []
    assert run("invert", first, "-o", first).exit_code == 2


def test_the_same_input_twice_is_one(generator: list[str], tmp_path: Path) -> None:
    picture = photo(tmp_path / "a.png")
    result = run("invert", picture, picture, "-o", tmp_path / "out", *generator, *QUICK)
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 2


def test_tracebacks_only_when_asked_for(tmp_path: Path) -> None:
    assert "Traceback" in run("invert", tmp_path / "a.png", "-vv", "-g", "nobody").stderr
    output.verbosity = 0
    assert "Traceback" not in run("invert", tmp_path / "a.png", "-g", "nobody").stderr


def test_discover_reports_and_is_found_by_invert(small_file: Path, tmp_path: Path, data_dir: Path) -> None:
    command = ["discover", "-g", small_file, "-R", 2, "--steps", 6, "--device", "cpu"]
    first = run(*command, "-o", tmp_path / "figures")
    assert first.exit_code == 0, first.output
    matrix, figure = map(Path, first.stdout.splitlines())
    assert matrix.is_relative_to(data_dir)
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert "2 subspaces of" in first.stderr
    assert "adjusted Rand index" in first.stderr
    assert "learned before" in run(*command[:3], "-R", 3, *command[5:]).stderr
    assert run("invert", photo(tmp_path / "a.png"), "-o", tmp_path / "out", "-g", small_file, *QUICK).exit_code == 0


def test_discover_refuses_what_cannot_be(small_file: Path) -> None:
    for options, words in [
        (["-R", 9], "9 subspaces"),
        (["-R", 0], "subspaces (-R) cannot be 0"),
        (["-R", 2, "--layer", 6], "layer 6"),
        (["--layer", 9], "layer 9"),
        (["--steps", 0], "steps cannot be 0"),
    ]:
        result = run("discover", "-g", small_file, *options)
        assert result.exit_code == 2
        assert words in result.stderr


@pytest.fixture
def slow(tmp_path: Path, generator: list[str]) -> list[object]:
    """An inversion that would take hours."""
    return ["invert", photo(tmp_path / "a.png"), "-o", tmp_path / "out", *generator, "-R", 2, "--steps", 10_000_000]


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_stop_at_once_and_leave_nothing(sent: int, code: int, slow: list[object], tmp_path: Path) -> None:
    # A shell's background job ignores SIGINT and hands that on; a user's terminal does not.
    process = program(*slow, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    assert process.stderr is not None
    # The first progress line says that the loop runs.
    while "step" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(sent)
    stdout, stderr = process.communicate(timeout=90)
    assert process.returncode == code
    assert stdout == ""
    assert "Traceback" not in stderr
    assert names(tmp_path / "out") == []


def test_a_full_disk_is_an_error_of_the_item(generator: list[str], tmp_path: Path) -> None:
    def small_files_only() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    process = program(
        "invert",
        photo(tmp_path / "a.png"),
        "-o",
        tmp_path / "out",
        *generator,
        *QUICK,
        "-R",
        1,
        preexec_fn=small_files_only,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 1, stderr
    assert "cannot be written" in stderr
    assert "hint: check the free space" in stderr
    assert stdout == ""
    assert names(tmp_path / "out") == []


def test_an_unwritable_folder_is_named(generator: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = run("invert", photo(tmp_path / "a.png"), "-o", tmp_path / "file" / "out", *generator, *QUICK)
    assert result.exit_code == 1
    assert "cannot be written" in result.stderr


def test_architectures_of_every_size_work_from_the_command_line(tmp_path: Path) -> None:
    for channels in [(4, 4), (4, 4, 3, 3, 2, 2, 2, 2)]:
        generator = PGGANGenerator.random(PGGANArchitecture(6, channels))
        TensorFile(generator.state_dict()).save(tmp_path / "g.safetensors")
        result = run(
            "invert",
            photo(tmp_path / "a.png"),
            "-o",
            tmp_path / str(len(channels)),
            "-g",
            tmp_path / "g.safetensors",
            "-R",
            1,
            "--layer",
            2,
            "--steps",
            3,
        )
        assert result.exit_code == 0, result.output
