"""NVIDIA's pickles of TensorFlow networks, read without TensorFlow and without executing anything.

The file is a pickled tuple (G, D, Gs) of `tfutil.Network` objects, whose state is a dictionary with the variables
as NumPy arrays. Every class and function that the pickle may name is replaced by a stub of this module that only
collects numbers; naming anything else ends the reading.
"""

from __future__ import annotations

import math
import mmap
import pickle
import pickletools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import torch
from torch import Tensor

from ganinvert.errors import MissingNetworkError, WeightsError

_MOST_OPCODES = 2_000_000  # the official files have a few thousand
_TUPLE = "NVIDIA's files hold the tuple (G, D, Gs)"
_FORBIDDEN = {"INST", "OBJ", "EXT1", "EXT2", "EXT4", "PERSID", "BINPERSID", "NEXT_BUFFER", "READONLY_BUFFER"}


class _Sealed(type):
    """A pickle may set attributes of what it names: not of these classes, which serve the next file too."""

    def __setattr__(cls, name: str, value: object) -> None:
        raise pickle.UnpicklingError(f"sets {name} of a class")


class _Network(metaclass=_Sealed):
    """A `tfutil.Network`: its state, uninterpreted. The source code in there stays text."""

    state: Mapping[str, Any]

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.state = state


class _Dict(dict[Any, Any], metaclass=_Sealed):
    """An `OrderedDict` or `EasyDict`."""

    def __setstate__(self, state: object) -> None:
        pass


class _Dtype(metaclass=_Sealed):
    """A `numpy.dtype` of floats."""

    def __init__(self, code: str = "", *_flags: object) -> None:
        if not isinstance(code, str) or not re.fullmatch(r"f[248]", code):
            raise pickle.UnpicklingError("an array holds something else than floats")
        self.code, self.order = code, "<"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = ">" if state[1] == ">" else "<"


class _Array(metaclass=_Sealed):
    """A `numpy.ndarray`: what it is made of. Nothing is copied before the sizes are known to be right."""

    parts: tuple[object, object, object, bool]

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _version, shape, dtype, fortran, data = state
        self.parts = shape, dtype, data, bool(fortran)


class _Scalar(_Array):
    """`numpy.core.multiarray.scalar`."""

    def __init__(self, dtype: object, data: object) -> None:
        self.parts = (), dtype, data, False


class _Reconstruct(metaclass=_Sealed):
    """`numpy.core.multiarray._reconstruct`, which makes the empty array that is filled later."""

    def __new__(cls, *_arguments: object) -> _Array:  # type: ignore[misc]  # a function in class's clothes
        return _Array()


class _Encoded(metaclass=_Sealed):
    """`_codecs.encode`, by which pickles of protocol 2 carry bytes."""

    def __init__(self, text: str, *_encoding: object) -> None:
        self.text = text


_STUBS: Mapping[str, type] = {
    **dict.fromkeys(("tfutil.Network", "network.Network", "dnnlib.tflib.network.Network"), _Network),
    **dict.fromkeys(("collections.OrderedDict", "config.EasyDict", "dnnlib.util.EasyDict"), _Dict),
    "numpy.ndarray": _Array,
    "numpy.dtype": _Dtype,
    "_codecs.encode": _Encoded,
    **{f"numpy.{core}.multiarray._reconstruct": _Reconstruct for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray.scalar": _Scalar for core in ("core", "_core")},
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        stub = _STUBS.get(f"{module}.{name}")
        if stub is None:
            raise pickle.UnpicklingError(f"it wants {module}.{name}")
        return stub


def read_nvidia(path: Path, *, discriminator: bool = False) -> dict[str, Tensor]:
    """Read the variables of Gs, the averaged generator, or of D, from a pickle of (G, D, Gs) or of a generator alone.

    Raises:
        MissingNetworkError: There is no D.
        WeightsError: The file is damaged, hostile, or something else.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            _check_opcodes(content)
            content.seek(0)
            networks = _Unpickler(content, encoding="latin1").load()
    except Exception as error:  # a damaged or hostile file can raise anything
        raise WeightsError(
            f"cannot be read as NVIDIA's pickle of networks: {str(error)[:120] or type(error).__name__}",
            hint="nothing was executed; the file is damaged, hostile or something else: fetch it from its origin",
        ) from error
    several = list(networks) if isinstance(networks, tuple | list) and networks else [networks]
    if discriminator and len(several) != 3:
        raise MissingNetworkError("holds no discriminator", hint=_TUPLE)
    network = several[1 if discriminator else -1]
    if not isinstance(network, _Network):
        raise WeightsError("holds no TensorFlow network", hint=_TUPLE)
    return dict(_variables(network, path.stat().st_size))


def _variables(network: _Network, budget: int) -> Iterator[tuple[str, Tensor]]:
    """Name and tensor of each variable, together of no more than `budget` stored bytes: none is counted twice."""
    state = getattr(network, "state", None)
    variables = state.get("variables") if isinstance(state, dict) else None
    if not isinstance(variables, list):
        raise WeightsError("its network has no variables", hint="the file is damaged or of a newer program")
    for variable in variables:
        if not isinstance(variable, tuple) or len(variable) != 2 or not isinstance(variable[0], str):
            raise WeightsError("its variables are not pairs of name and array", hint="the file is damaged")
        if not isinstance(variable[1], _Array):
            raise WeightsError(f"{variable[0]} is not an array", hint="the file is damaged")
        array = _numbers(*getattr(variable[1], "parts", (None, None, None, False)))
        budget -= array.nbytes
        if budget < 0:
            raise WeightsError("claims more values than the file holds", hint="the file is damaged or hostile")
        # NumPy's view of the file's bytes is read-only; torch wants memory of its own.
        yield variable[0], torch.from_numpy(array.astype(np.float32))


def _numbers(shape: object, dtype: object, data: object, fortran: bool) -> np.ndarray[Any, Any]:
    if isinstance(data, _Encoded):
        data = data.text
    raw = data.encode("latin1") if isinstance(data, str) else data
    if (
        not isinstance(dtype, _Dtype)
        or not isinstance(raw, bytes)
        or not isinstance(shape, tuple)
        or not all(isinstance(side, int) and side >= 0 for side in shape)
        or len(raw) != math.prod(shape) * int(dtype.code[1:])
    ):
        raise WeightsError("an array's data does not have the size of its shape", hint="the file is damaged or hostile")
    flat = np.frombuffer(raw, dtype.order + dtype.code)
    return flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)


def _check_opcodes(content: mmap.mmap) -> None:
    """Walk through the pickle without building anything.

    Python's unpickler reserves memory for any length or memo number that the file claims; after this walk no
    length exceeds the file and no memo number the count of its opcodes.
    """
    highest = 0
    for count, (opcode, argument, _position) in enumerate(pickletools.genops(cast(IO[bytes], content))):
        if opcode.name in _FORBIDDEN:
            raise pickle.UnpicklingError(f"uses the opcode {opcode.name}")
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT"):
            highest = max(highest, cast(int, argument))
        if count > _MOST_OPCODES or highest > count + 1:
            raise pickle.UnpicklingError("claims far more objects than a network has")
