"""State dicts of networks, found in the files of other programs under whatever keys they lie."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping

from torch import Tensor

from ganinvert.errors import WeightsError

State = Mapping[str, Tensor]

_WRAPPERS = {"module", "_orig_mod"}  # of DataParallel, and of torch.compile
_AVERAGED = {"avgG", "avg", "average", "averaged", "ema", "EMA", "Gs", "running", "shadow", "smooth"}
_TRAINED = {"netG", "generator", "G", "g"}
_DEEPEST = 4
"""Dictionaries in one another that are looked into: a network lies no deeper than its optimiser."""

_log = logging.getLogger(__name__)


def flatten(content: Mapping[str, object]) -> dict[str, object]:
    """Values of dictionaries in one another, by their dotted keys, without the names of wrappers of PyTorch.

    Tensors that require a gradient are detached. Raises WeightsError if a key is there with and without a wrapper.
    """
    flat: dict[str, object] = {}
    for key, value in _leaves(content, "", {id(content)}):
        name = ".".join(part for part in key.split(".") if part not in _WRAPPERS)
        if name in flat:
            raise WeightsError(
                f"holds {name[:80]} twice", hint="with and without the name of a wrapper: save one of them"
            )
        flat[name] = value.detach() if isinstance(value, Tensor) and value.requires_grad else value
    return flat


def _leaves(content: Mapping[str, object], prefix: str, seen: set[int], depth: int = 1) -> Iterator[tuple[str, object]]:
    """Values that are no dictionaries; a dictionary that is there twice, or in itself, counts once."""
    for key, value in content.items():
        if not isinstance(value, Mapping):
            yield f"{prefix}{key}", value
        elif depth < _DEEPEST and id(value) not in seen:
            seen.add(id(value))
            yield from _leaves(value, f"{prefix}{key}.", seen, depth + 1)


def find_networks(tensors: State, key: str) -> dict[str, State]:
    """Find the networks that have a key of the pattern, and return their state dicts by the keys they lie under."""
    pattern = re.compile(rf"((?:.*\.)?)(?:{key})")
    prefixes = {match[1] for name in tensors if (match := pattern.fullmatch(name))}
    return {
        prefix.removesuffix("."): {
            name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)
        }
        for prefix in sorted(prefixes)
    }


def choose(networks: Mapping[str, State]) -> tuple[str, State]:
    """Choose the averaged network, or the only one, and return its name and its state dict.

    Raises WeightsError if there are several of one kind.
    """
    averaged = [name for name in networks if _AVERAGED & set(re.split(r"[._]", name))]
    names = averaged or list(networks)
    if len(names) > 1:
        kind = "averaged networks" if averaged else "networks, none of which is called averaged"
        raise WeightsError(f"holds {len(names)} {kind}: {', '.join(names)[:120]}", hint="save one of them alone")
    if names[0].rpartition(".")[2] in _TRAINED:
        _log.warning("the file holds no averaged generator: %s is taken, whose images are often worse", names[0])
    return names[0], networks[names[0]]
