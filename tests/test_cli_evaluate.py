"""`ganinvert evaluate`: what it writes, that it goes on where it stopped, and what it leaves out."""

from __future__ import annotations

import csv
import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from ganinvert.benchmark.candidates import load_candidates
from ganinvert.benchmark.comparison import METRICS
from ganinvert.benchmark.protocol import EvaluationProtocol
from ganinvert.settings import TASKS, preset_of
from ganinvert.tasks import Inverter

from .commandline import names, photo, run

COSTS = ("seconds", "memory")  # every run measures them anew
SMALL = ["-R", "2", "-K", "2", "--layer", "3", "--steps", "3", "--device", "cpu"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for n in range(3):
        photo(tmp_path / "in" / f"{n}.png", (16 + n, 20))
    return tmp_path / "in"


def rows(path: Path) -> list[dict[str, str]]:
    """Of a table, but for what it cost."""
    with path.open(newline="") as file:
        found = list(csv.DictReader(file))
    for row in found:
        for cost in COSTS:
            row.pop(cost, None)
    return [row for row in found if row.get("metric") not in COSTS]


def test_methods_are_compared_in_tables(generator: list[str], folder: Path, tmp_path: Path) -> None:
    command = ["evaluate", folder, "--method", "pmsfc,mganprior", *generator, *SMALL]
    result = run(*command, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    written = ["invert.csv", "invert.json", "invert.md", "invert.photos.csv", "results"]
    assert names(tmp_path / "out") == written
    assert [line for line in result.stdout.splitlines() if line.endswith((".md", "t.csv"))] == [
        str(tmp_path / "out" / "invert.csv"),
        str(tmp_path / "out" / "invert.md"),
    ]
    for words in ("PSNR, dB", "mganprior", "s/photo", "No published figures", "LPIPS with VGG is missing"):
        assert words in result.stderr
    table = rows(tmp_path / "out" / "invert.csv")
    assert {row["method"] for row in table} == {"pmsfc", "mganprior"}
    for row in table:
        assert row["definition"] == METRICS[row["metric"]].definition
        assert len(row["digest"]) == 64
        assert (row["count"], row["seed"], row["sample_seed"], row["resolution"]) == ("3", "0", "0", "16")
        for known in ("torch", "ganinvert", "lpips", "python", "command", "intervals", "settings_hash", "masks"):
            assert row[known]
    assert [row["codes"] for row in table if row["metric"] == "psnr"] == ["2", "4"]
    content = json.loads((tmp_path / "out" / "invert.json").read_text())
    assert content["photos"]["pmsfc"].keys() == {str(folder / f"{n}.png") for n in range(3)}
    means = {(each["method"], each["metric"]): each["mean"] for each in content["summaries"]}
    of_photos = [photo["psnr"] for photo in content["photos"]["mganprior"].values()]
    assert means["mganprior", "psnr"] == pytest.approx(sum(of_photos) / 3)


def test_tables_are_the_same_twice_and_after_a_stop(
    generator: list[str], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["evaluate", folder, "--task", "inpaint", "--hole", "pixels", "--method", "pmsfc,single", *generator]
    assert run(*command, *SMALL, "-o", tmp_path / "calm").exit_code == 0
    calm = (tmp_path / "calm" / "inpaint.csv").read_bytes()
    again = run(*command, *SMALL, "-o", tmp_path / "calm")
    assert again.stderr.count("up to date, skipped") == 6
    assert (tmp_path / "calm" / "inpaint.csv").read_bytes() == calm
    with monkeypatch.context() as patched:
        patched.setattr(Inverter, "run", stopping_at(4, Inverter.run))
        stopped = run(*command, *SMALL, "-o", tmp_path / "stopped")
    assert stopped.exit_code == 130
    assert names(tmp_path / "stopped") == ["results"]
    resumed = run(*command, *SMALL, "-o", tmp_path / "stopped")
    assert resumed.stderr.count("up to date, skipped") == 2
    for table in ("inpaint.csv", "inpaint.photos.csv"):
        assert rows(tmp_path / "stopped" / table) == rows(tmp_path / "calm" / table)


def test_workers_make_the_same_tables(generator: list[str], folder: Path, tmp_path: Path) -> None:
    command = ["evaluate", folder, "--task", "inpaint", "--hole", "pixels", "--method", "pmsfc-random", *generator]
    assert run(*command, *SMALL, "--limit", 2, "-o", tmp_path / "alone").exit_code == 0
    result = run(*command, *SMALL, "--limit", 2, "--workers", 2, "-o", tmp_path / "together")
    assert result.exit_code == 0, result.stderr
    assert rows(tmp_path / "alone" / "inpaint.photos.csv") == rows(tmp_path / "together" / "inpaint.photos.csv")


def test_a_candidate_is_asked_for_by_data(generator: list[str]) -> None:
    base = Inverter.load(generator[1], preset_of("single", "invert"), device="cpu")
    protocol = EvaluationProtocol(TASKS["invert"].trial())
    [candidate] = load_candidates(base, protocol, ["pmsfc-random"], sweep={"layer": [3], "R": [2], "K": [1]})
    request = pickle.loads(pickle.dumps(candidate.request))
    assert request == candidate.request
    assert request.open().inverter.settings_hash == candidate.inverter.settings_hash


def stopping_at(call: int, original: Callable[..., object]) -> Callable[..., object]:
    """Ctrl-C while the n-th batch is at work; the first is the one that warms up."""
    calls = 0

    def run_or_stop(*arguments: object, **options: object) -> object:
        nonlocal calls
        calls += 1
        if calls == call:
            raise KeyboardInterrupt
        return original(*arguments, **options)

    return run_or_stop


def test_a_corrupt_photo_is_told_of_once_and_in_no_mean(generator: list[str], folder: Path, tmp_path: Path) -> None:
    command = ["evaluate", folder, "--task", "colorize", "--method", "pmsfc,mganprior", *generator, *SMALL]
    assert run(*command, "-o", tmp_path / "whole").exit_code == 0
    (folder / "1b.png").write_bytes((folder / "1.png").read_bytes()[:200])
    result = run(*command, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert result.stderr.count("1b.png: ") == 1
    assert "1 of 4 photos are left out of every mean" in result.stderr
    own = {"photos_asked", "photos_left_out"}
    found, expected = ([{key: row[key] for key in row.keys() - own} for row in rows(tmp_path / name / "colorize.csv")]
                       for name in ("out", "whole"))  # fmt: skip
    assert found == expected
    assert {row["count"] for row in found} == {"3"}
    assert {row["photos_left_out"] for row in rows(tmp_path / "out" / "colorize.csv")} == {"1"}
    (folder / "0.png").unlink()
    for n in (1, 2):
        (folder / f"{n}.png").write_bytes(b"broken")
    nothing = run(*command, "-o", tmp_path / "nothing")
    assert nothing.exit_code == 1
    assert "no photo" in nothing.stderr


def test_a_photo_that_one_method_fails_on_is_in_no_mean(generator: list[str], folder: Path, tmp_path: Path) -> None:
    command = ["evaluate", folder, "--method", "pmsfc,single", *generator, *SMALL, "-o", tmp_path / "out"]
    (tmp_path / "out" / "results" / "single").mkdir(parents=True)
    (tmp_path / "out" / "results" / "single" / "1-png.invert.png").write_bytes(b"of someone else")
    result = run(*command)
    assert result.exit_code == 1
    assert "nothing shows that it is the same result" in result.stderr
    assert {row["count"] for row in rows(tmp_path / "out" / "invert.csv")} == {"2"}


def test_a_sweep_has_a_figure_and_does_not_replace_the_table(
    generator: list[str], folder: Path, tmp_path: Path
) -> None:
    command = ["evaluate", folder, *generator, "--steps", 2, "--device", "cpu", "-o", tmp_path / "out"]
    result = run(*command, "--method", "pmsfc", "--sweep", "R=1..2", "--sweep", "K=1,3", "--limit", 2,
                 "--curve", "--interpolation", 4)  # fmt: skip
    assert result.exit_code == 0, result.stderr
    kinds = [".csv", ".curve.csv", ".curve.png", ".interpolation.csv", ".interpolation.png", ".json", ".md",
             ".photos.csv", ".png"]  # fmt: skip
    assert names(tmp_path / "out") == ["invert.sweep" + kind for kind in kinds] + ["results"]
    for kind in (".png", ".curve.png", ".interpolation.png"):
        with Image.open(tmp_path / "out" / f"invert.sweep{kind}") as figure:
            assert min(figure.size) > 500
    points = [(row["subspaces"], row["codes"]) for row in rows(tmp_path / "out" / "invert.sweep.csv")]
    assert list(dict.fromkeys(points)) == [("1", "1"), ("1", "3"), ("2", "1"), ("2", "3")]
    curve = rows(tmp_path / "out" / "invert.sweep.curve.csv")
    assert [row["steps"] for row in curve] == ["1", "2"] * 4
    ways = rows(tmp_path / "out" / "invert.sweep.interpolation.csv")
    assert len(ways) == 4
    assert all(float(row["neighbours_max"]) >= float(row["neighbours_mean"]) > 0 for row in ways)
    layers = run(*command, "--method", "pmsfc", "-R", 2, "--sweep", "layer=2,5", "--limit", 1)
    assert layers.exit_code == 0, layers.stderr
    assert "Subspaces are random ones of equal sizes" in layers.stderr
    assert {row["masks"] for row in rows(tmp_path / "out" / "invert.sweep.csv")} == {"random"}


def test_photos_are_chosen_by_the_seed_alone(generator: list[str], folder: Path, tmp_path: Path) -> None:
    command = ["evaluate", "--task", "upscale", "--method", "single", *generator, *SMALL, "--limit", 2]
    found = []
    for n, (inputs, seed) in enumerate([([folder], 3), (sorted(folder.iterdir(), reverse=True), 3), ([folder], 4)]):
        result = run(*command, *inputs, "--sample-seed", seed, "-o", tmp_path / str(n))
        assert result.exit_code == 0, result.stderr
        found.append(names(tmp_path / str(n) / "results" / "single"))
    assert found[0] == found[1] != found[2]
    assert len(found[0]) == 2 * 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--method", "pmsfc,vae"], "'vae' is unknown"),
        (["--sweep", "R=1,two"], "lists no whole numbers"),
        (["--sweep", "R=3..1"], "lists no whole numbers"),
        (["--sweep", "width=3"], "nothing that can be swept"),
        (["--sweep", "R=0"], "subspaces (-R) cannot be 0"),
        (["--sweep", "layer=99"], "layer 99 does not exist"),
        (["--task", "colorize", "--interpolation", "8"], "from one inversion to the next"),
        (["--task", "upscale", "--factor", "5"], "5 times smaller"),
        (["--task", "inpaint", "--share", "2"], "share cannot be 2"),
        (["--task", "inpaint", "--layer", "3", "--share", "0.00001"], "leaves everything known"),
        (["-o", "FILE"], "is not a folder"),
    ],
)
def test_what_cannot_be_is_said_before_any_work(
    options: list[str], words: str, generator: list[str], folder: Path, tmp_path: Path
) -> None:
    file = photo(tmp_path / "file.png")
    options = [str(file) if option == "FILE" else option for option in options]
    result = run("evaluate", folder, "-o", tmp_path / "out", *generator, "-R", 2, "--steps", 1, *options)
    assert result.exit_code == 2, result.stderr
    assert words in result.stderr
    assert "hint: " in result.stderr
    assert not (tmp_path / "out").exists()


def test_methods_with_subspaces_need_a_discovery(small_file: Path, folder: Path, tmp_path: Path) -> None:
    command = ["evaluate", folder, "-g", small_file, "--steps", 1, "-o", tmp_path / "out"]
    missing = run(*command, "--method", "pmsfc")
    assert missing.exit_code == 3
    assert "no subspaces have been discovered" in missing.stderr
    assert run(*command, "--method", "mganprior,single").exit_code == 0
