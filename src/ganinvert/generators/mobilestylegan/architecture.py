"""The shape of a MobileStyleGAN, read from its tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from ganinvert.errors import WeightsError
from ganinvert.weights.reading import require_keys

_SHARED = ("weight", "bias", "noise", "style.weight", "style.bias")


@dataclass(frozen=True)
class MobileStyleGANArchitecture:
    """Everything needed to build the network of Belousov 2021.

    Attributes:
        mapping: Length of z, and the length of the vector after each layer of the mapping network; the last one is w.
        side: Side of the constant at which the synthesis begins.
        channels: Channels of the constant, of the first convolution, and of the two of each block; a block doubles the
            side and divides the channels before its first convolution by 4.
    """

    mapping: tuple[int, ...]
    side: int
    channels: tuple[int, ...]

    def __post_init__(self) -> None:
        ends = self.channels[1:-1:2]  # channels that the inverse Haar transform before each block takes
        if (
            len(self.channels) % 2
            or not 4 <= len(self.channels) <= 20
            or not 1 <= self.side <= 8
            or len(self.mapping) < 2
            or min(*self.channels, *self.mapping) < 1
            or any(count % 4 for count in ends)
        ):
            raise WeightsError(
                "these tensors do not make a MobileStyleGAN", hint="the file is damaged or of another network"
            )

    @property
    def num_layers(self) -> int:
        """Number of convolutions: 1, and 2 per block."""
        return len(self.channels) - 1

    @property
    def num_styles(self) -> int:
        """Number of styles: one per convolution, one per block for its up-sampling, and one for the image."""
        return self.num_layers + self.num_layers // 2 + 1

    @property
    def resolution(self) -> int:
        """Side of the image in pixels: the last step doubles it once more."""
        return 2 * self.size(self.num_layers)

    def size(self, layer: int) -> int:
        """Side of the features at a layer."""
        return self.side << (layer // 2)

    def inputs(self, layer: int) -> int:
        """Channels that the convolution of a layer, counted from 1, takes."""
        return self.channels[layer - 1] // (4 if layer > 1 and layer % 2 == 0 else 1)

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> MobileStyleGANArchitecture:
        """Read the architecture from the tensors of a complete canonical state dict."""
        depth, count = (
            sum(key.startswith(part) and key.endswith(end) for key in state)
            for part, end in (("mapping.layers.", ".weight"), ("layers.", ".noise"))
        )
        expected = {f"mapping.layers.{n}.{part}" for n in range(depth) for part in ("weight", "bias")}
        expected |= {"mapping.mean", "mapping.deviation", "constant"}
        expected |= {f"layers.{n}.{part}" for n in range(count) for part in _SHARED}
        expected |= {f"layers.{n}.depthwise" for n in range(1, count)}
        expected |= {f"layers.{n}.up.{part}" for n in range(1, count, 2) for part in ("weight", "bias")}
        expected |= {f"to_rgb.{part}" for part in ("weight", "bias", "style.weight", "style.bias")}
        require_keys(state, expected, what="MobileStyleGAN")
        constant, first = state["constant"], state.get("mapping.layers.0.weight")
        if constant.ndim != 3 or first is None or first.ndim != 2:
            raise WeightsError(
                "its constant or its mapping is of another shape", hint="the file is damaged or of another network"
            )
        mapping = (first.shape[1], *(len(state[f"mapping.layers.{n}.weight"]) for n in range(depth)))
        channels = (len(constant), *(len(state[f"layers.{n}.weight"]) for n in range(count)))
        return cls(mapping, constant.shape[1], channels)
