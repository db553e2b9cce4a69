"""The page of `ganinvert ui`: its handlers, and what people do on it in a real browser."""

from __future__ import annotations

import gc
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import ganinvert
from ganinvert.cli import app
from ganinvert.errors import OutputError, UsageError
from ganinvert.generators import FAMILIES
from ganinvert.progress import report

from .conftest import EXAMPLE
from .families import StyleToy, toy_family, write
from .test_contract_generators import bundle_of
from .test_directions import CODES

gradio = pytest.importorskip("gradio", reason="needs Gradio: pip install 'ganinvert[ui]'")

from ganinvert.ui import edit, glance, server, strokes  # noqa: E402
from ganinvert.ui.changes import Changes  # noqa: E402
from ganinvert.ui.commands import program  # noqa: E402
from ganinvert.ui.parts import painted_mask  # noqa: E402
from ganinvert.ui.restore import CHOICES, Restoration, _Handlers  # noqa: E402
from ganinvert.ui.studio import Studio  # noqa: E402
from ganinvert.ui.work import Work  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # those of Gradio's parts are none of ours
STEPS = 12
TASK = {name: label for label, name in CHOICES.items()}
NONE = (False, 1, 0, 0, 0)
"""Losses of photos that have lost nothing."""
PATIENCE = 120_000
"""Milliseconds that a browser waits for anything."""


@pytest.fixture(scope="module", autouse=True)
def swept() -> Iterator[None]:
    """What Gradio leaves open goes where warnings of it are passed over."""
    yield
    gc.collect()


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    (tmp_path / "page").mkdir()
    return Studio("portraits-64", "cpu", tmp_path / "page")


class Client:
    """Stands in for `gr.Request`."""

    session_hash = "tab"


def painted(width: int, height: int, box: tuple[int, int, int, int]) -> dict[str, Any]:
    """An editor's value in which a rectangle is painted over."""
    layer = np.zeros((height, width, 4), np.uint8)
    left, top, right, bottom = box
    layer[top:bottom, left:right] = (224, 27, 138, 255)
    return {"background": None, "layers": [layer], "composite": None}


def test_what_is_painted_becomes_a_mask() -> None:
    mask = painted_mask(painted(20, 10, (2, 3, 8, 6)))
    assert mask.shape == (3, 10, 20)
    assert mask.sum() == 3 * 6 * 3
    assert painted_mask(painted(20, 10, (0, 0, 0, 0))) is None
    assert painted_mask(None) is None


@pytest.mark.parametrize("task", list(TASK))
def test_the_commands_do_again_what_the_page_did(task: str, studio: Studio, tmp_path: Path) -> None:
    handlers, state, outside = _Handlers(studio), Restoration(), tmp_path / "outside"
    outside.mkdir()
    photo = outside / "ann's face.png"
    side = 16 if task == "upscale" else 128
    Image.open(EXAMPLE).resize((side, side)).save(photo)
    handlers.open(state, str(photo), TASK[task])
    hole = painted(side, side, (side // 2, side // 2, side * 3 // 4, side * 3 // 4))
    losses = (True, 2, 0, 5, 30) if task == "restore" else NONE
    updates = list(handlers.restore(state, TASK[task], hole, None, 2, STEPS, 5, *losses, Client()))
    assert len(state.samples) == 2
    assert any("step" in str(update[2]) for update in updates)
    for sample in state.samples[1:]:
        content = {file.name: file.read_bytes() for file in sample.files}
        assert sample.picture.size == Image.open(sample.files[0]).size
        if task in ("inpaint", "restore"):
            (outside / sample.files[-1].name).write_bytes(sample.files[-1].read_bytes())
        before = os.getcwd()
        os.chdir(outside)
        try:
            exec(program(sample.run.python()), {})
            assert same_pixels(Path(sample.run.stem + ".png"), sample.files[0])
            words = shlex.split(sample.run.command())
            result = CliRunner().invoke(app, [*words[1:], "--overwrite"])
        finally:
            os.chdir(before)
        assert result.exit_code == 0, result.stderr
        assert (outside / f"{sample.run.stem}.png").read_bytes() == content[f"{sample.run.stem}.png"]


def same_pixels(path: Path, other: Path) -> bool:
    with Image.open(path) as one, Image.open(other) as another:
        return one.convert("RGB").tobytes() == another.convert("RGB").tobytes()


@pytest.fixture
def styled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Studio:
    monkeypatch.setitem(FAMILIES, "style", toy_family("style", StyleToy))
    (tmp_path / "page").mkdir()
    return Studio(str(write("style", tmp_path / "toy.safetensors")), "cpu", tmp_path / "page")


MOVES = {
    "studio": Changes("ganspace", (1.5, 0, 0, -2, 0, 0), subspaces=(0.5, 0, 1, 0, 0.5, 0)),
    "styled": Changes("sefa", (0, 1.2, 0, 0, 0, 0), (3, 3), 0.7),
}


@pytest.mark.parametrize("kind", list(MOVES))
def test_the_commands_make_the_edits_of_the_page(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio, changes = request.getfixturevalue(kind), MOVES[kind]
    handlers, state = edit._Handlers(studio), edit.Editing()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(edit, "FRAMES", 4)
    shutil.copy(EXAMPLE, "ann.jpg")
    mirrored(Path("bob.png"))
    last = list(handlers.invert(state, "ann.jpg", "bob.png", STEPS, 3, Client()))[-1]
    assert "PSNR" in last[6]
    [*looks, (picture, commands, lines)] = handlers.change(state, *edit._positions(changes))
    assert looks == []  # small images need none
    assert picture["value"].tobytes() != state.sources[0].picture.tobytes()
    handlers.keep(state, *edit._positions(changes))
    [kept] = studio.folder.glob("*/edited.png")
    exec(lines, {})
    assert same_pixels(Path("edited.png"), kept)
    for n, line in enumerate(commands.splitlines()):
        result = CliRunner().invoke(app, [*shlex.split(line)[1:], *(["--overwrite"] if n < 2 else [])])
        assert result.exit_code == 0, (line, result.stderr)
    made = sorted(tmp_path.glob("edited-*.png"), key=lambda path: path.stat().st_mtime_ns)
    assert any(same_pixels(path, kept) for path in made[-2:])
    film = list(handlers.film(state))[-1]
    with Image.open(film[4]["value"]) as frames:
        assert frames.n_frames > edit.FRAMES
    assert edit._go_back(state, SimpleNamespace(index=0)) == edit._positions(changes)


def test_a_first_look_shows_an_edit_of_a_large_image(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edit, "GLANCE", 32)
    monkeypatch.setattr(glance, "GLANCE", 32)
    handlers, state = edit._Handlers(studio), edit.Editing()
    list(handlers.invert(state, str(EXAMPLE), None, STEPS, 0, Client()))
    changes = Changes("ganspace", (2.0, 0, 0, -2.0, 0, 0), subspaces=(0,) * 6)
    look, last = (np.asarray(each[0]["value"], float) for each in handlers.change(state, *edit._positions(changes)))
    before = np.asarray(state.sources[0].picture, float)
    assert look.shape == last.shape
    assert 0 < np.abs(look - last).mean() < np.abs(before - last).mean() / 2


@pytest.mark.parametrize("kind", list(strokes.KINDS))
def test_the_commands_follow_the_strokes_of_the_page(
    kind: str, studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers, state = strokes._Handlers(studio), strokes.Painting()
    monkeypatch.chdir(tmp_path)
    shutil.copy(EXAMPLE, "ann.jpg")
    canvas = list(handlers.open(state, "ann.jpg", STEPS, 0, Client()))[-1][-1]["value"]
    assert canvas["background"].shape == (512, 512, 3)
    canvas["layers"] = painted(512, 512, (20, 20, 90, 400))["layers"]
    updates = list(handlers.change(state, canvas, kind, 0.1, True, Client()))
    assert any("step" in str(update[2]) for update in updates)
    *_, files, command, lines = updates[-1]
    kept = {Path(file).name: Path(file) for file in files["value"]}
    Path(f"ann.invert.{strokes.KINDS[kind]}.png").write_bytes(
        kept[f"ann.invert.{strokes.KINDS[kind]}.png"].read_bytes()
    )
    exec(lines, {})
    for name in ("ann.invert.edit.png", "ann.invert.edit.whole.png"):
        assert same_pixels(Path(name), kept[name])
    for line in command.splitlines():
        result = CliRunner().invoke(app, [*shlex.split(line)[1:], "--overwrite"])
        assert result.exit_code == 0, (line, result.stderr)
    for name in ("ann.invert.edit.png", "ann.invert.edit.whole.png", "ann.invert.edit.webp"):
        assert same_pixels(Path(name), kept[name])


def test_strokes_need_something_to_paint_on(studio: Studio) -> None:
    handlers, state, request = strokes._Handlers(studio), strokes.Painting(), (next(iter(strokes.KINDS)), 0.2)
    bundle = studio.folder / "a.pt"
    bundle_of(CODES["latent"](studio.generator, ""), studio.generator).save(bundle)
    some = painted(64, 64, (0, 0, 9, 9))
    with pytest.raises(gradio.Error, match="there is no photo"):
        list(handlers.open(state, None, None, 0, Client()))
    with pytest.raises(gradio.Error, match="nothing to paint on yet"):
        list(handlers.change(state, some, *request, False, Client()))
    list(handlers.open(state, str(bundle), None, 0, Client()))
    with pytest.raises(gradio.Error, match="nothing is painted"):
        list(handlers.change(state, painted(64, 64, (0, 0, 0, 0)), *request, False, Client()))
    with pytest.raises(gradio.Error, match="a bundle has no photo"):
        list(handlers.change(state, some, *request, True, Client()))


def test_edits_need_something_to_edit(studio: Studio) -> None:
    handlers, state = edit._Handlers(studio), edit.Editing()
    with pytest.raises(gradio.Error, match="there is no photo"):
        list(handlers.invert(state, None, None, None, 0, Client()))
    with pytest.raises(gradio.Error, match="nothing is changed yet"):
        handlers.keep(state, *edit._positions(MOVES["studio"]))
    list(handlers.invert(state, str(EXAMPLE), None, STEPS, 0, Client()))
    with pytest.raises(gradio.Error, match="no second photo to take from"):
        list(handlers.change(state, *edit._positions(MOVES["studio"])))


def test_errors_say_what_to_do(studio: Studio, tmp_path: Path) -> None:
    handlers, state = _Handlers(studio), Restoration()
    request = (state, TASK["inpaint"], None, None, 1, STEPS, 0, *NONE, Client())
    with pytest.raises(gradio.Error, match="there is no photo: drop one first"):
        list(handlers.restore(*request))
    wrong = tmp_path / "<b>.png"
    wrong.write_text("no picture")
    with pytest.raises(gradio.Error, match=r"&lt;b&gt;\.png: is not an image"):
        handlers.open(state, str(wrong), TASK["upscale"])
    handlers.open(state, str(EXAMPLE), TASK["inpaint"])
    for name in ("inpaint", "restore"):
        with pytest.raises(gradio.Error, match="nothing is painted: paint over"):
            list(handlers.restore(state, TASK[name], *request[2:]))


def test_work_that_nobody_looks_at_any_more_ends() -> None:
    ended = threading.Event()

    def endless(_work: Work[None]) -> None:
        try:
            while True:
                report("turning", 1, 2)
                time.sleep(0.01)
        finally:
            ended.set()

    looks = Work(endless).looks()
    assert next(looks).text in ("preparing", "turning")
    looks.close()
    assert ended.wait(5)


def test_the_server_refuses_what_it_cannot_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(server.tempfile, "tempdir", str(tmp_path))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(OutputError, match=f"cannot be served at 127.0.0.1, port {port}: taken"),
            server.serving(port=port),
        ):
            pass
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(server, "find_spec", lambda _: None)
    result = CliRunner().invoke(app, ["ui"])
    assert (result.exit_code, "pip install 'ganinvert[ui]'" in result.stderr) == (2, True)
    with pytest.raises(UsageError, match="needs Gradio"), server.serving():
        pass


def test_hosts_that_others_reach() -> None:
    assert all(map(server.is_loopback, ("127.0.0.1", "localhost", "::1", "127.1.2.3")))
    assert not any(map(server.is_loopback, ("0.0.0.0", "::", "192.168.1.4", "example.org")))


def test_others_need_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "is_loopback", lambda _: False)
    said: list[str] = []
    with server.serving(say=said.append) as address:
        for path in ("config", "gradio_api/queue/data?session_hash=a", f"gradio_api/file={EXAMPLE}"):
            with pytest.raises(urllib.error.HTTPError, match="401"):
                urllib.request.urlopen(address + path)
        password = said[1].rpartition(" ")[2]
        form = f"username={server.USER}&password={password}".encode()
        assert urllib.request.urlopen(address + "login", form).status == 200
    assert said[0].startswith("warning: others can reach this page")
    assert len(password) > 20


def test_ctrl_c_ends_it_and_leaves_nothing(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [
        sys.executable,
        "-c",
        "import signal; signal.signal(2, signal.default_int_handler)\nfrom ganinvert.cli import main; main()",
        "ui",
        str(EXAMPLE),
    ]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as page:
        assert page.stdout is not None
        address = page.stdout.readline().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", address)
        assert urllib.request.urlopen(address).status == 200
        assert [path.name[:13] for path in tmp_path.glob("ganinvert*")] == ["ganinvert-ui-"]
        page.send_signal(signal.SIGINT)
        _, errors = page.communicate(timeout=30)
    assert page.returncode == 130
    assert errors.splitlines()[-1] == "stopped"
    assert not list(tmp_path.glob("ganinvert*"))


# What follows needs a browser.


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with server.serving(EXAMPLE, device="cpu") as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    driver = pytest.importorskip("playwright.sync_api", reason="needs a driver: pip install playwright")
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next((found for name in names if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip("no Chromium here to look at the page with: apt-get install chromium")
    with driver.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


PICTURES = {
    "test_people_paint_a_hole_and_restore_it": "ui-restore.jpg",
    "test_a_slider_changes_the_image_at_once": "ui-edit.jpg",
    "test_the_image_follows_strokes": "ui-strokes.jpg",
}
"""Pictures of the how-to by the tests that make them, into the folder that PAGE_PICTURES names."""


def keep_picture(page: Any, name: str, folder: str) -> None:
    """Keep the window's upper part as a picture of the how-to."""
    page.evaluate("window.scrollTo(0, 0)")
    page.screenshot(path=Path(folder, "page.png"), full_page=True)
    with Image.open(Path(folder, "page.png")) as window:
        part = window.convert("RGB").crop((0, 0, window.width, min(window.height, 1340)))
    part.resize((960, part.height * 960 // part.width), Image.Resampling.LANCZOS).save(Path(folder, name), quality=82)
    Path(folder, "page.png").unlink()


@pytest.fixture
def visit(address: str, browser: Any, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Open the page in a new window; afterwards nothing has asked another host, and no script has failed."""
    foreign: list[str] = []
    failed: list[str] = []
    windows: list[Any] = []

    def check(route: Any) -> None:
        if route.request.url.startswith((address, "data:", "blob:")):
            route.continue_()
        else:
            foreign.append(route.request.url)
            route.abort()

    def visit(**options: Any) -> Any:
        windows.append(browser.new_context(viewport={"width": 1280, "height": 1000}, **options))
        windows[-1].set_default_timeout(PATIENCE)
        windows[-1].route("**/*", check)
        page = windows[-1].new_page()
        page.on("pageerror", lambda error: failed.append(str(error)))
        page.goto(address)
        page.get_by_text("resized to 64×64").wait_for()
        return page

    yield visit
    if (folder := os.environ.get("PAGE_PICTURES")) and (name := PICTURES.get(request.node.name)):
        keep_picture(windows[-1].pages[0], name, folder)
    for n, window in enumerate(windows):
        for page in window.pages:
            page.screenshot(path=tmp_path / f"window-{n}.png", full_page=True)
        window.close()
    assert (foreign, failed) == ([], [])


def few_steps(page: Any, steps: int = STEPS) -> None:
    page.get_by_role("button", name="More options").click()
    page.get_by_label("Steps of the optimisation").fill(str(steps))


def paint(page: Any, editor: str) -> None:
    """Draw a line over the middle of a picture; the editor takes strokes some time after it is seen."""
    canvas, drawn = page.locator(f"{editor} canvas").last, page.locator(f"{editor} button[aria-label=Undo]:enabled")
    canvas.wait_for()
    for _ in range(20):
        page.wait_for_timeout(1500)
        if drawn.count():
            return
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x - 30, y)
        page.mouse.down()
        page.mouse.move(x + 30, y, steps=8)
        page.mouse.up()


def mirrored(path: Path) -> Path:
    Image.open(EXAMPLE).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(path)
    return path


def downloaded(page: Any, number: int, folder: Path) -> Path:
    with page.expect_download() as download:
        page.locator("#restore-files a.download-link").nth(number).click()
    download.value.save_as(folder / download.value.suggested_filename)
    return folder / download.value.suggested_filename


def test_people_paint_a_hole_and_restore_it(visit: Callable[..., Any], tmp_path: Path) -> None:
    page = visit()
    page.get_by_label(TASK["inpaint"]).check()
    few_steps(page)
    paint(page, "#hole")
    page.locator("#restore").click()
    page.get_by_text("explains what is known").wait_for()
    picture, bundle, mask = (downloaded(page, n, tmp_path) for n in range(3))
    assert (picture.name, bundle.name, mask.name) == ("face.inpaint.png", "face.inpaint.pt", "face.mask.png")
    missing = np.asarray(Image.open(mask).convert("L")) > 128
    assert 0.005 < missing.mean() < 0.2
    assert missing[missing.shape[0] // 2, missing.shape[1] // 2]
    before, after = np.asarray(Image.open(EXAMPLE)), np.asarray(Image.open(picture))
    assert (before != after)[missing].any()
    assert ganinvert.LatentBundle.load(bundle).task == "inpaint"


def test_a_slider_changes_the_image_at_once(visit: Callable[..., Any], tmp_path: Path) -> None:
    page = visit()
    page.get_by_role("tab", name="Invert and edit").click()
    page.locator("input[type=file]").last.set_input_files(mirrored(tmp_path / "bob.png"))
    page.locator("#invert").click()
    page.get_by_text(re.compile("PSNR .* LPIPS")).wait_for()
    seen = [page.locator("#edited img").get_attribute("src")]
    for slider, value in (("#direction-1", "2"), ("#subspace-2", "1"), ("#direction-1", "-2")):
        field = page.locator(f"{slider} input[type=number]")
        field.fill(value)
        field.press("Enter")
        page.wait_for_function("src => document.querySelector('#edited img').src != src", arg=seen[-1])
        seen.append(page.locator("#edited img").get_attribute("src"))
    pictures = [page.request.get(src).body() for src in seen]
    assert len(set(pictures)) == 4


def test_the_image_follows_strokes(visit: Callable[..., Any]) -> None:
    page = visit()
    page.get_by_role("tab", name="Strokes").click()
    page.get_by_role("button", name="More options of the inversion to paint on").click()
    page.get_by_label("Steps of the optimisation").last.fill(str(STEPS))
    page.locator("#paint").click()
    paint(page, "#strokes-canvas")
    page.get_by_label("Change the whole photo, too").check()
    page.locator("#strokes").click()
    found = page.get_by_text(re.compile("difference to the strokes: ([0-9.]+) → ([0-9.]+) of 255"))
    found.wait_for()
    before, after = (float(each) for each in re.findall(r"[0-9]+\.[0-9]", found.inner_text())[:2])
    assert after < before / 2
    links = page.locator("#strokes-files a.download-link")
    names = [links.nth(n).get_attribute("download") for n in range(links.count())]
    assert "face.invert.edit.whole.png" in names


def test_stopping_keeps_what_is_there(visit: Callable[..., Any]) -> None:
    page = visit()
    few_steps(page, 50_000)
    page.locator("#restore").click()
    page.get_by_text(re.compile("step [0-9]+ of 50000")).wait_for()
    page.locator("#restore-present img").wait_for()
    page.locator("#restore-stop").click()
    page.get_by_text(re.compile("stopped after step [0-9]+ of 50000")).wait_for()
    assert page.locator("#restore-files a.download-link").count() == 2


def test_a_closed_tab_frees_the_others(visit: Callable[..., Any]) -> None:
    first, second = visit(), visit()
    few_steps(first, 50_000)
    first.locator("#restore").click()
    first.get_by_text(re.compile("step [0-9]+ of 50000")).wait_for()
    few_steps(second)
    second.locator("#restore").click()
    second.wait_for_timeout(1000)
    assert second.get_by_text("explains what is known").count() == 0
    first.close()
    second.get_by_text("explains what is known").wait_for()


def test_a_wrong_file_is_called_so(visit: Callable[..., Any], tmp_path: Path) -> None:
    page = visit()
    wrong = tmp_path / "notes.txt"
    wrong.write_text("no picture")
    page.get_by_label("Clear").first.click()
    page.locator("input[type=file]").first.set_input_files(wrong)
    page.get_by_text("notes.txt: is not an image of a supported format").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it(visit: Callable[..., Any], scheme: str) -> None:
    axe = pytest.importorskip("axe_core_python.sync_playwright", reason="needs pip install axe-core-python").Axe()
    page = visit(color_scheme=scheme)
    page.set_viewport_size({"width": 390, "height": 844})
    for tab in page.get_by_role("tab").all():
        tab.click()
        page.wait_for_timeout(500)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        found = [each for each in axe.run(page)["violations"] if each["impact"] in ("serious", "critical")]
        assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found] == []
