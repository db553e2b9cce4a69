"""What every method and every task keeps, also those that are only registered here."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from typer.testing import CliRunner

import ganinvert
from ganinvert import files
from ganinvert.checkpoint import Checkpoints
from ganinvert.cli import application
from ganinvert.degradations import DEGRADATIONS
from ganinvert.errors import MissingNetworkError, UsageError
from ganinvert.metrics import to_unit
from ganinvert.optimize import Step
from ganinvert.settings import METHODS, TASKS, InpaintTask, InversionSettings, Request, TaskOptions, preset_of
from ganinvert.tasks.base import PreparedImage, Task

from . import toys
from .commandline import photo
from .conftest import EXAMPLE
from .test_cli_methods import known  # noqa: F401  (a fixture)

PLAIN = [name for name, entry in METHODS.items() if entry.presets_for("invert")]
"""Methods for generators that are not style-based, too."""
PAIRS = [
    *((method, task) for method, entry in METHODS.items() for task in TASKS if entry.presets_for(task)),
    ("patient", "invert"),
    ("pmsfc", "deblur"),
]


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch) -> None:
    toys.register(monkeypatch)


def _few(settings: InversionSettings, steps: int = 3) -> InversionSettings:
    """Few steps, and few candidates where the method has any."""
    fields = {"candidates": 8} if "candidates" in vars(settings.method) else {}
    tuning = settings.tuning and replace(settings.tuning, optimization=replace(settings.tuning.optimization, steps=2))
    optimization = replace(settings.optimization, steps=min(settings.optimization.steps, steps))
    return replace(settings, method=replace(settings.method, **fields), optimization=optimization, tuning=tuning)


def _session(method: str, task: str, generator: str | Path) -> ganinvert.Inverter:
    return ganinvert.Inverter.load(
        generator, _few(preset_of(method, task)), task=TASKS[task].trial().task(), device="cpu", dtype="float32"
    )


def _degraded(path: Path, task: TaskOptions) -> Image.Image:
    """A photo as someone who wants the task done has it."""
    with Image.open(path) as image:
        levels = torch.from_numpy(np.asarray(image.convert("RGB")).copy()).permute(2, 0, 1)
    picture = Task.of(task).degrade(levels, task.trial(), np.random.default_rng(0))
    if picture.alpha is not None:
        picture.rgb.putalpha(picture.alpha)
    return picture.rgb


def _photos(tmp_path: Path, task: str) -> list[Image.Image]:
    first = _degraded(photo(tmp_path / "a.png", (16, 16)), TASKS[task].trial().task())
    return [first, first.transpose(Image.Transpose.ROTATE_90)]


def equality(session: ganinvert.Inverter) -> Callable[[Tensor, Tensor], bool]:
    """Dot products of L-BFGS round by where in memory its vectors lie, and its line search follows."""
    if session.settings.optimization.optimizer == "lbfgs":
        return partial(torch.allclose, atol=0.05)
    return torch.equal


@pytest.mark.parametrize(("method", "task"), PAIRS)
def test_results_are_rendered_again_and_do_not_depend_on_company(
    method: str,
    task: str,
    known: list[str],
    tmp_path: Path,
) -> None:
    session = _session(method, task, known[1])
    prepared = [session.prepare(image) for image in _photos(tmp_path, task)]
    together, [alone] = session.run(prepared), session.run(prepared[1:])
    same = equality(session)
    for name, tensor in alone.bundle.tensors.items():
        assert same(tensor, together[1].bundle.tensors[name])
    assert same(alone.bundle.losses, together[1].bundle.losses)
    alone.bundle.save(tmp_path / "b.pt")
    image = ganinvert.LatentBundle.load(tmp_path / "b.pt").render(session.generator)
    levels = np.rint(to_unit(image)[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)
    assert np.array_equal(levels, np.asarray(alone.image.convert("RGB")))
    assert task == "deblur" or alone.metrics.get("deviation", 0) <= 1
    assert repr(alone).startswith(f"<Inversion: {task} by {method}, 16×16, ")


@pytest.mark.parametrize("method", [*PLAIN, "patient"])
def test_a_stopped_method_goes_on_to_the_same_bits(method: str, known: list[str], tmp_path: Path) -> None:
    session = _session(method, "invert", known[1])
    prepared = session.prepare(_photos(tmp_path, "invert")[0])
    [whole] = session.run([prepared])
    store = Checkpoints(session.settings_hash, {prepared.sha256: files.beside(tmp_path / "a.pt", files.CHECKPOINT)}, 1)

    def stop(step: Step) -> None:
        if step.index == 1:
            raise KeyboardInterrupt

    if session.settings.optimization.steps:
        with pytest.raises(KeyboardInterrupt):
            session.run([prepared], callback=stop, checkpoints=store)
    [again] = session.run([prepared], checkpoints=store)
    same = equality(session)
    assert same(whole.bundle.losses, again.bundle.losses)
    assert all(same(tensor, again.bundle.tensors[name]) for name, tensor in whole.bundle.tensors.items())


@pytest.mark.parametrize("method", [name for name in PLAIN if preset_of(name, "invert").method.networks])
def test_a_missing_network_is_named(method: str, small_file: Path) -> None:
    needed = preset_of(method, "invert").method.networks
    with pytest.raises(MissingNetworkError, match="|".join(needed)):
        _session(method, "invert", small_file)


@pytest.mark.parametrize("task", [*TASKS, "deblur"])
def test_every_task_measures_by_a_degradation_that_bundles_keep(task: str, small_file: Path, tmp_path: Path) -> None:
    session = _session("single", task, small_file)
    prepared = session.prepare(_photos(tmp_path, task)[0])
    assert prepared.measurement.kind in DEGRADATIONS
    assert prepared.measurement.is_sound()
    degradation = prepared.measurement.degradation(16)
    assert degradation(degradation.guess(prepared.measurement.y)).shape == prepared.measurement.y.shape
    assert session.request.task.identity["task"] == task


def test_a_further_task_is_a_command(known: list[str], tmp_path: Path) -> None:
    app, picture = application(), photo(tmp_path / "a.png", (16, 16))
    assert "Make blurred photos sharp." in CliRunner().invoke(app, ["--help"]).output
    command = ["deblur", str(picture), "--radius", "2", "--steps", "2", "-o", str(tmp_path), "--device", "cpu", *known]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    bundle = ganinvert.LatentBundle.load(tmp_path / "a.deblur.pt")
    assert (bundle.task, bundle.provenance["radius"]) == ("deblur", 2)


def test_a_further_task_and_method_are_evaluated(small_file: Path, tmp_path: Path) -> None:
    picture = photo(tmp_path / "a.png", (16, 16))
    command = ["evaluate", str(picture), "--task", "deblur", "--radius", "2", "--method", "patient", "--device", "cpu"]
    result = CliRunner().invoke(application(), [*command, "-g", str(small_file), "-o", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    rows = (tmp_path / "out" / "deblur.csv").read_text().splitlines()
    assert "radius" in rows[0]
    assert any(row.startswith("patient,psnr") for row in rows)


def test_a_further_method_is_a_choice(small_file: Path, tmp_path: Path) -> None:
    app, picture = application(), photo(tmp_path / "a.png", (16, 16))
    command = ["invert", str(picture), "--method", "patient", "-g", str(small_file), "--device", "cpu"]
    assert CliRunner().invoke(app, [*command, "-o", str(tmp_path)]).exit_code == 0
    assert ganinvert.LatentBundle.load(tmp_path / "a.invert.pt").method == "patient"
    assert ganinvert.colorize(picture, method="patient", generator=small_file, device="cpu").bundle.task == "colorize"


def test_a_misspelt_method_is_told_its_neighbour() -> None:
    with pytest.raises(UsageError, match="no method pmfsc") as caught:
        preset_of("pmfsc", "invert")
    assert caught.value.hint == "did you mean pmsfc?"
    assert CliRunner().invoke(application(), ["invert", str(EXAMPLE), "--method", "pmfsc"]).exit_code == 2


def test_the_documented_table_of_methods_is_that_of_the_entries() -> None:
    """To write it anew, paste what this test wants between the markers."""
    rows = ["| method | what is optimised | tasks | presets | needs |", "|---|---|---|---|---|"]
    for name, entry in METHODS.items():
        if name == "patient":
            continue
        styled = name not in PLAIN
        tasks = [task for task in TASKS if task != "deblur" and entry.presets_for(task, styled=styled)]
        presets = entry.presets_for("invert", styled=styled)
        cells = [", ".join(presets), ", ".join(presets["default"].networks)]
        rows.append(f"| [`{name}`]({name}.md) | {entry.about} | {', '.join(tasks)} | {cells[0]} | {cells[1] or '–'} |")
    page = (Path(__file__).parents[1] / "docs/methods/index.md").read_text()
    assert page.partition("<!-- methods -->\n")[2].partition("\n<!-- end -->")[0] == "\n".join(rows)


def test_an_accelerator_takes_photos_of_one_size_together(small_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = _session("single", "upscale", small_file)
    session = replace(session, request=replace(session.request, square=True), device=torch.device("cuda"))
    prepared = [session.prepare(Image.new("RGB", (side, side), colour)) for side, colour in ((8, 1), (4, 2), (8, 3))]
    batches: list[list[str]] = []

    def solve(photos: list[PreparedImage], *_: object) -> list[str]:
        batches.append([each.sha256 for each in photos])
        return batches[-1]

    monkeypatch.setattr(session.__class__, "_solve", lambda _self, photos, *rest: solve(photos, *rest))
    monkeypatch.setattr(session.__class__, "_results", lambda _self, _photos, solution: solution)
    assert session.run(prepared) == [each.sha256 for each in prepared]
    assert [len(batch) for batch in batches] == [2, 1]


def test_a_request_is_plain_data_with_the_presets_of_its_task() -> None:
    request = Request(InpaintTask(box=(1, 2, 3, 4)), reals=Path("photos"), seed=5)
    assert pickle.loads(pickle.dumps(request)) == request
    assert request.settings_for(styled=False) == preset_of("pmsfc", "inpaint")
    assert request.task.identity == {"task": "inpaint"}
    assert (request.faces, request.gives_whole) == ("all", True)
    assert (Request().faces, Request().gives_whole) == (1, False)
