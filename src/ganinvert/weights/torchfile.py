"""Torch files (`.pth`, `.pt`, `.bin`) read as plain tensors; nothing in them is executed."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.serialization import safe_globals

from ganinvert.errors import WeightsError
from ganinvert.weights.damage import unreadable

LARGEST = 4 << 30
"""No network that is read here comes near 4 GiB."""

_LEGACY = bytes.fromhex("80028a0a6cfc9c46f9206aa85019")  # torch.save before 1.6: no zip, but this number first


_SETTINGS = ("models.utils.config.BaseConfig", "argparse.Namespace")


class _Config:
    """Stand-in for the classes of training settings in checkpoints, whose code is not loaded."""

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__ = dict(state)


def is_torch_file(path: Path) -> bool:
    """True if the content begins as torch.save writes it, in the present or the former format."""
    with path.open("rb") as file:
        return file.read(len(_LEGACY)) == _LEGACY or zipfile.is_zipfile(path)


def read_torch(path: Path) -> Mapping[str, Any]:
    """Read a torch file that holds a dictionary; training settings in it become a dictionary of their own."""
    if zipfile.is_zipfile(path):
        _check_zip(path)
    try:
        with safe_globals([(_Config, name) for name in _SETTINGS]):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged or hostile file can raise anything
        hint = "nothing was executed; the file is damaged, or holds more than tensors: fetch it, or save a state dict"
        raise unreadable("plain tensors", error, detail=_first_line(error), hint=hint) from error
    if not isinstance(content, dict):
        raise WeightsError(f"holds a {type(content).__name__}, not a state dict", hint="save the state dict instead")
    return {str(key): vars(value) if isinstance(value, _Config) else value for key, value in content.items()}


def require_plain(state: Mapping[str, Tensor]) -> None:
    """Refuse tensors that are sparse, quantised, complex or without data, or claim more values than are stored.

    With a stride of 0, or many names for the same bytes, a small file can pose as terabytes.
    """
    stored: dict[int, int] = {}
    for key, tensor in state.items():
        if tensor.device.type != "cpu" or tensor.layout != torch.strided or tensor.is_quantized or tensor.is_complex():
            raise WeightsError(f"{key} is not a plain tensor", hint="save the state dict as ordinary float tensors")
        stored[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
    if sum(tensor.numel() * tensor.element_size() for tensor in state.values()) > sum(stored.values()):
        raise WeightsError("claims more values than the file holds", hint="the file is damaged or hostile")


def _check_zip(path: Path) -> None:
    """Refuse zip bombs by the zip's directory; torch.save stores its members uncompressed and apart."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        hint = "the file is damaged or cut short: fetch it again"
        raise WeightsError("its zip directory cannot be read", hint=hint) from error
    names = [member.filename for member in members]
    if any("/code/" in name for name in names):
        raise WeightsError("is a program of TorchScript", hint="it is never executed: save its state dict instead")
    if not any(name.endswith("data.pkl") for name in names):
        raise WeightsError("is a zip archive of other files", hint="unpack it, and give the file of a network")
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise WeightsError("has compressed members, which torch never writes", hint="the file is not what it seems")
    if sum(member.file_size for member in members) > min(path.stat().st_size, LARGEST):
        hint = "the file is not what it seems: do not use it"
        raise WeightsError("its members unpack to more than the file holds", hint=hint)


def _first_line(error: Exception) -> str:
    # Torch's advice to switch its protection off comes after the first sentence, and is not for us to pass on.
    text = (str(error).splitlines() or [""])[0]
    unsupported = str(error).partition("GLOBAL ")[2].split()
    return f"it wants {unsupported[0]}" if unsupported else text.split(". ")[0][:120] or type(error).__name__
