from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from ganinvert.cli import app
from ganinvert.errors import OutputError
from ganinvert.files import write_atomically, write_together
from ganinvert.images import comparison, encode_png

from .pictures import gradient, rgb_profile


def test_png_carries_metadata_and_comparison_shows_the_difference(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encode_png(gradient(), {"seed": 3}))
    with Image.open(tmp_path / "a.png") as image:
        assert json.loads(image.text["ganinvert"]) == {"seed": 3}
    strip = comparison(Image.new("RGB", (16, 16), (10, 10, 10)), Image.new("RGB", (16, 16), (20, 20, 20)), tile=32)
    assert strip.size == (96, 32)
    assert [strip.getpixel((x, 5))[0] for x in (5, 40, 70)] == [10, 20, 40]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "result.png"
    path.write_bytes(b"old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, full)
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutputError, match="No space left"):
        write_atomically(path, b"new")
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"result.png": b"old"}


def test_files_written_together_are_all_new_or_all_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, last = tmp_path / "a.png", tmp_path / "a.pt"
    write_together({first: b"old", last: b"old"})
    real, calls = os.fsync, []

    def second_fails(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", second_fails)
    with pytest.raises(OutputError, match=r"a\.pt: cannot be written: No space left"):
        write_together({first: b"new", last: b"new"})
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"a.png": b"old", "a.pt": b"old"}


@pytest.mark.parametrize("options", [[], ["--whole"], ["--no-metadata"]])
def test_nothing_private_of_the_photo_gets_into_results(options: list[str], small_file: Path, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    exif.get_ifd(0x8825).update({1: "N", 2: (51.0, 28.0, 38.0)})  # GPS
    photo = tmp_path / "photo.jpg"
    gradient().save(photo, exif=exif, icc_profile=rgb_profile(), comment=b"a secret")
    with Image.open(photo) as image:
        assert image.getexif().get_ifd(0x8825)
    command = ["invert", photo, "-o", tmp_path, "-g", small_file, "-R", 1, "-K", 1, "--steps", 2, *options]
    assert CliRunner().invoke(app, [*map(str, command), "--save", "image,comparison,bundle"]).exit_code == 0
    for kind in ("", ".comparison"):
        with Image.open(tmp_path / f"photo.invert{kind}.png") as image:
            assert set(image.info) <= {"ganinvert", *(["icc_profile"] if "--whole" in options else [])}
            assert ("ganinvert" in image.info) == ("--no-metadata" not in options)
            assert not image.getexif()
    for result in tmp_path.glob("photo.invert*"):
        assert b"a camera" not in result.read_bytes()
        assert b"a secret" not in result.read_bytes()
