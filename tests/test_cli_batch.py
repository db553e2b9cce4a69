"""How every command treats many inputs: what is taken, named, skipped, counted and said."""

from __future__ import annotations

import io
import json
import os
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import BinaryIO

import pytest
import torch
import typer
from filelock import FileLock
from PIL import Image

import ganinvert
from ganinvert import files, progress
from ganinvert.batch import inputs
from ganinvert.batch import photos as photo_sessions
from ganinvert.batch.inputs import Input, expand
from ganinvert.batch.job import Job, Product
from ganinvert.batch.outputs import SUFFIXES, plan_outputs
from ganinvert.batch.photos import FIRST_BATCH, PhotoSession
from ganinvert.batch.requests import PhotoRequest
from ganinvert.batch.session import Watch
from ganinvert.bundle import LatentBundle
from ganinvert.devices import MEMORY_SHARE, images_that_fit, watch_memory
from ganinvert.errors import InputError, InsufficientMemoryError, UsageError, WeightsError
from ganinvert.settings import InversionSettings, Optimization, PmSFC

from .commandline import QUICK, names, photo, program, run
from .conftest import EXAMPLE
from .standins import FunctionSession, run_jobs

ITEM_KEYS = {
    "event", "inputs", "status", "outputs", "metrics", "outcome", "notes", "warning", "seconds", "settings_hash",
    "input_sha256", "error", "hint",
}  # fmt: skip
SUMMARY_KEYS = {
    "event", "schema", "command", "done", "skipped", "failed", "planned", "unfinished", "seconds", "exit_code",
    "report",
}  # fmt: skip


def labels(inputs: list[Input], folder: Path) -> list[str]:
    return [os.path.relpath(each.label, folder) for each in inputs]


def test_folders_are_read_in_natural_order_without_what_is_no_input(tmp_path: Path) -> None:
    for name in ("10.png", "2.png", "B.JPG", "a.jpg", "sub/3.png", "2.invert.png", ".hidden.png", ".cache/4.png"):
        photo(tmp_path / name)
    (tmp_path / "notes.txt").write_text("text")
    assert labels(expand([tmp_path]), tmp_path) == ["2.png", "10.png", "a.jpg", "B.JPG"]
    everything = expand([tmp_path], recursive=True)
    assert labels(everything, tmp_path) == ["2.png", "10.png", "a.jpg", "B.JPG", "sub/3.png"]
    assert everything[-1].subfolder == Path("sub")
    for name in ("1.invert.pt", "1.render.pt", "1.render.png"):
        (tmp_path / name).touch()
    assert labels(expand([tmp_path], suffixes=frozenset({".pt"})), tmp_path) == ["1.invert.pt"]


def test_each_input_is_taken_once(tmp_path: Path) -> None:
    first, second = photo(tmp_path / "a.png"), photo(tmp_path / "b.png")
    found = expand([second, tmp_path, Path(os.path.relpath(first)), second])
    assert [each.path.name for each in found] == ["b.png", "a.png"]


@pytest.mark.parametrize("separator", [b"\n", b"\r\n", b"\0"])
def test_a_list_of_paths_is_read_as_bytes(separator: bytes, tmp_path: Path) -> None:
    wanted = [photo(tmp_path / "a b.png"), tmp_path / os.fsdecode(b"caf\xe9.png")]
    listing = tmp_path / "list"
    listing.write_bytes(separator.join([*(os.fsencode(path) for path in wanted), b""]))
    assert [each.path for each in expand([], from_file=listing)] == wanted


def test_no_input_says_why(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    listing = tmp_path / "list"
    listing.write_text("\n")
    for arguments, words in (
        ([], "no input"),
        (["--from-file", listing], "lists nothing"),
        (["--from-file", tmp_path / "missing"], "cannot be read: No such file"),
        (["--from-file", "-", "-"], "both an input and the list"),
        ([tmp_path / "empty"], "holds no file to treat"),
    ):
        result = run("invert", *arguments)
        assert result.exit_code == 2
        assert words in result.stderr
        assert "hint: " in result.stderr


def test_our_own_pictures_in_a_folder_are_known_by_their_content(generator: list[str], tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    assert run("invert", tmp_path, "-o", tmp_path, "--name", "{stem}-again", *generator, *QUICK).exit_code == 0
    assert labels(expand([tmp_path]), tmp_path) == ["a.png"]
    assert len(expand([tmp_path / "a-again.png"])) == 1  # named, it is an input as any other
    again = run("invert", tmp_path, "-o", tmp_path, "--name", "{stem}-again", *generator, *QUICK)
    assert "up to date" in again.stderr


def test_stdin_in_and_stdout_out_are_the_bytes_alone(generator: list[str], tmp_path: Path) -> None:
    picture = photo(tmp_path / "a.png")
    run("invert", picture, "-o", tmp_path, *generator, *QUICK)
    result = run("invert", "-", "-o", "-", *generator, *QUICK, stdin=picture.read_bytes())
    assert result.exit_code == 0, result.stderr
    assert result.stdout_bytes == (tmp_path / "a.invert.png").read_bytes()
    assert "-: PSNR" in result.stderr
    broken = run("invert", "-", "-o", tmp_path / "out", *generator, *QUICK, stdin=b"no picture")
    assert broken.exit_code == 1
    assert "error: -: is not an image" in broken.stderr
    named = run("invert", "-", "-o", tmp_path / "out", *generator, *QUICK, stdin=picture.read_bytes())
    assert names(tmp_path / "out") == ["stdin.invert.png", "stdin.invert.pt"], named.stderr


@pytest.mark.parametrize("command", ["invert", "render", "edit"])
def test_pipes_are_inputs_as_files_are(command: str, generator: list[str], tmp_path: Path) -> None:
    run("invert", photo(tmp_path / "a.png"), "-o", tmp_path, *generator, *QUICK)
    source = tmp_path / {"invert": "a.png", "render": "a.invert.pt", "edit": "a.invert.pt"}[command]
    more = {"invert": [*generator[2:], *QUICK], "render": [], "edit": ["--direction", "sefa-0"]}[command]
    run(command, source, "-o", tmp_path, "--overwrite", *generator[:2], *more)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    threading.Thread(target=pipe.write_bytes, args=[source.read_bytes()], daemon=True).start()
    result = run(command, pipe, "-o", tmp_path / "out", *generator[:2], *more)
    assert result.exit_code == 0, result.stderr
    expected = (tmp_path / f"{source.stem}.{command}.png").read_bytes()
    assert (tmp_path / "out" / f"pipe.{command}.png").read_bytes() == expected


def test_a_pipe_that_cannot_be_opened_is_an_error_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, kind: type[InputError]) -> BinaryIO:
        raise kind(f"{path}: permission denied")

    monkeypatch.setattr(inputs, "open_input", refuse)
    os.mkfifo(tmp_path / "pipe")
    first, second = inputs.expand([tmp_path / "pipe", photo(tmp_path / "a.png")])
    assert "permission denied" in str(first.problem)
    assert (second.label, second.problem) == (str(tmp_path / "a.png"), None)


def test_what_stdout_cannot_take_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = photo(tmp_path / "a.png"), photo(tmp_path / "b.png")
    assert "stdout takes one result" in run("invert", first, second, "-o", "-").stderr
    assert "both the picture and --json" in run("invert", first, "-o", "-", "--json", "-R", 1, "--steps", 1).stderr
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO()))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    with pytest.raises(UsageError, match="cannot be shown on a terminal"):
        plan_outputs([expand([first])], Path("-"), task="invert", suffixes=SUFFIXES)
    monkeypatch.setattr(sys, "stdin", sys.stdout)
    with pytest.raises(UsageError, match="stdin, which is a terminal"):
        expand([Path("-")])


def planned(*sources: str, target: str = "out", name: str = "{stem}.{task}") -> list[list[str]]:
    groups = [[Input(source, Path(source), Path(source).stem)] for source in sources]
    items = plan_outputs(groups, Path(target), task="invert", suffixes=SUFFIXES, name=name)
    return [[str(path) for path in item.paths.values()] for item in items]


def test_results_are_named_by_target_and_template() -> None:
    assert planned("x/a.png") == [["out/a.invert.png", "out/a.invert.comparison.png", "out/a.invert.pt"]]
    assert planned("x/a.png", target="b.png") == [["b.png", "b.comparison.png", "b.pt"]]
    found = planned("x/a.jpg", "y/a.png", name="{parent}/{index:03}-{stem}-{suffix}")
    assert [paths[0] for paths in found] == ["out/x/001-a-jpg.png", "out/y/002-a-png.png"]


@pytest.mark.parametrize(
    ("sources", "options", "words"),
    [
        (["x/a.png", "y/a.jpg"], {}, "would both be written to out/a.invert.png"),
        (["a.png", "b.png"], {"name": "{task}"}, "would both be written to"),
        (["a.png"], {"name": "{stem}", "target": "."}, "would replace the input a.png"),
        (["a.png", "b.png"], {"target": "c.png"}, "one file, but there are 2 inputs"),
        (["a.png"], {"name": "{stm}"}, "unknown field {stm}"),
        (["a.png"], {"name": "{stem"}, "is no template"),
        (["a.png"], {"name": "../{stem}"}, "no name inside the folder"),
        (["a.png"], {"name": ""}, "no name inside the folder"),
    ],
)
def test_names_that_cannot_be_are_found_before_any_work(
    sources: list[str], options: dict[str, str], words: str
) -> None:
    with pytest.raises(UsageError) as caught:
        planned(*sources, **options)
    assert words in caught.value.message
    assert caught.value.hint


def test_subfolders_are_mirrored_and_results_never_become_inputs(generator: list[str], tmp_path: Path) -> None:
    for name in ("a.png", "sub/a.png"):
        photo(tmp_path / "in" / name)
    command = ["invert", "-r", tmp_path / "in", "-o", tmp_path / "in", "--save", "image,bundle,comparison"]
    first = run(*command, *generator, *QUICK)
    assert first.exit_code == 0, first.stderr
    assert len(first.stdout.splitlines()) == 6
    assert "a.invert.pt" in names(tmp_path / "in" / "sub")
    again = run(*command, *generator, *QUICK)
    assert "0 inverted, 2 skipped, 0 failed" in again.stderr


def test_json_lines_have_exactly_these_keys(generator: list[str], tmp_path: Path) -> None:
    good, bad = photo(tmp_path / "a.png"), tmp_path / "missing.png"
    command = ["invert", good, bad, "-o", tmp_path / "out", "--json", *generator, *QUICK]
    result = run(*command)
    *items, summary = map(json.loads, result.stdout.splitlines())
    assert [set(item) for item in items] == [ITEM_KEYS, ITEM_KEYS]
    assert set(summary) == SUMMARY_KEYS
    done, failed = sorted(items, key=lambda item: item["status"])
    assert (done["status"], done["inputs"]) == ("done", [str(good)])
    assert done["outputs"] == {kind: str(tmp_path / "out" / f"a.invert.{end}") for kind, end in
                               (("image", "png"), ("bundle", "pt"))}  # fmt: skip
    assert set(done["metrics"]) == {"psnr", "ssim", "lpips"}
    assert done["outcome"] == "stalled"
    assert "hardly moved" in done["warning"]
    assert done["notes"] == ["20×16, centre-cropped to 16×16"]
    assert done["error"] is None
    assert (failed["status"], failed["outputs"], failed["metrics"]) == ("failed", {}, {})
    assert "no such file" in failed["error"]
    assert failed["hint"]
    assert summary["schema"] == 1
    assert summary["command"] == "invert"
    counts = {key: summary[key] for key in ("done", "skipped", "failed", "planned", "unfinished", "exit_code")}
    assert counts == {"done": 1, "skipped": 0, "failed": 1, "planned": 0, "unfinished": 0, "exit_code": 1}
    assert summary["report"] is None
    again = run(*command[:2], *command[3:], "--save", "image,bundle,report")
    item, summary = map(json.loads, again.stdout.splitlines())
    assert summary["report"] == str(tmp_path / "out" / "invert.report.html")
    assert (set(item), item["status"]) == (ITEM_KEYS, "skipped")
    assert item["settings_hash"] == done["settings_hash"]
    assert (summary["skipped"], summary["exit_code"]) == (1, 0)


def test_all_that_a_result_shows_makes_an_input_another(generator: list[str], tmp_path: Path) -> None:
    """Its transparency, and around a result that is put back, the rest of the photo."""
    picture = photo(tmp_path / "a.png", (20, 16))
    with Image.open(picture) as image:
        plain = image.convert("RGBA")
    for n, (change, options) in enumerate(
        [
            (lambda image: image.putalpha(200), []),
            (lambda image: image.putpixel((0, 0), (1, 2, 3, 255)), ["--whole"]),
        ]
    ):
        plain.save(picture)
        command = ["invert", picture, "-o", tmp_path / str(n), "--align", "off", *options, *generator, *QUICK]
        assert run(*command).exit_code == 0
        assert "up to date" in run(*command).stderr
        changed = plain.copy()
        change(changed)
        changed.save(picture)
        assert "nothing shows that it is the same result" in run(*command).stderr


def test_a_dry_run_names_what_would_be_written_and_writes_nothing(generator: list[str], tmp_path: Path) -> None:
    done, new = photo(tmp_path / "a.png"), photo(tmp_path / "b.png")
    run("invert", done, "-o", tmp_path / "out", *generator, *QUICK)
    before = names(tmp_path / "out")
    result = run("invert", done, new, "-o", tmp_path / "out", "--dry-run", *generator, *QUICK)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [str(tmp_path / "out" / f"b.invert.{end}") for end in ("png", "pt")]
    assert "1 skipped, 0 failed, 1 planned" in result.stderr
    assert names(tmp_path / "out") == before


def test_fail_fast_stops_at_the_first_failure(generator: list[str], tmp_path: Path) -> None:
    command = ["invert", tmp_path / "missing.png", photo(tmp_path / "a.png"), "-o", tmp_path / "out", "--fail-fast"]
    result = run(*command, *generator, *QUICK)
    assert result.exit_code == 1
    assert "0 inverted, 0 skipped, 1 failed, 1 unfinished" in result.stderr
    assert names(tmp_path / "out") == []


def test_pictures_carry_no_metadata_when_none_is_wanted(generator: list[str], tmp_path: Path) -> None:
    run("invert", photo(tmp_path / "a.png"), "-o", tmp_path / "out", "--no-metadata", *generator, *QUICK)
    with Image.open(tmp_path / "out" / "a.invert.png") as image:
        assert image.info == {}


def test_names_that_are_no_text_work_everywhere(generator: list[str], tmp_path: Path) -> None:
    picture = photo(tmp_path / "a.png").rename(tmp_path / os.fsdecode(b"caf\xe9.png"))
    process = program("invert", picture, "-o", tmp_path / "out", *generator, *QUICK, "--json", errors="surrogateescape")
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    written = json.loads(stdout.splitlines()[0])["outputs"]["bundle"]
    assert os.fsencode(written).endswith(b"caf\xe9.invert.pt")
    assert os.path.exists(written)


def test_a_name_too_long_is_an_error_before_the_work(generator: list[str], tmp_path: Path) -> None:
    picture = photo(tmp_path / f"{'a' * 245}.png")
    result = run("invert", picture, "-o", tmp_path / "out", *generator, *QUICK)
    assert result.exit_code == 1
    assert "File name too long" in result.stderr
    assert "step" not in result.stderr
    assert names(tmp_path / "out") == []


def counting(results: list[list[str]], *, capacity: int = 100) -> FunctionSession:
    """A session that writes the job's label, and has no memory for more than `capacity` at once."""

    def make(batch: Sequence[tuple[Job, str]], _watch: Watch) -> list[Product]:
        if len(batch) > capacity:
            raise InsufficientMemoryError("no room", hint="none")
        results.append([label for _, label in batch])
        return [Product({"bundle": label.encode()}) for _, label in batch]

    return FunctionSession(make, size=8)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Scalar:
    """A loss that notes when it is read."""

    def __init__(self, value: float, read: list[int]) -> None:
        self.value, self.read = value, read

    def mean(self) -> float:
        self.read.append(int(self.value))
        return self.value


def stepping(read: list[int]) -> FunctionSession:
    """A session of three steps, which notes when their loss is read."""
    session = counting([])

    def run(batch: Sequence[tuple[Job, str]], watch: Watch) -> list[Product]:
        for n in range(1, 4):
            loss = Scalar(n, read)
            watch(SimpleNamespace(index=n - 1, steps=3, loss=loss, psnr=Scalar(n, [])))  # type: ignore[arg-type]
        time.sleep(0.25)  # bars are drawn ten times a second
        return session.make(batch, watch)

    return replace(session, make=run, size=1)


def test_progress_is_bars_on_a_terminal_and_lines_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The state of a step is looked at by time, not at every step: on a device that would be a wait."""
    groups = [[Input(str(n), tmp_path / str(n), str(n))] for n in range(2)]
    seen = {}
    for name in ("terminal", "pipe"):
        terminal, looked = Terminal(), list[int]()
        items = plan_outputs(groups, tmp_path / name, task="invert", suffixes={"bundle": ".pt"})
        with monkeypatch.context() as patch:
            patch.setenv("COLUMNS", "100")
            if name == "terminal":
                patch.setattr(sys, "stderr", terminal)
            run_jobs(items, stepping(looked))
        assert looked == [1, 3, 1, 3]
        seen[name] = terminal.getvalue() or capsys.readouterr().err
    for words in ("━", "all", "1/2", "3/3", "loss 3.0000  PSNR 3.0 dB", "s/step"):
        assert words in seen["terminal"]
    assert seen["pipe"].splitlines() == [
        line
        for n in "01"
        for line in (f"{n}: step 1/3, loss 1.0000  PSNR 1.0 dB", f"{n}: step 3/3, loss 3.0000  PSNR 3.0 dB")
    ] + ["2 done, 0 skipped, 0 failed"]


def test_phases_beside_the_steps_show_their_progress(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    session, terminal = stepping([]), Terminal()
    make = session.make

    def run(batch: Sequence[tuple[Job, str]], watch: Watch) -> list[Product]:
        for n in range(3):
            progress.report("comparing", n, 8)
            time.sleep(0.3)
        return make(batch, watch)

    for name in ("terminal", "pipe"):
        groups = [[Input("a", tmp_path / "a", "a")]]
        items = plan_outputs(groups, tmp_path / name, task="invert", suffixes={"bundle": ".pt"})
        with monkeypatch.context() as patch:
            patch.setenv("COLUMNS", "100")
            if name == "terminal":
                patch.setattr(sys, "stderr", terminal)
            run_jobs(items, replace(session, make=run))
    assert "a: comparing" in terminal.getvalue()
    assert "2/8" in terminal.getvalue()
    assert "3/3" in terminal.getvalue()
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "a: comparing: 0/8 images"
    assert [line.split(",")[0] for line in lines[1:]] == ["a: step 1/3", "a: step 3/3"]


def test_short_memory_halves_the_batch_and_goes_on(tmp_path: Path) -> None:
    groups = [[Input(str(n), tmp_path / str(n), str(n))] for n in range(10)]
    items = plan_outputs(groups, tmp_path / "out", task="invert", suffixes={"bundle": ".pt"})
    made: list[list[str]] = []
    run_jobs(items, counting(made, capacity=2))
    assert made == [["0", "1"], ["2", "3"], ["4", "5"], ["6", "7"], ["8", "9"]]
    assert len(names(tmp_path / "out")) == 10


def test_a_fault_of_ours_is_an_error_of_the_item(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    groups = [[Input(str(n), tmp_path / str(n), str(n))] for n in range(3)]
    made: list[list[str]] = []

    def read(job: Job) -> str:
        return str(2 / (1 - int(job.label)))

    jobs = plan_outputs(groups, tmp_path / "out", task="invert", suffixes={"bundle": ".pt"})
    with pytest.raises(typer.Exit) as caught:
        run_jobs(jobs, replace(counting(made), read=read))
    assert caught.value.exit_code == 1
    assert made == [["2.0", "-2.0"]]
    message = capsys.readouterr().err
    assert "error: 1: unexpected ZeroDivisionError: division by zero" in message
    assert "hint: this is a fault of ganinvert" in message
    assert "Traceback" not in message


def test_missing_weights_of_an_item_are_the_exit_code(tmp_path: Path) -> None:
    [item] = plan_outputs(
        [[Input("a", tmp_path / "a", "a")]], tmp_path / "out", task="invert", suffixes={"bundle": ".pt"}
    )

    def refuse(_job: Job) -> str:
        raise WeightsError("no generator", hint="fetch it")

    with pytest.raises(typer.Exit) as caught:
        run_jobs([item], replace(counting([]), read=refuse))
    assert caught.value.exit_code == 3


def test_an_item_in_other_hands_is_left_for_last(tmp_path: Path) -> None:
    groups = [[Input(name, tmp_path / name, name)] for name in ("a", "b")]
    items = plan_outputs(groups, tmp_path, task="invert", suffixes={"bundle": ".pt"})
    made: list[list[str]] = []
    lock = FileLock(files.beside(items[0].last, "lock"))
    lock.acquire()

    def make_and_release(batch: Sequence[tuple[Job, str]], watch: Watch) -> list[Product]:
        lock.release()
        return counting(made).make(batch, watch)

    run_jobs(items, FunctionSession(make_and_release))
    assert made == [["b"], ["a"]]
    assert names(tmp_path) == ["a.invert.pt", "b.invert.pt"]


def test_results_are_the_same_bits_in_any_company(generator: list[str], tmp_path: Path) -> None:
    pictures = [photo(tmp_path / f"{name}.png", (20 + n, 16)) for n, name in enumerate("abc")]
    found = []
    for n, (chosen, size) in enumerate([(pictures, "auto"), (pictures[1:2], "auto"), (pictures[::-1], "2")]):
        result = run("invert", *chosen, "-o", tmp_path / str(n), "--batch-size", size, *generator, *QUICK)
        assert result.exit_code == 0, result.stderr
        found.append(LatentBundle.load(tmp_path / str(n) / "b.invert.pt"))
    for other in found[1:]:
        assert all(torch.equal(other.tensors[name], tensor) for name, tensor in found[0].tensors.items())
        assert torch.equal(other.losses, found[0].losses)
        assert other.metrics == found[0].metrics


def test_an_inverter_gives_the_same_bits_in_any_company(generator: list[str]) -> None:
    settings = InversionSettings(PmSFC(subspaces=2, codes=2), Optimization(steps=3))
    inverter = ganinvert.Inverter.load(generator[1], settings, device="cpu", dtype="float32")
    with Image.open(EXAMPLE) as image:
        targets = [inverter.prepare(image.rotate(angle)) for angle in (0, 90)]
    together, [single_image_only] = inverter.run(targets), inverter.run(targets[1:])
    assert torch.equal(together[1].bundle.tensors["z"], single_image_only.bundle.tensors["z"])
    assert torch.equal(together[1].bundle.tensors["w"], single_image_only.bundle.tensors["w"])


def test_the_batch_grows_to_what_fits_into_memory(generator: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """As on an accelerator, whose memory is told by the first batch."""
    inverter = ganinvert.Inverter.load(generator[1], device="cpu", settings=InversionSettings(PmSFC(subspaces=2)))
    monkeypatch.setattr(ganinvert.Inverter, "run", lambda *_, **__: [])
    monkeypatch.setattr(photo_sessions, "images_that_fit", lambda *_: 23)
    monkeypatch.setattr(photo_sessions, "watch_memory", lambda _: None)
    accelerated = replace(inverter, device=torch.device("cuda"))
    session = PhotoSession(PhotoRequest(inverter.request), accelerated)
    assert session.batch_size == FIRST_BATCH
    session.run([], lambda _: None)
    assert session.batch_size == 23
    assert PhotoSession(PhotoRequest(inverter.request, batch_size=5), accelerated).batch_size == 5
    assert PhotoSession(PhotoRequest(inverter.request, batch_size=5), inverter).batch_size == 1


@pytest.mark.cuda
def test_what_fits_is_measured() -> None:
    device = torch.device("cuda")
    watch_memory(device)
    torch.empty(1 << 28, dtype=torch.uint8, device=device)
    fitting = images_that_fit(device, 2)
    assert fitting is not None
    assert 0.5 < fitting * (1 << 27) / (MEMORY_SHARE * torch.cuda.mem_get_info()[0]) < 1.5
