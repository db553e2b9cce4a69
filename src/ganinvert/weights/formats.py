"""Generator files of different origin, turned into the canonical state dict.

Canonical keys are `layers.{n}.weight` (OIHW), `layers.{n}.bias` and `to_rgb.{weight,bias}`, with the
equalised-lr scale gain/√fan_in of Karras et al. 2018 folded into the weights. `layers.0` is the 4×4
convolution with padding 3 that maps z; its bias is per position, (C, 4, 4).

Files are told apart by their content, never by their name, and no pickle is executed.
"""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

import torch
from torch import Tensor

from ganinvert.errors import WeightsError
from ganinvert.weights.architecture import PGGANArchitecture, require_keys
from ganinvert.weights.tensorfile import TensorFile, digest

State = Mapping[str, Tensor]


@dataclass(frozen=True)
class GeneratorWeights:
    """A generator's canonical state dict and where it came from.

    Attributes:
        state: Canonical tensors, float32 on the CPU.
        architecture: Read from the tensors.
        name: What to call it in outputs.
        digest: Of the canonical tensors; the key under which subspaces are cached.
        about: The file's own notes, such as licence and origin.
    """

    state: State
    architecture: PGGANArchitecture
    name: str
    digest: str
    about: Mapping[str, str]


def read_generator(path: Path, *, name: str | None = None) -> GeneratorWeights:
    """Read a generator file of any known format.

    Args:
        path: A ganinvert `.safetensors` file, or a torch file with a canonical or genforce state dict.
        name: What to call the generator; the file's stem by default.

    Raises:
        WeightsError: The file is missing, damaged, of an unknown kind, has missing or extra keys, or NaNs.
    """
    try:
        if not path.exists():
            raise WeightsError("no such file", hint="check the spelling of the path")
        file = _open(path)
        state = _canonical(file.tensors)
        architecture = PGGANArchitecture.of(state)
        for key, tensor in state.items():
            if not torch.isfinite(tensor).all():
                raise WeightsError(f"{key} holds values that are not finite", hint="the file is damaged")
    except WeightsError as error:
        message = error.message if str(path) in error.message else f"{path}: {error.message}"
        raise WeightsError(message, hint=error.hint) from error
    return GeneratorWeights(state, architecture, name or path.stem, digest(state), file.about)


def _open(path: Path) -> TensorFile:
    with path.open("rb") as file:
        head = file.read(9)
    if len(head) == 9 and head[8:] == b"{":
        return TensorFile.load(path)
    if not zipfile.is_zipfile(path) and not head.startswith(b"\x80"):
        raise WeightsError("is neither a safetensors nor a torch file", hint=_KNOWN)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise WeightsError("cannot be read as plain tensors", hint=f"{_KNOWN}; or the file is damaged") from error
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise WeightsError("does not hold a flat state dict", hint=_KNOWN)
    return TensorFile({str(key): value for key, value in content.items()})


def _canonical(state: State) -> dict[str, Tensor]:
    for marker, convert in _CONVERTERS.items():
        if any(re.fullmatch(marker, key) for key in state):
            return {key: tensor.float().contiguous() for key, tensor in convert(state).items()}
    raise WeightsError(f"unknown keys, such as {', '.join(sorted(state)[:3]) or 'none at all'}", hint=_KNOWN)


def _from_genforce(state: State) -> State:
    """Genforce's layout: raw equalised-lr weights, gain √2, but 1 for ToRGB."""
    count = sum(re.fullmatch(r"layer\d+\.conv\.weight", key) is not None for key in state)
    block = count // 2 - 1
    expected = {f"layer{n}.{part}" for n in range(count) for part in ("conv.weight", "wscale.bias")}
    outputs = {f"output{block}.conv.weight", f"output{block}.wscale.bias"}
    # Genforce keeps the ToRGB of every resolution; only the last is part of the finished network.
    lower = {key for key in state if re.fullmatch(r"output\d+\.(conv\.weight|wscale\.bias)", key)} - outputs
    require_keys({key: None for key in state if key not in lower}, expected | outputs | {"lod"})
    if float(state["lod"]) != 0:
        raise WeightsError(
            f"lod is {float(state['lod']):g}, not 0", hint="the network was still growing: use a finished one"
        )
    canonical: dict[str, Tensor] = {}
    for n in range(count):
        weight, bias = state[f"layer{n}.conv.weight"].float(), state[f"layer{n}.wscale.bias"].float()
        canonical[f"layers.{n}.weight"] = weight * sqrt(2 / weight[0].numel())
        canonical[f"layers.{n}.bias"] = bias[:, None, None].expand(-1, 4, 4) if n == 0 and bias.ndim == 1 else bias
    weight = state[f"output{block}.conv.weight"].float()
    canonical["to_rgb.weight"] = weight / sqrt(weight[0].numel())
    canonical["to_rgb.bias"] = state[f"output{block}.wscale.bias"]
    return canonical


_CONVERTERS: Mapping[str, Callable[[State], State]] = {
    r"layers\.0\.weight": lambda state: state,
    r"layer0\.conv\.weight": _from_genforce,
}
_KNOWN = "known are ganinvert's .safetensors, and torch files with a canonical or a genforce state dict"
