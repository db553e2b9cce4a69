"""What a file shows of the wanted image: what a task optimises towards and a bundle keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

import torch
from torch import Tensor

from ganinvert.degradations.base import Degradation, Identity
from ganinvert.degradations.downsample import Downsample
from ganinvert.degradations.grayscale import Grayscale
from ganinvert.degradations.mask import Mask
from ganinvert.settings import Kernel, Luma


@dataclass(frozen=True)
class Measurement:
    """One measured image in 8 bits, and the kind of degradation that made it.

    Attributes:
        kind: "identity", "grayscale", "downsample" or "mask".
        levels: (c, s, s) uint8; 0 … 255 stand for [-1, 1].
        known: (s, s) bool, where a mask leaves the image known; None otherwise.
        options: Arguments of the degradation: its luma or kernel.
    """

    kind: str
    levels: Tensor
    known: Tensor | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def y(self) -> Tensor:
        """(1, c, s, s) float32 in [-1, 1], 0 where nothing is known."""
        y = self.levels.float()[None] / 127.5 - 1
        return y if self.known is None else y * self.known

    def is_sound(self) -> bool:
        """Whether the fields are what they claim to be, in a measurement that was read from a file."""
        if self.levels.dtype != torch.uint8 or self.levels.ndim != 3 or self.levels.shape[1] != self.levels.shape[2]:
            return False
        if self.known is not None and (self.known.dtype != torch.bool or self.known.shape != self.levels.shape[1:]):
            return False
        if (self.kind == "mask") != (self.known is not None):
            return False
        match self.kind:
            case "grayscale":
                return len(self.levels) == 1 and self.options.get("luma") in get_args(Luma)
            case "downsample":
                return len(self.levels) == 3 and self.options.get("kernel") in get_args(Kernel)
            case _:
                return len(self.levels) == 3 and self.kind in ("identity", "mask") and not self.options

    def degradation(self, resolution: int) -> Degradation:
        """P for images of this resolution.

        Raises:
            ValueError: The kind is unknown.
        """
        match self.kind:
            case "identity":
                return Identity()
            case "grayscale":
                return Grayscale(**self.options)
            case "downsample":
                return Downsample(resolution, self.levels.shape[-1], **self.options)
            case "mask" if self.known is not None:
                return Mask(self.known[None, None])
        raise ValueError(f"unknown degradation {self.kind!r}")


def stack(measurements: Sequence[Measurement], resolution: int) -> tuple[Tensor, Degradation]:
    """A batch of measurements of one shape and kind: y (b, c, s, s) and the degradation that made them all."""
    first = measurements[0]
    y = torch.cat([measurement.y for measurement in measurements])
    known = [measurement.known for measurement in measurements if measurement.known is not None]
    return y, Mask(torch.stack(known)[:, None]) if known else first.degradation(resolution)
