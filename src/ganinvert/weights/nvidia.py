"""The tensors of NVIDIA's pickled networks, by their names."""

from __future__ import annotations

import io
import math
import pickletools
from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from ganinvert.errors import MissingNetworkError, WeightsError
from ganinvert.weights.pickles import PickledArray, PickledModule, PickledNetwork, PickledStorage, PickledTensor

_TUPLE = "NVIDIA's files hold the tuple (G, D, Gs)"
_DAMAGED = "the file is damaged or hostile"
_MOST_MODULES = 2_000  # a network of 1024 px has about a hundred
_TYPES = {
    f"torch {kind}Storage": dtype
    for kind, dtype in (("Float", "<f4"), ("Half", "<f2"), ("Double", "<f8"), ("Int", "<i4"), ("Long", "<i8"))
}

E = TypeVar("E", PickledModule, PickledTensor)


def tensorflow_variables(networks: object, budget: int, *, discriminator: bool = False) -> dict[str, Tensor]:
    """Read the variables of Gs, the averaged generator, or of D, from a pickle of (G, D, Gs) or of a generator alone.

    Together they may have no more than `budget` stored bytes: none is counted twice.

    Raises:
        MissingNetworkError: There is no D.
        WeightsError: The pickle holds no networks of TensorFlow, or is damaged.
    """
    several = list(networks) if isinstance(networks, tuple | list) and networks else [networks]
    if discriminator and len(several) != 3:
        raise MissingNetworkError("holds no discriminator", hint=_TUPLE)
    network = several[1 if discriminator else -1]
    if not isinstance(network, PickledNetwork):
        raise WeightsError("holds no TensorFlow network", hint=_TUPLE)
    return dict(_variables(network, budget))


def _variables(network: PickledNetwork, budget: int) -> Iterator[tuple[str, Tensor]]:
    state = getattr(network, "state", None)
    variables = state.get("variables") if isinstance(state, dict) else None
    if not isinstance(variables, list):
        raise WeightsError("its network has no variables", hint="the file is damaged or of a newer program")
    for variable in variables:
        if not isinstance(variable, tuple) or len(variable) != 2 or not isinstance(variable[0], str):
            raise WeightsError("its variables are not pairs of name and array", hint="the file is damaged")
        if not isinstance(variable[1], PickledArray):
            raise WeightsError(f"{variable[0]} is not an array", hint="the file is damaged")
        array = variable[1].numbers()
        budget -= array.nbytes
        if budget < 0:
            raise _too_many()
        # NumPy's view of the file's bytes is read-only; torch wants memory of its own.
        yield variable[0], torch.from_numpy(array.astype(np.float32))


def named_modules(module: PickledModule) -> Iterator[tuple[str, PickledModule]]:
    """A module and all modules in it, by their dotted names; "" for itself."""
    pending = [("", module)]
    for _ in range(_MOST_MODULES):
        if not pending:
            return
        name, module = pending.pop()
        yield name, module
        pending += [(_joined(name, key), part) for key, part in _entries(module, "_modules", PickledModule)]
    raise WeightsError("nests more modules than a network has", hint=_DAMAGED)


def module_tensors(module: PickledModule, budget: int) -> dict[str, Tensor]:
    """Read parameters and buffers of a module as float32, by their dotted names, as its state dict has them.

    Together they may have no more than `budget` stored bytes: none is counted twice. Raises WeightsError if a tensor
    reaches beyond its storage, or a storage is not what `torch.save` writes.
    """
    tensors: dict[str, Tensor] = {}
    for name, part in named_modules(module):
        for key, pickled in (*_entries(part, "_parameters", PickledTensor), *_entries(part, "_buffers", PickledTensor)):
            stored = _stored(pickled.storage)[pickled.offset :]
            sizes, steps = pickled.shape, pickled.strides
            budget -= math.prod(sizes) * stored.itemsize
            if budget < 0:
                raise _too_many()
            reach = sum((size - 1) * step for size, step in zip(sizes, steps, strict=True))
            if 0 in sizes or reach >= len(stored):
                raise WeightsError(f"{_joined(name, key)} has more values than its storage", hint=_DAMAGED)
            view = np.lib.stride_tricks.as_strided(stored, sizes, [step * stored.itemsize for step in steps])
            tensors[_joined(name, key)] = torch.from_numpy(view.astype(np.float32, order="C"))
    return tensors


def _entries(module: PickledModule, group: str, kind: type[E]) -> list[tuple[str, E]]:
    """The entries of a group of a module that are something, by name."""
    entries = module.state.get(group)
    if not isinstance(entries, dict):
        raise WeightsError(f"a {module.kind} has no {group}", hint="the file is damaged or of a newer program")
    found = [(key, entry) for key, entry in entries.items() if entry is not None]
    if not all(isinstance(key, str) and isinstance(entry, kind) for key, entry in found):
        raise WeightsError(f"the {group} of a {module.kind} are something else", hint=_DAMAGED)
    return found


def _joined(name: str, key: str) -> str:
    return f"{name}.{key}" if name else key


def _stored(storage: PickledStorage) -> np.ndarray[Any, Any]:
    """The numbers of a storage, a view of its bytes.

    They are five pickles (magic number, version, machine, the storage's description, its key), which are looked
    through here and not opened, the count of the numbers in 8 bytes, and the numbers.
    """
    file = io.BytesIO(storage.content)
    try:
        description = [list(pickletools.genops(file)) for _ in range(5)][3]
    except Exception as error:  # a damaged or hostile file can raise anything
        raise WeightsError("a storage cannot be read", hint=_DAMAGED) from error
    kind = next((str(argument) for opcode, argument, _ in description if opcode.name == "GLOBAL"), "")
    dtype, start = _TYPES.get(kind), file.tell() + 8
    count = int.from_bytes(storage.content[start - 8 : start], "little")
    if dtype is None:
        raise WeightsError(f"a storage holds {kind or 'something else'}, not numbers", hint=_DAMAGED)
    if len(storage.content) != start + count * np.dtype(dtype).itemsize:
        raise WeightsError("a storage does not have the size of its numbers", hint=_DAMAGED)
    return np.frombuffer(storage.content, dtype, count, start)


def _too_many() -> WeightsError:
    return WeightsError("claims more values than the file holds", hint=_DAMAGED)
