"""The shape of a PGGAN, read from its tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import log2

from torch import Tensor

from ganinvert.errors import UsageError, WeightsError
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
        """Refuse shapes no PGGAN has.

        Raises:
            WeightsError: An odd number of layers, none, or more than for 1024 pixels.
        """
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
        """Read the architecture from a canonical state dict.

        Raises:
            WeightsError: Keys are missing or left over, or shapes do not fit together.
        """
        count = sum(key.startswith("layers.") and key.endswith(".weight") for key in state)
        expected = {f"layers.{n}.{part}" for n in range(count) for part in ("weight", "bias")}
        require_keys(state, expected | {"to_rgb.weight", "to_rgb.bias"}, what="PGGAN generator")
        shapes = [tuple(state[f"layers.{n}.weight"].shape) for n in range(count)]
        if not shapes or len(shapes[0]) != 4:
            raise WeightsError("no convolution layers found", hint="the file does not hold a PGGAN generator")
        architecture = cls(shapes[0][1], tuple(shape[0] for shape in shapes))
        for key, shape in architecture.shapes().items():
            if tuple(state[key].shape) != shape:
                raise WeightsError(
                    f"{key} has shape {tuple(state[key].shape)}, not {shape}",
                    hint="the tensors do not fit together: the file is damaged or of another network",
                )
        return architecture

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of every tensor of the canonical state dict (OIHW; the first bias is per position)."""
        shapes: dict[str, tuple[int, ...]] = {}
        inputs = self.latent_dim
        for n, outputs in enumerate(self.channels):
            kernel = 4 if n == 0 else 3
            shapes[f"layers.{n}.weight"] = (outputs, inputs, kernel, kernel)
            shapes[f"layers.{n}.bias"] = (outputs, 4, 4) if n == 0 else (outputs,)
            inputs = outputs
        return shapes | {"to_rgb.weight": (3, inputs, 1, 1), "to_rgb.bias": (3,)}


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
        """Refuse shapes that no encoder has.

        Raises:
            WeightsError: Numbers that contradict each other, or that no encoder has.
        """
        sides = {2**power for power in range(4, 11)}
        numbers = (self.latent_dim, self.channels, *self.widths)
        if (
            self.resolution not in sides
            or min(numbers) < 1
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
        """The channel rule of the generators with a floor: min(max(base / r, 16), cap) at side r.

        Raises:
            UsageError: The features of the layer are finer than an encoder's own.
        """
        sides = [2**power for power in range(2, int(log2(min(resolution, LARGEST_SEEN))))]
        if layer > 2 * len(sides):
            raise UsageError(
                f"an encoder cannot tell the features of layer {layer}, which are nearly the image",
                hint=f"choose a layer from 0 to {2 * len(sides)}",
            )
        return cls(resolution, latent_dim, layer, channels, tuple(min(max(base // side, 16), cap) for side in sides))

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of every tensor of the state dict (OIHW)."""
        shapes = _convolution("stem", 3, self.widths[-1], 4)
        for n, width in enumerate(reversed(self.widths)):
            shapes |= _block(f"blocks.{n}", width)
        for n, (inputs, outputs) in enumerate(pairwise(reversed(self.widths))):
            shapes |= _convolution(f"narrower.{n}", inputs, outputs, 3)
        shapes |= {"code.weight": (self.latent_dim, self.widths[0] * 16), "code.bias": (self.latent_dim,)}
        if self.layer:
            width = self.widths[(self.layer - 1) // 2]
            shapes |= _convolution("context", self.widths[0], width, 1) | _block("merged", width)
            shapes |= _convolution("read", width, self.channels, 3)
        return shapes | {"mean": (self.channels,), "scale": (self.channels,)}


def _block(name: str, width: int) -> dict[str, tuple[int, ...]]:
    return _convolution(f"{name}.first", width, width, 3) | _convolution(f"{name}.second", width, width, 3)


def _convolution(name: str, inputs: int, outputs: int, kernel: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (outputs, inputs, kernel, kernel), f"{name}.bias": (outputs,)}


LARGEST_SEEN = 256
"""Pixels: an encoder looks at no finer image, which would cost much and tell it little."""
