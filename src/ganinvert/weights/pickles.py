"""NVIDIA's pickles of networks, of TensorFlow and of PyTorch, opened without executing anything.

Every class and function that such a pickle may name is replaced by a stub of this module that only collects numbers;
naming anything else ends the reading. Source code in the pickle stays text.
"""

from __future__ import annotations

import math
import mmap
import pickle
import pickletools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from ganinvert.errors import WeightsError
from ganinvert.weights.damage import unreadable

_MOST_OPCODES = 2_000_000  # the official files have a few thousand
_FORBIDDEN = {"INST", "OBJ", "EXT1", "EXT2", "EXT4", "PERSID", "BINPERSID", "NEXT_BUFFER", "READONLY_BUFFER"}


class _Sealed(type):
    """A pickle may set attributes of what it names: not of these classes, which serve the next file too."""

    def __setattr__(cls, name: str, value: object) -> None:
        raise pickle.UnpicklingError(f"sets {name} of a class")


class PickledNetwork(metaclass=_Sealed):
    """A `tfutil.Network` of TensorFlow: its state, uninterpreted."""

    state: Mapping[str, Any]

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.state = state


class _Dict(dict[Any, Any], metaclass=_Sealed):
    """An `OrderedDict` or `EasyDict`."""

    def __setstate__(self, state: object) -> None:
        pass


class _Dtype(metaclass=_Sealed):
    """A `numpy.dtype` of numbers."""

    def __init__(self, code: str = "", *_flags: object) -> None:
        if not isinstance(code, str) or not re.fullmatch(r"[biuf][1248]", code):
            raise pickle.UnpicklingError("an array holds something else than numbers")
        self.code, self.order = code, "<"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = ">" if state[1] == ">" else "<"


class PickledArray(metaclass=_Sealed):
    """A `numpy.ndarray`: what it is made of. Nothing is copied before the sizes are known to be right."""

    parts: tuple[object, object, object, bool]

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _version, shape, dtype, fortran, data = state
        self.parts = shape, dtype, data, bool(fortran)

    def numbers(self) -> np.ndarray[Any, Any]:
        """The array, a view of the file's bytes; `WeightsError` if they do not have the size of its shape."""
        shape, dtype, data, fortran = getattr(self, "parts", (None, None, None, False))
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
            hint = "the file is damaged or hostile"
            raise WeightsError("an array's data does not have the size of its shape", hint=hint)
        flat = np.frombuffer(raw, dtype.order + dtype.code)
        return flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)


class _Scalar(PickledArray):
    """`numpy.core.multiarray.scalar`."""

    def __init__(self, dtype: object, data: object) -> None:
        self.parts = (), dtype, data, False


class _Reconstruct(metaclass=_Sealed):
    """`numpy.core.multiarray._reconstruct`, which makes the empty array that is filled later."""

    def __new__(cls, *_arguments: object) -> PickledArray:  # type: ignore[misc]  # a function in class's clothes
        return PickledArray()


class _Encoded(metaclass=_Sealed):
    """`_codecs.encode`, by which pickles of protocol 2 carry bytes."""

    def __init__(self, text: str, *_encoding: object) -> None:
        self.text = text


class PickledModule(metaclass=_Sealed):
    """A `torch.nn.Module` that `torch_utils.persistence` pickled with its source code, which stays text.

    Attributes:
        kind: Name of its class.
        state: Its attributes, uninterpreted.
    """

    def __init__(self, meta: object) -> None:
        kind, state = (meta.get("class_name"), meta.get("state")) if isinstance(meta, dict) else (None, None)
        if not isinstance(kind, str) or not isinstance(state, dict):
            raise pickle.UnpicklingError("a module has no class or no state")
        self.kind = kind
        self.state: dict[Any, Any] = state

    def __setstate__(self, state: object) -> None:
        raise pickle.UnpicklingError("a module has two states")


class PickledStorage(metaclass=_Sealed):
    """The bytes of `torch.storage._load_from_bytes`, a file of `torch.save` in the file."""

    def __init__(self, content: object) -> None:
        raw = content.text.encode("latin1") if isinstance(content, _Encoded) else content
        if not isinstance(raw, bytes):
            raise pickle.UnpicklingError("a storage is not made of bytes")
        self.content = raw

    def __setstate__(self, state: object) -> None:
        raise pickle.UnpicklingError("a storage has two states")


class PickledTensor(metaclass=_Sealed):
    """The arguments of `torch._utils._rebuild_tensor_v2`."""

    def __init__(self, storage: object, offset: object, shape: object, strides: object, *_others: object) -> None:
        sizes = (offset, *shape, *strides) if isinstance(shape, tuple) and isinstance(strides, tuple) else (None,)
        if (
            len(sizes) % 2 == 0
            or not isinstance(storage, PickledStorage)
            or not all(type(size) is int and size >= 0 for size in sizes)
        ):
            raise pickle.UnpicklingError("a tensor is not made of a storage and sizes")
        self.storage, self.offset = storage, cast(int, offset)
        self.shape, self.strides = cast("tuple[int, ...]", shape), cast("tuple[int, ...]", strides)

    def __setstate__(self, state: object) -> None:
        raise pickle.UnpicklingError("a tensor has two states")


class _Parameter(metaclass=_Sealed):
    """`torch._utils._rebuild_parameter`, of a tensor."""

    def __new__(cls, tensor: object, *_others: object) -> object:  # type: ignore[misc]  # a function in class's clothes
        return tensor


class _Set(set[Any], metaclass=_Sealed):
    """A `set`."""


STUBS: Mapping[str, type] = {
    **dict.fromkeys(("tfutil.Network", "network.Network", "dnnlib.tflib.network.Network"), PickledNetwork),
    **dict.fromkeys(("collections.OrderedDict", "config.EasyDict", "dnnlib.util.EasyDict"), _Dict),
    "numpy.ndarray": PickledArray,
    "numpy.dtype": _Dtype,
    "_codecs.encode": _Encoded,
    **{f"{module}.set": _Set for module in ("builtins", "__builtin__")},
    "torch_utils.persistence._reconstruct_persistent_obj": PickledModule,
    "torch.storage._load_from_bytes": PickledStorage,
    "torch._utils._rebuild_tensor_v2": PickledTensor,
    "torch._utils._rebuild_parameter": _Parameter,
    **{f"numpy.{core}.multiarray._reconstruct": _Reconstruct for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray.scalar": _Scalar for core in ("core", "_core")},
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        stub = STUBS.get(f"{module}.{name}")
        if stub is None:
            raise pickle.UnpicklingError(f"it wants {module}.{name}")
        return stub


def unpickled(path: Path) -> object:
    """Open a pickle of NVIDIA: plain containers, and stubs in place of networks, arrays and tensors.

    Raises:
        WeightsError: The file is damaged, hostile, or something else.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            _check_opcodes(content)
            content.seek(0)
            return _Unpickler(content, encoding="latin1").load()
    except Exception as error:  # a damaged or hostile file can raise anything
        hint = "nothing was executed; the file is damaged, hostile or something else: fetch it from its origin"
        detail = str(error)[:120] or type(error).__name__
        raise unreadable("NVIDIA's pickle of networks", error, detail=detail, hint=hint) from error


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
