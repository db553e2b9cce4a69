"""Generators with changed weights for one image, which share the unchanged one."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import TypeVar

import torch
from torch import Tensor, nn

from ganinvert.generators.base import Generator

M = TypeVar("M", bound=nn.Module)

LEFT, RIGHT = ".left", ".right"
"""Ends of the names of the two factors of a delta of low rank."""


def apply_deltas(generator: Generator, deltas: Mapping[str, Tensor]) -> Generator:
    """A generator that computes with changed weights or noise maps, W + Δ, and shares all others.

    Its identity is that of the shared generator, whose subspaces and bundles hold for it, too.

    Args:
        generator: Shared generator, which is never written to.
        deltas: Deltas by the names of the parameters and of `Generator.noises`, of any float type; gradients flow into
            them. A delta of low rank has two factors, `NAME.left` (o, k) and `NAME.right` (k, i), whose product is Δ.

    Raises:
        ValueError: There is no such parameter, or it has another shape.
    """
    changed: dict[int, Tensor] = {}
    parameters = {**dict(generator.named_parameters()), **generator.noises()}
    for name, delta in _multiplied(deltas).items():
        if (weight := parameters.get(name)) is None:
            raise ValueError(f"{name}: the generator has no such parameter")
        if not delta.ndim or delta.numel() != weight.numel() or len(delta) != len(weight):
            raise ValueError(f"{name}: a change of shape {tuple(delta.shape)}, not {tuple(weight.shape)}")
        changed[id(weight)] = weight + delta.view(weight.shape).to(weight)
    return _with_parameters(generator, changed)


def blended(a: Mapping[str, Tensor], b: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """Interpolate between weight deltas of two images, of low rank or not, float16: (1 - share) · Δa + share · Δb.

    Share 0 gives a to the bit, 1 gives b; a mapping may be empty.
    """
    if share in (0, 1):
        return dict(b if share else a)
    mixed: dict[str, Tensor] = {}
    for name in sorted({key.removesuffix(LEFT).removesuffix(RIGHT) for key in (*a, *b)}):
        ends = [
            (weight, {key: deltas[key] for key in (name, name + LEFT, name + RIGHT) if key in deltas})
            for weight, deltas in ((1 - share, a), (share, b))
        ]
        ends = [(weight, parts) for weight, parts in ends if parts]
        if any(name in parts for _, parts in ends):
            shape = next(parts[name].shape for _, parts in ends if name in parts)
            whole = [weight * _multiplied(parts)[name].reshape(shape) for weight, parts in ends]
            mixed[name] = torch.stack(whole).sum(dim=0).half()
        else:  # the sum of two products is the product of the factors side by side
            mixed[name + LEFT] = torch.cat([weight * parts[name + LEFT].float() for weight, parts in ends], 1).half()
            mixed[name + RIGHT] = torch.cat([parts[name + RIGHT] for _, parts in ends])
    return mixed


def _with_parameters(module: M, changed: Mapping[int, Tensor]) -> M:
    """Copy a tree of modules, which shares its tensors but those that are changed, by their id."""
    twin = copy(module)
    parameters = {name: changed.get(id(weight), weight) for name, weight in module._parameters.items()}
    buffers = {name: changed.get(id(value), value) for name, value in module._buffers.items()}
    modules = {name: part and _with_parameters(part, changed) for name, part in module._modules.items()}
    vars(twin).update(_parameters=parameters, _buffers=buffers, _modules=modules)
    return twin


def _multiplied(deltas: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Multiply factors of low rank; the products are float32."""
    products: dict[str, Tensor] = {}
    for key, delta in deltas.items():
        name = key.removesuffix(LEFT).removesuffix(RIGHT)
        if name == key:
            products[name] = delta.float()
        elif name not in products:
            left, right = deltas.get(name + LEFT), deltas.get(name + RIGHT)
            if left is None or right is None or left.ndim != 2 or right.ndim != 2 or len(right) != left.shape[1]:
                raise ValueError(f"{name}: the two factors of its change do not fit together")
            with torch.autocast(delta.device.type, enabled=False):
                products[name] = left.float() @ right.float()
    return products
