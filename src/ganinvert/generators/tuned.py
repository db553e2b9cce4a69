"""Generators with changed weights for one image, which share the unchanged one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ganinvert.generators.activations import Activations
from ganinvert.generators.base import Generator, LayerInfo

LEFT, RIGHT = ".left", ".right"
"""Ends of the names of the two factors of a delta of low rank."""


_IDENTITY = ("name", "digest", "about", "file", "domain", "spaces", "resolution", "num_layers", "classes", "label")


class TunedGenerator(Generator):
    """Another generator with changes of its weights: W + Δ, in every call.

    Its identity is that of the shared generator, whose subspaces and bundles hold for it, too.

    Args:
        generator: Shared generator, whose parameters are never written to.
        deltas: Weight deltas by the names of the parameters, of any float type; gradients flow into them. A delta of
            low rank has two factors, `NAME.left` (o, k) and `NAME.right` (k, i), whose product is Δ.

    Raises:
        ValueError: There is no such parameter, or it has another shape.
    """

    def __init__(self, generator: Generator, deltas: Mapping[str, Tensor]) -> None:
        super().__init__()
        for name in _IDENTITY:
            setattr(self, name, getattr(generator, name))
        self._calls, self._changed = _Calls(generator), dict[str, Tensor]()
        parameters = dict(generator.named_parameters())
        for name, delta in _multiplied(deltas).items():
            if (weight := parameters.get(name)) is None:
                raise ValueError(f"{name}: the generator has no such parameter")
            if not delta.ndim or delta.numel() != weight.numel() or len(delta) != len(weight):
                raise ValueError(f"{name}: a change of shape {tuple(delta.shape)}, not {tuple(weight.shape)}")
            self._changed[name] = weight + delta.view(weight.shape).to(weight)

    @property
    def generator(self) -> Generator:
        """Shared generator."""
        return self._calls.generator

    def layer_info(self, layer: int) -> LayerInfo:
        """Shape of the features at `layer`."""
        return self.generator.layer_info(layer)

    @property
    def edit_layer(self) -> int:
        """Layer at which results are edited."""
        return self.generator.edit_layer

    def styles(self, code: Tensor, space: str = "") -> Tensor:
        """Codes to styles, with the changed weights."""
        return cast("Tensor", self._call("styles", code, space))

    def begin(self, styles: Tensor) -> Activations:
        """Styles to activations at layer 0, with the changed weights."""
        return cast("Activations", self._call("begin", styles))

    def carry(self, activations: Activations, start: int, stop: int) -> Activations:
        """Activations from layer to layer, with the changed weights."""
        return cast("Activations", self._call("carry", activations, start, stop))

    def to_image(self, activations: Activations) -> Tensor:
        """Activations at the last layer to images, with the changed weights."""
        return cast("Tensor", self._call("to_image", activations))

    def synthesize(self, activations: Activations, layer: int) -> Tensor:
        """Activations at `layer` to images, with the changed weights."""
        return cast("Tensor", self._call("synthesize", activations, layer))

    def weights_after(self, layer: int) -> dict[str, Tensor]:
        """Parameters of the shared generator."""
        return self.generator.weights_after(layer)

    def grouped_features(self, codes: Tensor, layer: int, groups: Sequence[Tensor], space: str = "") -> Activations:
        """Activations from several codes, with the changed weights."""
        return cast("Activations", self._call("grouped_features", codes, layer, groups, space))

    def _call(self, name: str, *arguments: object) -> object:
        changed = {f"generator.{key}": weight for key, weight in self._changed.items()}
        return functional_call(self._calls, changed, (name, *arguments))


def blended(a: Mapping[str, Tensor], b: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """Interpolate between the weight deltas of two images: (1 - share) · Δa + share · Δb, float16.

    Args:
        a: Weight deltas, of low rank or not; empty for none.
        b: Weight deltas of the same generator.
        share: Share of b: 0 gives a to the bit, 1 gives b.
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


class _Calls(nn.Module):
    """Calls any method of a generator in its `forward`, which alone `functional_call` can call."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, name: str, *arguments: object) -> object:
        return getattr(self.generator, name)(*arguments)


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
