"""Kinds of trouble that people report of programs of this sort, those that no other test is about."""

from __future__ import annotations

import ast
import io
import os
import re
import subprocess
import sys
import zlib
from pathlib import Path
from typing import NoReturn

import httpx
import numpy as np
import pytest
from PIL import Image

import ganinvert
from ganinvert.errors import ImageError, WeightsError
from ganinvert.images import read, read_mask, require_picture
from ganinvert.weights.download import download

from .commandline import photo, run
from .pictures import png_chunk

SOURCE = Path(ganinvert.__file__).parent
LISTING = [sys.executable, "-m", "ganinvert", "fetch-weights", "--list"]
NO_PICTURES = {
    "a HEIC photo": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(400),
    "a web page": b"<!DOCTYPE html><html><body>404</body></html>",
    "a pointer of Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
    "a folder's thumbnails": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504),
}


@pytest.mark.parametrize("what", NO_PICTURES)
def test_other_files_under_the_name_of_a_photo_are_refused(what: str, tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(NO_PICTURES[what])
    with pytest.raises(ImageError, match=r"photo\.jpg: is not an image of a supported format") as caught:
        read(path)
    assert "HEIC" in caught.value.hint


@pytest.mark.parametrize("place", [33, -12], ids=["before the pixels", "after the pixels"])
@pytest.mark.parametrize(
    "text",
    [
        png_chunk(b"zTXt", b"prompt\0\0" + zlib.compress(bytes(2_000_000))),
        png_chunk(b"iTXt", b"prompt\0\1\0\0\0" + zlib.compress(bytes(2_000_000))),
        png_chunk(b"tEXt", b"prompt\0" + b"a" * 900_000) * 80,
    ],
    ids=["compressed", "compressed UTF-8", "many"],
)
def test_text_inside_a_picture_does_not_matter_however_long(text: bytes, place: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    Image.new("RGB", (8, 6), "red").save(buffer, "PNG", exif=exif)
    path = tmp_path / "picture.png"
    path.write_bytes(buffer.getvalue()[:place] + text + buffer.getvalue()[place:])
    require_picture(path)
    for source in (path, path.read_bytes()):
        picture = read(source)
        assert (picture.rgb.size, picture.rgb.getpixel((0, 0))) == ((6, 8), (255, 0, 0))


def test_a_mask_belongs_to_the_photo_as_it_is_seen(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    Image.new("RGB", (30, 20), "red").save(tmp_path / "turned.jpg", exif=exif)
    hole = np.zeros((30, 20), np.uint8)
    hole[5:9, 3:8] = 255
    seen = read(tmp_path / "turned.jpg").rgb.size
    assert seen == (20, 30)
    assert np.array_equal(read_mask(Image.fromarray(hole), seen), hole)
    with pytest.raises(ImageError, match="the mask is 30×20 pixels, but the photo is 20×30") as caught:
        read_mask(Image.fromarray(hole.T), seen)
    assert caught.value.hint


@pytest.mark.parametrize(
    "setting",
    [
        {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"},
        {"TERM": "dumb", "NO_COLOR": "1"},
        {"HOME": "/nonexistent"},
        {"HOME": ""},
    ],
    ids=["ascii", "dumb terminal", "no such home", "empty home"],
)
def test_the_command_line_works_in(setting: dict[str, str], tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GANINVERT_", "XDG_"))}
    result = subprocess.run(LISTING, env=kept | setting, cwd=tmp_path, capture_output=True, check=False)
    assert (result.returncode, result.stderr) == (0, b"")
    assert b"celebahq-1024 " in result.stdout
    assert not list(tmp_path.iterdir())


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    result = subprocess.run(LISTING, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert b"Traceback" not in result.stderr
    assert b"Exception ignored" not in result.stderr


def test_a_cache_that_cannot_be_written_is_named_before_the_download(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GANINVERT_OFFLINE", raising=False)
    monkeypatch.setenv("GANINVERT_CACHE_DIR", "/dev/null/cache")
    result = run("fetch-weights", "celebahq-1024")
    assert result.exit_code == 1
    assert "/dev/null/cache" in result.stderr
    assert "hint: " in result.stderr


def test_a_certificate_that_is_not_trusted_is_asked_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def refuse(_transport: object, request: httpx.Request) -> NoReturn:
        asked.append(request.url)
        raise httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate")

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", refuse)
    with pytest.raises(WeightsError, match="self-signed certificate; SSL_CERT_FILE names other certificates"):
        download(["https://a.example/net.pth"], tmp_path / "net.part", expected="0" * 64, watch=lambda _event: None)
    assert len(asked) == 1


def test_a_photo_is_never_replaced_by_its_result(tmp_path: Path) -> None:
    path = photo(tmp_path / "a.png")
    before = path.read_bytes()
    result = run("invert", path, "-o", path, "--overwrite", "-g", "portraits-64")
    assert result.exit_code == 2
    assert "would replace the input" in result.stderr
    assert path.read_bytes() == before


def test_assertions_do_nothing_that_would_be_missed_without_them() -> None:
    """Python leaves them out when it is started with -O."""
    harmless = ("isinstance", "len", "callable", "all", "any")
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Assert):
                calls = [ast.unparse(call.func) for call in ast.walk(node) if isinstance(call, ast.Call)]
                assert set(calls) <= set(harmless), f"{path}:{node.lineno}"


def test_every_kind_of_trouble_that_is_told_has_a_test() -> None:
    tests = Path(__file__).parent
    page = (tests.parent / "docs/reference/odd-places.md").read_text(encoding="utf-8")
    kinds = [line for line in page.splitlines() if "https://github.com/" in line]
    assert len(kinds) >= 30
    assert all("`test_" in line for line in kinds)
    there = set(
        re.findall(r"^def (test_\w+)", "".join(path.read_text("utf-8") for path in tests.glob("test_*.py")), re.M)
    )
    assert set(re.findall(r"`(test_\w+)`", page)) <= there
