"""Frozen networks built around state dicts that were read from files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor, nn

from ganinvert.errors import WeightsError
from ganinvert.weights.reading import require_finite, require_keys
from ganinvert.weights.states import State

N = TypeVar("N", bound=nn.Module)


def plain(state: State) -> dict[str, Tensor]:
    """Copy a state dict to contiguous float32."""
    return {key: tensor.float().contiguous() for key, tensor in state.items()}


@contextmanager
def fitting(family: str) -> Iterator[None]:
    """Refuse a file of a family if its tensors have shapes that cannot be unfolded, permuted or multiplied."""
    try:
        yield
    except (RuntimeError, IndexError, ZeroDivisionError) as error:  # of permute, unflatten, … on unfit shapes
        raise WeightsError(
            f"its tensors do not have the shapes of a {family}", hint="the file is damaged or of another network"
        ) from error


def require_colour(channels: float) -> None:
    """Refuse a network with another number of channels in its images than 3."""
    if channels != 3:
        kind = "gray images, of 1 channel" if channels == 1 else f"images of {channels:g} channels"
        raise WeightsError(f"is a network of {kind}", hint="only networks of images in colour can be used")


def loaded(build: Callable[[], N], state: Mapping[str, Tensor]) -> N:
    """Build a frozen network around a state; no memory is reserved for a network that the tensors do not make."""
    with torch.device("meta"):
        network = build()
    expected = network.state_dict()
    require_keys(state, set(expected), what="network")
    for key, tensor in expected.items():
        if state[key].shape != tensor.shape:
            raise WeightsError(
                f"{key} has shape {tuple(state[key].shape)}, not {tuple(tensor.shape)}",
                hint="the tensors do not fit together: the file is damaged or of another network",
            )
    require_finite(state)
    # Not by to_empty, which would import torch.compile. The state has all tensors: no buffer is left out of it.
    own = {key: torch.empty_strided(x.shape, x.stride(), dtype=x.dtype, device="cpu") for key, x in expected.items()}
    network.load_state_dict({key: tensor.copy_(state[key]) for key, tensor in own.items()}, assign=True)
    return network.requires_grad_(False).eval()
