"""The shape of a StyleGAN2, read from its tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from ganinvert.errors import WeightsError
from ganinvert.weights.reading import require_keys

_LAYER = ("weight", "bias", "noise", "strength", "style.weight", "style.bias")
_IMAGE = ("weight", "bias", "style.weight", "style.bias")
_UNFIT = "the file is damaged or of another network"


@dataclass(frozen=True)
class StyleGAN2Architecture:
    """Everything needed to build the network of Karras et al. 2020.

    Attributes:
        mapping: Length of z, and the length of the vector after each layer of the mapping network; the last one is w.
        channels: Feature channels at each resolution from 4×4 upward.
        labels: Number of classes, and length of the vector of a class; zeros for generators without classes.
        clamp: Largest absolute value of features and of an image's part; 0 for no limit.
    """

    mapping: tuple[int, ...]
    channels: tuple[int, ...]
    labels: tuple[int, int] = (0, 0)
    clamp: float = 0.0

    def __post_init__(self) -> None:
        if (
            len(self.mapping) < 2
            or not 1 <= len(self.channels) <= 10
            or min(*self.mapping, *self.channels) < 1
            or min(self.labels) < 0
            or (self.labels[0] > 0) != (self.labels[1] > 0)
            or not 0 <= self.clamp < 1e9
        ):
            raise WeightsError("these tensors do not make a StyleGAN2", hint=_UNFIT)

    @property
    def resolution(self) -> int:
        """Side of the image in pixels, 4 … 2048."""
        return self.size(self.num_layers)

    @property
    def num_layers(self) -> int:
        """Number of convolutions: one at 4×4, and two per resolution above."""
        return 2 * len(self.channels) - 1

    @property
    def num_styles(self) -> int:
        """Number of styles: one per convolution, and one for the image; lower images share the next convolution's."""
        return self.num_layers + 1

    def size(self, layer: int) -> int:
        """Side of the features at a layer; that of the constant at layer 0."""
        return 4 << (layer // 2)

    def width(self, layer: int) -> int:
        """Channels of the features at a layer."""
        return self.channels[layer // 2]

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> StyleGAN2Architecture:
        """Read the architecture from the tensors of a complete canonical state dict."""
        depth, layers = (
            sum(key.startswith(part) and key.endswith(end) for key in state)
            for part, end in (("mapping.layers.", ".weight"), ("layers.", ".noise"))
        )
        expected = {f"mapping.layers.{n}.{part}" for n in range(depth) for part in ("weight", "bias")}
        expected |= {"mapping.mean", "mapping.deviation", "mapping.labels", "constant", "clamp"}
        expected |= {f"layers.{n}.{part}" for n in range(layers) for part in _LAYER}
        expected |= {f"to_rgb.{n}.{part}" for n in range(layers // 2 + 1) for part in _IMAGE}
        require_keys(state, expected, what="StyleGAN2")
        first, labels = state.get("mapping.layers.0.weight"), state["mapping.labels"]
        if first is None or first.ndim != 2 or labels.ndim != 2 or not layers % 2 or state["clamp"].numel() != 1:
            raise WeightsError("its mapping or its layers are of another shape", hint=_UNFIT)
        mapping = (
            first.shape[1] - labels.shape[1],
            *(len(state[f"mapping.layers.{n}.weight"]) for n in range(depth)),
        )
        channels = tuple(len(state[f"layers.{n}.weight"]) for n in range(0, layers, 2))
        return cls(mapping, channels, (labels.shape[0], labels.shape[1]), float(state["clamp"]))
