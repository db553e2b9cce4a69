"""Measurements: what a photo shows of the wanted image, in 8 bits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, get_args

import torch
from torch import Tensor

from ganinvert.degradations.base import Degradation, Identity
from ganinvert.degradations.chain import Chain
from ganinvert.degradations.downsample import Downsample
from ganinvert.degradations.grayscale import Grayscale
from ganinvert.degradations.lens import Lens
from ganinvert.degradations.mask import Mask, Visible
from ganinvert.settings.common import Kernel, Luma

NOISIEST, MOST_BLURRED = 128.0, 1024.0
"""Greatest standard deviations of noise, in levels, and of a blur, in pixels."""


@dataclass(frozen=True)
class DegradationEntry:
    """A kind of degradation, which `build` makes for a measurement and images of a resolution.

    Its measurements have options with one of these `choices` each, and if `masked` known pixels; None: they may have
    some. They may also have `numbers` as options, from 0 to a greatest one. Those with a luma have one channel.
    """

    build: Callable[[Measurement, int], Degradation]
    choices: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    masked: bool | None = False
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Measurement:
    """A measured image in 8 bits, and the kind of degradation that made it.

    Attributes:
        kind: Kind of the degradation, of `DEGRADATIONS`.
        levels: Measured image, (c, s, s) uint8; 0 … 255 stand for [-1, 1].
        known: Known pixels, (s, s) bool, or (b, s, s) for a batch; None if all are.
        options: Options of the degradation: its luma, kernel, detail, blur and noise.
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

    @property
    def binds(self) -> bool:
        """True if results shall agree with the measurement exactly, as those of restorations."""
        return self.kind not in ("identity", "visible")

    @property
    def likeness(self) -> object:
        """Equal for measurements that `stack` can put together."""
        return self.kind, self.levels.shape, self.known is None, tuple(sorted(self.options.items()))

    def is_sound(self) -> bool:
        """True if the fields of a measurement that was read from a file fit together."""
        levels, known, entry = self.levels, self.known, DEGRADATIONS.get(self.kind)
        if levels.dtype != torch.uint8 or levels.ndim != 3 or levels.shape[1] != levels.shape[2]:
            return False
        return (
            entry is not None
            and (known is None or (known.dtype == torch.bool and known.shape == levels.shape[1:]))
            and entry.masked in (known is not None, None)
            and len(levels) == (1 if self.options.get("luma") else 3)
            and self.options.keys() - entry.numbers.keys() == entry.choices.keys()
            and all(0 <= self.options.get(name, 0.0) <= greatest for name, greatest in entry.numbers.items())
            and all(self.options[name] in values for name, values in entry.choices.items())
        )

    def degradation(self, resolution: int) -> Degradation:
        """The degradation P for images of this resolution."""
        return DEGRADATIONS[self.kind].build(self, resolution)


def _known(measured: Measurement) -> Tensor:
    assert measured.known is not None
    return measured.known.reshape(-1, 1, *measured.known.shape[-2:])


def _mask(measured: Measurement, _: int = 0) -> Degradation:
    return Mask(_known(measured))


def _visible(measured: Measurement, _: int) -> Degradation:
    return Visible(_known(measured))


def _chain(measured: Measurement, resolution: int) -> Degradation:
    """Blur and downsampling, gray, missing pixels, and noise, in this order and as far as there are any."""
    size, options = measured.levels.shape[-1], measured.options
    blur, noise = options.get("blur", 0.0), options.get("noise", 0.0)
    stages: list[Degradation] = []
    if blur or noise:
        stages.append(Lens(resolution, size, kernel=options["kernel"], blur=blur, noise=noise))
    elif size != resolution:
        stages.append(Downsample(resolution, size, kernel=options["kernel"]))
    if options["luma"]:
        stages.append(Grayscale(options["luma"]))
    if measured.known is not None:
        stages.append(_mask(measured))
    return Chain(stages, resolution, noise=noise)


DEGRADATIONS: dict[str, DegradationEntry] = {
    "identity": DegradationEntry(lambda *_: Identity()),
    "grayscale": DegradationEntry(lambda m, _: Grayscale(**m.options), choices={"luma": get_args(Luma)}),
    "downsample": DegradationEntry(
        lambda m, resolution: Downsample(resolution, m.levels.shape[-1], **m.options),
        choices={"kernel": get_args(Kernel)},
        numbers={"detail": 1.0},
    ),
    "mask": DegradationEntry(_mask, masked=True),
    "visible": DegradationEntry(_visible, masked=True),
    "chain": DegradationEntry(
        _chain,
        choices={"kernel": get_args(Kernel), "luma": ("", *get_args(Luma))},
        masked=None,
        numbers={"blur": MOST_BLURRED, "noise": NOISIEST},
    ),
}
"""Every degradation that a bundle can keep a measurement of. A further one is a row."""


def stack(measurements: Sequence[Measurement], resolution: int) -> tuple[Tensor, Degradation]:
    """A batch of measurements that only levels and known pixels tell apart: y (b, c, s, s), and their degradation."""
    y = torch.cat([measurement.y for measurement in measurements])
    masks = [measurement.known for measurement in measurements if measurement.known is not None]
    return y, replace(measurements[0], known=torch.stack(masks) if masks else None).degradation(resolution)
