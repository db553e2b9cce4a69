"""The tensors of NVIDIA's pickled networks, by their names."""

from __future__ import annotations

import io
import math
import pickletools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
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

Numbers = np.ndarray[Any, Any]
E = TypeVar("E", PickledModule, PickledTensor)


def tensorflow_variables(networks: object, budget: int, *, discriminator: bool = False) -> dict[str, Tensor]:
    """Read the variables of Gs, the averaged generator, or of D, from a pickle of (G, D, Gs) or of a generator alone.

    Together they may have no more than `budget` stored bytes: none is counted twice.

    Raises:
        MissingNetworkError: There is no D.
        WeightsError: The pickle holds no networks of TensorFlow, or is damaged.
    """
    return dict(_variables(_state(networks, discriminator), budget))


@dataclass(frozen=True)
class NetworkSettings:
    """Settings with which a network was built, as a pickle states them.

    Attributes:
        function: Name of the function that built it; empty if unknown.
        source: Source code of the module of that function, which is never executed.
        values: Strings and numbers that the function was given, by their names; None for anything else.
    """

    function: str
    source: str
    values: Mapping[str, str | float | None]


def tensorflow_settings(networks: object, *, discriminator: bool = False) -> NetworkSettings:
    """Read how Gs or D was built; see `tensorflow_variables`."""
    state = _state(networks, discriminator)
    function, source = (str(state.get(key) or "") for key in ("build_func_name", "build_module_src"))
    settings = state.get("static_kwargs")
    if not isinstance(settings, dict | None):
        raise WeightsError("its settings are no dictionary", hint=_DAMAGED)
    return NetworkSettings(function, source, {str(key): _plain(value) for key, value in (settings or {}).items()})


def _plain(value: object) -> str | float | None:
    """A string or number, also one of NumPy; None for anything else."""
    if isinstance(value, PickledArray) and (array := value.numbers()).size == 1:
        value = array.item()
    return value if isinstance(value, str | int | float) else None


def _state(networks: object, discriminator: bool) -> dict[str, Any]:
    several = list(networks) if isinstance(networks, tuple | list) and networks else [networks]
    if discriminator and len(several) != 3:
        raise MissingNetworkError("holds no discriminator", hint=_TUPLE)
    network = several[1 if discriminator else -1]
    if not isinstance(network, PickledNetwork):
        raise WeightsError("holds no TensorFlow network", hint=_TUPLE)
    state = getattr(network, "state", None)
    if isinstance(state, dict) and state.get("components"):
        hint = "`legacy.py` of NVIDIA's StyleGAN3 repository converts those of StyleGAN2 to ones of PyTorch"
        raise WeightsError("holds a StyleGAN of TensorFlow, which is not read", hint=hint)
    return state if isinstance(state, dict) else {}


def _variables(state: dict[str, Any], budget: int) -> Iterator[tuple[str, Tensor]]:
    variables = state.get("variables")
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


class ModuleTree:
    """A module of PyTorch and all modules in it.

    Args:
        root: The module as the pickle holds it.
        size: Size of the file in bytes, which all tensors together may not exceed: none is counted twice.
    """

    def __init__(self, root: PickledModule, size: int) -> None:
        self.size, self.kind = size, root.kind
        self._modules: dict[str, PickledModule] = {}
        pending = [("", root)]
        while pending:
            name, module = pending.pop()
            self._modules[name] = module
            if len(self._modules) > _MOST_MODULES:
                raise WeightsError("nests more modules than a network has", hint=_DAMAGED)
            pending += [(_joined(name, key), part) for key, part in _entries(module, "_modules", PickledModule)]

    def tensors(self) -> dict[str, Tensor]:
        """Read parameters and buffers as float32, by their dotted names, as a state dict has them.

        Raises WeightsError if a tensor reaches beyond its storage, or a storage is not what `torch.save` writes.
        """
        budget, tensors = self.size, dict[str, Tensor]()
        for module, part in self._modules.items():
            for group in ("_parameters", "_buffers"):
                for key, pickled in _entries(part, group, PickledTensor):
                    name = _joined(module, key)
                    stored = _stored(pickled.storage)[pickled.offset :]
                    budget -= math.prod(pickled.shape) * stored.itemsize
                    if budget < 0:
                        raise _too_many()
                    tensors[name] = _strided(name, stored, pickled.shape, pickled.strides)
        return tensors

    def setting(self, module: str, key: str) -> object:
        """A string, number or None among the attributes of a module, by its dotted name."""
        state = self._modules[module].state if module in self._modules else {}
        value = state.get(key, self)
        if isinstance(value, PickledArray) and (array := value.numbers()).size == 1:
            value = float(array.item())
        if not isinstance(value, str | int | float | None):
            raise WeightsError(f"its {module or self.kind} has no usual {key}", hint="the file is of another network")
        return value

    def number(self, module: str, key: str) -> float:
        """A number among the attributes of a module."""
        value = self.setting(module, key)
        if not isinstance(value, int | float):
            raise WeightsError(f"{key} of {module} is no number", hint="the file is of another network")
        return float(value)

    def require(self, module: str, **settings: str | float) -> None:
        """Refuse a module with other settings, which would make it compute something else."""
        for key, usual in settings.items():
            if (value := self.setting(module, key)) != usual:
                hint = "no network with this setting can be read"
                raise WeightsError(f"{key} of {module or self.kind} is {str(value)[:40]}, not {usual}", hint=hint)


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


def _stored(storage: PickledStorage) -> Numbers:
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


def _strided(name: str, stored: Numbers, sizes: tuple[int, ...], steps: tuple[int, ...]) -> Tensor:
    """A copy of the numbers that a tensor with these strides has in its storage."""
    reach = sum((size - 1) * step for size, step in zip(sizes, steps, strict=True))
    if 0 in sizes or reach >= len(stored):
        raise WeightsError(f"{name} has more values than its storage", hint=_DAMAGED)
    view = np.lib.stride_tricks.as_strided(stored, sizes, [step * stored.itemsize for step in steps])
    return torch.from_numpy(view.astype(np.float32, order="C"))


def _too_many() -> WeightsError:
    return WeightsError("claims more values than the file holds", hint=_DAMAGED)
