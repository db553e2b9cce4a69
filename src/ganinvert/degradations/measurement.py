"""Measurements: what a photo shows of the wanted image, in 8 bits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

import torch
from torch import Tensor

from ganinvert.degradations.base import Degradation, Identity
from ganinvert.degradations.downsample import Downsample
from ganinvert.degradations.grayscale import Grayscale
from ganinvert.degradations.mask import Mask
from ganinvert.settings.common import Kernel, Luma


@dataclass(frozen=True)
class DegradationEntry:
    """A kind of degradation, which `build` makes for a measurement and images of a resolution.

    Its measurements have so many channels, options with one of these `choices` each, and if `masked` known pixels. They
    may have an option that is a `share`, from 0 to 1.
    """

    build: Callable[[Measurement, int], Degradation]
    channels: int = 3
    choices: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    masked: bool = False
    share: str = ""


@dataclass(frozen=True)
class Measurement:
    """A measured image in 8 bits, and the kind of degradation that made it.

    Attributes:
        kind: Kind of the degradation, of `DEGRADATIONS`.
        levels: Measured image, (c, s, s) uint8; 0 … 255 stand for [-1, 1].
        known: Known pixels, (s, s) bool; None if all are.
        options: Options of the degradation: its luma, or kernel and detail.
    """

    kind: str
    levels: Tensor
    known: Tensor | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def y(self) -> Tensor:
        """Measurement (1, c, s, s) float32 in [-1, 1], 0 where nothing is known."""
        y = self.levels.float()[None] / 127.5 - 1
        return y if self.known is None else y * self.known

    def is_sound(self) -> bool:
        """True if the fields of a measurement that was read from a file fit together."""
        levels, known, entry = self.levels, self.known, DEGRADATIONS.get(self.kind)
        if levels.dtype != torch.uint8 or levels.ndim != 3 or levels.shape[1] != levels.shape[2]:
            return False
        return (
            entry is not None
            and (known is None or (known.dtype == torch.bool and known.shape == levels.shape[1:]))
            and entry.masked == (known is not None)
            and len(levels) == entry.channels
            and self.options.keys() - {entry.share} == entry.choices.keys()
            and 0 <= self.options.get(entry.share, 1.0) <= 1
            and all(self.options[name] in values for name, values in entry.choices.items())
        )

    def degradation(self, resolution: int) -> Degradation:
        """The degradation P for images of this resolution."""
        return DEGRADATIONS[self.kind].build(self, resolution)


def _mask(measured: Measurement, _: int) -> Degradation:
    assert measured.known is not None
    return Mask(measured.known[None, None])


DEGRADATIONS: dict[str, DegradationEntry] = {
    "identity": DegradationEntry(lambda *_: Identity()),
    "grayscale": DegradationEntry(lambda m, _: Grayscale(**m.options), channels=1, choices={"luma": get_args(Luma)}),
    "downsample": DegradationEntry(
        lambda m, resolution: Downsample(resolution, m.levels.shape[-1], **m.options),
        choices={"kernel": get_args(Kernel)},
        share="detail",
    ),
    "mask": DegradationEntry(_mask, masked=True),
}
"""Every degradation that a bundle can keep a measurement of. A further one is a row."""


def stack(measurements: Sequence[Measurement], resolution: int) -> tuple[Tensor, Degradation]:
    """A batch of measurements of one shape and kind: y (b, c, s, s) and the degradation that made them all."""
    first = measurements[0]
    y = torch.cat([measurement.y for measurement in measurements])
    masks = [measurement.known for measurement in measurements if measurement.known is not None]
    return y, Mask(torch.stack(masks)[:, None]) if masks else first.degradation(resolution)
