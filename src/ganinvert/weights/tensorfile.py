"""Safetensors files with their digest, licence and origin in the header."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from ganinvert.errors import WeightsError
from ganinvert.files import write_atomically
from ganinvert.weights.damage import unreadable

_DAMAGED = "the file is damaged: fetch it again"


def digest(tensors: Mapping[str, Tensor]) -> str:
    """Compute the SHA-256 of names, dtypes, shapes and values, in hexadecimal; equal networks have equal digests."""
    hasher = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        hasher.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        hasher.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return hasher.hexdigest()


@dataclass(frozen=True)
class TensorFile:
    """Named tensors and a description of them.

    Attributes:
        tensors: The tensors, on the CPU.
        about: Strings such as kind, licence and origin; JSON-encoded where a value is structured.
        digest: Digest of the tensors if the file stated it, which is checked; else empty.
    """

    tensors: Mapping[str, Tensor]
    about: Mapping[str, str] = field(default_factory=dict)
    digest: str = ""

    def save(self, path: Path) -> None:
        """Write atomically, with the digest added to the header."""
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.tensors.items()}
        header = {**self.about, "digest": digest(tensors)}
        write_atomically(path, safetensors.torch.save(tensors, header))

    @classmethod
    def load(cls, path: Path) -> TensorFile:
        """Read a file written by `save`, and check its digest.

        Raises:
            WeightsError: The file is missing, damaged, or its content does not match its digest.
        """
        try:
            with safetensors.safe_open(str(path), framework="pt", device="cpu") as file:
                about = dict(file.metadata() or {})
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a dict)
        except FileNotFoundError as error:
            raise WeightsError(f"{path}: no such file", hint="check the spelling of the path") from error
        except (OSError, safetensors.SafetensorError) as error:
            fault = unreadable("safetensors", error, detail=str(error), hint=_DAMAGED)
            raise WeightsError(f"{path}: {fault.message}", hint=fault.hint) from error
        stated = about.pop("digest", None)
        if stated is not None and stated != digest(tensors):
            raise WeightsError(f"{path}: its content does not match its digest", hint=_DAMAGED)
        return cls(tensors, about, stated or "")

    def structured(self, key: str) -> object:
        """Decode a JSON value of the header; None when it is absent."""
        try:
            return json.loads(self.about[key]) if key in self.about else None
        except (ValueError, RecursionError) as error:
            raise WeightsError(f"its header's {key} is not JSON", hint=_DAMAGED) from error
