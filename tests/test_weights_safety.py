"""Hostile files: nothing is executed, nothing large is allocated, and the refusal says what was wrong."""

from __future__ import annotations

import builtins
import io
import os
import pickle
import resource
import struct
import subprocess
import sys
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ganinvert.errors import WeightsError
from ganinvert.generators import load_discriminator, load_generator, read_generator
from ganinvert.weights.pickles import STUBS

from . import checkpoints

MARKER = "GANINVERT_TEST_EXECUTED"


class _Calls:
    """Pickles as a call of `function`."""

    def __init__(self, function: Any, *arguments: Any, state: Any = None) -> None:
        self.call = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self) -> Any:
        return self.call


def _hostile() -> dict[str, Any]:
    setter = f"__import__('os').environ.__setitem__('{MARKER}', '1')"
    return {
        "os.system": _Calls(os.system, "exit 1"),
        "builtins.eval": _Calls(builtins.eval, setter),
        "builtins.exec": _Calls(builtins.exec, setter),
        "subprocess": _Calls(subprocess.getoutput, "true"),
        "getattr chain": _Calls(getattr, _Calls(__import__, "os"), "system"),
        "nested reduce": _Calls(list, _Calls(map, _Calls(getattr, _Calls(__import__, "os"), "unsetenv"), [MARKER])),
        "inside a list": [1, {"variables": [("lod", _Calls(builtins.eval, setter))]}],
        "torch.load": _Calls(torch.load, "/dev/null"),
    }


@pytest.fixture(autouse=True)
def _nothing_runs(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.delenv(MARKER, raising=False)
    yield
    assert MARKER not in os.environ


@pytest.mark.parametrize("name", _hostile())
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_pickles_that_call_something_are_refused(name: str, protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "evil.pkl"
    content = pickle.dumps(_hostile()[name], protocol=protocol)
    path.write_bytes(content)
    with pytest.raises(WeightsError) as caught:
        read_generator(path)
    # Protocol 0 has no magic number: such a file is not even tried.
    assert ("of no known kind" if protocol == 0 else "it wants") in caught.value.message


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("name", _hostile())
def test_torch_files_that_call_something_are_refused(name: str, legacy: bool, tmp_path: Path) -> None:
    path = tmp_path / "evil.pth"
    torch.save(
        {"layers.0.weight": torch.zeros(1), "x": _hostile()[name]}, path, _use_new_zipfile_serialization=not legacy
    )
    with pytest.raises(WeightsError, match="cannot be read as plain tensors") as caught:
        read_generator(path)
    assert "weights_only" not in caught.value.message + caught.value.hint


def _with_network_state(state: bytes) -> bytes:
    """A tfutil.Network that is built with the state that `state`'s opcodes leave on the stack."""
    return b"\x80\x02ctfutil\nNetwork\n)\x81" + state + b"b."


MEMO_BOMB = b"\x80\x02N" + b"r" + struct.pack("<I", 0x7FFFFFF0) + b"."
PUT_BOMB = b"\x80\x02Np9999999999\n."
LONG_BYTES = b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40) + b"abc."
LONG_TEXT = b"\x80\x04X" + struct.pack("<I", 0xFFFFFFF0) + b"abc."


@pytest.mark.parametrize(
    "content",
    [
        MEMO_BOMB,
        PUT_BOMB,
        LONG_BYTES,
        LONG_TEXT,
        b"\x80\x04" + b"(" * 3_000_000 + b".",
        b"\x80\x04\x95" + struct.pack("<Q", 1 << 60) + b"N.",
        b"\x80\x02ctfutil\nNetwork\nN}X\x01\x00\x00\x00aK\x01s\x86b.",
        b"\x80\x02cnumpy\nndarray\n}X\x05\x00\x00\x00partsK\x01sb.",
        b"\x80\x04\x82\x01.",
        b"\x80\x02Pabc\n.",
        _with_network_state(b"N"),
        _with_network_state(b"}X\x09\x00\x00\x00variables]s"),
        b"\x80\x04",
        b"\x80\x04N.",
    ],
    ids=[
        "memo number",
        "memo number in text",
        "length of bytes",
        "length of text",
        "three million marks",
        "length of a frame",
        "attributes of a stub",
        "attributes of an array's class",
        "extension",
        "persistent id",
        "no state",
        "no variables",
        "header only",
        "None",
    ],
)
def test_malformed_pickles_are_refused_without_large_allocations(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bomb.pkl"
    path.write_bytes(content)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(WeightsError):
        read_generator(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 600_000  # KiB


def test_the_stubs_cannot_be_changed_by_a_pickle(tmp_path: Path) -> None:
    before = {name: dict(vars(stub)) for name, stub in STUBS.items()}
    for name in STUBS:
        module, _, attribute = name.rpartition(".")
        slots = b"N}X\x0c\x00\x00\x00__setstate__cnumpy\ndtype\ns\x86b."
        (tmp_path / "a.pkl").write_bytes(b"\x80\x02c" + f"{module}\n{attribute}\n".encode() + slots)
        with pytest.raises(WeightsError):
            read_generator(tmp_path / "a.pkl")
    assert {name: dict(vars(stub)) for name, stub in STUBS.items()} == before


def test_the_same_bytes_under_many_names_are_not_multiplied(tmp_path: Path) -> None:
    state = checkpoints.network(8).state_dict()
    good = checkpoints.tf_variables(state)
    shared = good[1][1]
    (tmp_path / "a.pkl").write_bytes(checkpoints.nvidia_pickle(good + [(f"x{n}", shared) for n in range(500)]))
    with pytest.raises(WeightsError, match="more values than the file holds"):
        read_generator(tmp_path / "a.pkl")
    shared = torch.zeros(1000)
    torch.save({"layers.0.weight": shared} | {f"layers.{n}.bias": shared for n in range(99)}, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match="more values than the file holds"):
        read_generator(tmp_path / "a.pth")


@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(1).expand(1 << 20, 1 << 20),
        torch.zeros(1 << 20, 1 << 20, device="meta"),
        torch.zeros(4, 4).to_sparse(),
        torch.zeros(4, dtype=torch.complex64),
    ],
    ids=["stride 0", "meta", "sparse", "complex"],
)
def test_tensors_that_are_not_plain_are_refused(tensor: torch.Tensor, tmp_path: Path) -> None:
    torch.save({"layers.0.weight": tensor}, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match=r"plain tensor|more values"):
        read_generator(tmp_path / "a.pth")


def test_arrays_must_have_the_size_they_claim(tmp_path: Path) -> None:
    content = checkpoints.nvidia_pickle(checkpoints.tf_variables(checkpoints.network(8).state_dict()), protocol=2)
    # The first array of Gs: the shape (16, 384) becomes (17, 384).
    wrong = content.replace(b"K\x10M\x80\x01\x86", b"K\x11M\x80\x01\x86")
    assert wrong != content
    (tmp_path / "a.pkl").write_bytes(wrong)
    with pytest.raises(WeightsError, match="size of its shape"):
        read_generator(tmp_path / "a.pkl")


def _rezipped(path: Path, compression: int, extra: bytes = b"") -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(content, "w", compression) as target:
        for member in source.infolist():
            target.writestr(member.filename, source.read(member))
        if extra:
            target.writestr("archive/data/bomb", extra)
    path.write_bytes(content.getvalue())


def test_zip_bombs_are_refused_by_their_directory(tmp_path: Path) -> None:
    path = checkpoints.write("canonical", checkpoints.network(8), tmp_path / "a.pth")
    _rezipped(path, zipfile.ZIP_DEFLATED, extra=bytes(50_000_000))
    assert path.stat().st_size < 2_000_000
    with pytest.raises(WeightsError, match="compressed members"):
        read_generator(path)


def test_overlapping_zip_members_are_refused(tmp_path: Path) -> None:
    path = checkpoints.write("canonical", checkpoints.network(8), tmp_path / "a.pth")
    content = bytearray(path.read_bytes())
    # The directory's records say that a member is larger than it is; sizes are at 20 and 24 of each record.
    record = content.find(b"PK\x01\x02")
    for offset in (20, 24):
        content[record + offset : record + offset + 4] = struct.pack("<I", 900_000_000)
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="unpack to more than the file holds"):
        read_generator(path)


def test_files_cut_short_are_called_so(tmp_path: Path) -> None:
    path, cut = tmp_path / "a.bin", tmp_path / "cut.bin"
    for kind in (*checkpoints.FORMATS, "own"):
        network = checkpoints.network(8)
        network.save(path) if kind == "own" else checkpoints.write(kind, network, path)
        for share in (0, 0.02, 0.3, 0.9, 0.999):
            cut.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
            with pytest.raises(WeightsError, match="is cut short: its end is missing" if share else "is empty"):
                read_generator(cut)


@pytest.mark.parametrize(
    ("content", "kind", "hint"),
    [
        (b"", "is empty", "fetch it again"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4665\n", "is a pointer of Git LFS", "git lfs pull"),
        (b"\xef\xbb\xbf\n<!DOCTYPE html><html>", "is a web page", "browser"),
        (b"<html><body>quota exceeded", "is a web page", "browser"),
        (b"<?xml version='1.0'?><net/>", "is an XML text", "wheel"),
        (b'{\n"message": "Not Found"}', "is a JSON text", "download failed"),
        (bytes(1000), "is of no known kind", "looked for"),
    ],
)
def test_files_without_weights_are_called_what_they_are(content: bytes, kind: str, hint: str, tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(content)
    for read in (load_generator, load_discriminator):
        with pytest.raises(WeightsError, match=kind) as caught:
            read(tmp_path / "a.pth")
        assert hint in caught.value.hint


def test_other_archives_programs_and_folders_are_called_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model.pth", b"x")
    with pytest.raises(WeightsError, match="is a zip archive of other files"):
        load_generator(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/code/__torch__.py", b"x")
    with pytest.raises(WeightsError, match="is a program of TorchScript"):
        load_generator(path)
    torch.save({"step": 1}, path)
    with pytest.raises(WeightsError, match="holds no tensors"):
        load_generator(path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "pytorch_model.bin").touch()
    with pytest.raises(WeightsError, match="is a folder") as caught:
        load_generator(tmp_path / "folder")
    assert "give a file in it: pytorch_model.bin" in caught.value.hint
    with pytest.raises(WeightsError, match="is a folder"):
        load_discriminator(tmp_path / "folder")


@settings(max_examples=150, deadline=None)
@given(
    position=st.floats(0, 1, exclude_max=True), value=st.binary(min_size=1, max_size=4), kind=st.sampled_from(range(3))
)
def test_damaged_bytes_never_crash(tmp_path_factory: Any, position: float, value: bytes, kind: int) -> None:
    name = ("nvidia-pkl", "gan-zoo-legacy", "genforce")[kind]
    folder = tmp_path_factory.getbasetemp()
    whole = folder / f"whole-{name}.bin"
    if not whole.exists():
        checkpoints.write(name, checkpoints.network(4), whole)
    content = bytearray(whole.read_bytes())
    start = int(len(content) * position**3)  # structure is at the beginning, numbers follow
    content[start : start + len(value)] = value
    (folder / "damaged.bin").write_bytes(content)
    # Numbers may be damaged without a trace; anything but our own error would end the test.
    with suppress(WeightsError):
        assert read_generator(folder / "damaged.bin").architecture.resolution == 4


def test_source_code_in_nvidias_pickle_stays_text(tmp_path: Path) -> None:
    # The writer puts `os.abort()` where NVIDIA's files carry the code of the network.
    path = checkpoints.write("nvidia-pkl", checkpoints.network(4), tmp_path / "a.pkl")
    assert b"os.abort()" in path.read_bytes()
    assert "tensorflow" not in sys.modules
    assert read_generator(path).architecture.resolution == 4
