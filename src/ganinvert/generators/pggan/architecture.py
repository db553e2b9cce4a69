"""The shape of a PGGAN, read from its tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log2

from torch import Tensor

from ganinvert.errors import UsageError, WeightsError
from ganinvert.generators.encoders import LARGEST_SEEN, compact_widths
from ganinvert.weights.reading import require_keys


@dataclass(frozen=True)
class PGGANArchitecture:
    """Everything needed to build the network of Karras et al. 2018.

    Attributes:
        latent_dim: Length of z.
        channels: Feature channels after each convolution, two per resolution from 4×4 upward.
    """

    latent_dim: int
    channels: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.channels) % 2 or not 2 <= len(self.channels) <= 18 or min(self.channels) < 1:
            raise WeightsError(
                f"{len(self.channels)} convolutions do not make a PGGAN",
                hint="it has two per resolution: 2 for 4×4, up to 18 for 1024×1024",
            )

    @property
    def resolution(self) -> int:
        """Side of the output in pixels, 4 … 1024."""
        return 2 << (len(self.channels) // 2)

    @classmethod
    def official(
        cls, resolution: int, *, latent_dim: int = 512, base: int = 16384, cap: int = 512
    ) -> PGGANArchitecture:
        """The channel rule of the official networks: min(base / r, cap) at resolution r."""
        sides = [2**power for power in range(2, int(log2(resolution)) + 1)]
        return cls(latent_dim, tuple(min(base // side, cap) for side in sides for _ in range(2)))

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> PGGANArchitecture:
        """Read the architecture from the weights (out, in, h, w) of a complete canonical state dict."""
        count = sum(key.startswith("layers.") and key.endswith(".weight") for key in state)
        expected = {f"layers.{n}.{part}" for n in range(count) for part in ("weight", "bias")}
        require_keys(state, expected | {"to_rgb.weight", "to_rgb.bias"}, what="PGGAN generator")
        shapes = [state[f"layers.{n}.weight"].shape for n in range(count)]
        if any(len(shape) != 4 for shape in shapes):
            raise WeightsError("its layers are no convolutions", hint="the file does not hold a PGGAN generator")
        return cls(shapes[0][1] if shapes else 0, tuple(shape[0] for shape in shapes))


@dataclass(frozen=True)
class EncoderArchitecture:
    """Everything needed to build an encoder.

    Attributes:
        resolution: Side of the images in pixels, a power of two from 16 to 1024.
        latent_dim: Length of z.
        layer: Layer whose features it predicts besides z.
        channels: Channels of those features; the length of z at layer 0.
        widths: Channels of its own maps, from 4×4 upward to half the side at which it looks.
    """

    resolution: int
    latent_dim: int
    layer: int
    channels: int
    widths: tuple[int, ...]

    def __post_init__(self) -> None:
        if (
            self.resolution not in {2**power for power in range(4, 11)}
            or min(self.latent_dim, self.channels, *self.widths) < 1
            or not 0 <= self.layer <= 2 * len(self.widths)
            or 4 << len(self.widths) != self.side
        ):
            raise WeightsError("these numbers do not make an encoder", hint="the file is damaged: fetch it again")

    @property
    def side(self) -> int:
        """Side in pixels to which larger images are averaged down."""
        return min(self.resolution, LARGEST_SEEN)

    @property
    def size(self) -> int:
        """Side of the features."""
        return 1 if self.layer == 0 else 2 ** ((self.layer - 1) // 2 + 2)

    @classmethod
    def compact(
        cls, resolution: int, *, latent_dim: int, layer: int, channels: int, base: int = 1536, cap: int = 128
    ) -> EncoderArchitecture:
        """The sizes for a generator, with the channel rule of `compact_widths`.

        Raises UsageError if the features of the layer are finer than an encoder's own.
        """
        widths = compact_widths(min(resolution, LARGEST_SEEN), base=base, cap=cap)
        if layer > 2 * len(widths):
            raise UsageError(
                f"an encoder cannot tell the features of layer {layer}, which are nearly the image",
                hint=f"choose a layer from 0 to {2 * len(widths)}",
            )
        return cls(resolution, latent_dim, layer, channels, widths)
