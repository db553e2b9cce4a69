"""Choices of options, and checks of values."""

from __future__ import annotations

import math
from dataclasses import fields, is_dataclass
from typing import Any, Literal, get_args

from ganinvert.errors import UsageError

DEFAULT_GENERATOR = "portraits-64"

GanLoss = Literal["non-saturating", "wgan-gp"]
Align = Literal["auto", "off", "force"]
Affinity = Literal["thresholded", "paper"]
Augmentation = Literal["adaptive", "fixed", "none"]
Box = tuple[int, int, int, int]
"""Left, top, width and height, in pixels."""
FaceChoice = int | Literal["all", "largest"]
"""Number of a face, counted from the largest, from 1; or all faces, or the largest."""
FitMode = Literal["crop", "pad", "squash"]
GrayImages = Literal["keep", "skip"]
Kernel = Literal["bicubic", "area", "bilinear", "lanczos"]
Luma = Literal["rec601", "rec709", "lab"]
Hole = Literal["box", "pixels"]
Init = Literal["nearest", "random", "encoder", "mean"]
"""Initial codes: the nearest of some random ones, random ones, an encoder's code of the photo, or the space's mean."""
InterpolationPath = Literal["features", "codes"]
"""Space in which an interpolation is linear."""
MethodName = str
"""Name of a method, of `METHODS`."""
Optimizer = Literal["adam", "rmsprop", "sgd", "lbfgs"]
Precision = Literal["auto", "float32", "bfloat16"]
Preset = Literal["default", "paper", "official"]
DiscoveryPreset = Literal["default", "paper"]
Refinement = Literal["near-perfect", "pti"]
Space = Literal["z", "w", "w+", "f"]
"""Latent space of codes: Z, W, W+ (a style for each layer), or F/W+ (features at a layer, styles of later layers)."""
Schedule = Literal["constant", "cosine", "halving"]
StoredPrecision = Literal["float32", "float16"]
Weighting = Literal["tanh", "linear"]
_FORMATS = "avif bmp dib gif jfif jpe jpeg jpg mpo pbm pgm png pnm ppm tif tiff webp"
PICTURE_SUFFIXES = frozenset(f".{name}" for name in _FORMATS.split(" "))
"""Suffixes of the image files that are taken from folders."""


ADDED = {"added": True}
"""Metadata of fields that settings got later, `field(default=…, kw_only=True, metadata=ADDED)`: see `plain`."""


def plain(settings: Any) -> dict[str, Any]:
    """Settings as nested dictionaries, without later fields at their defaults: older results keep their hash."""
    values: dict[str, Any] = {}
    for each in fields(settings):
        value = getattr(settings, each.name)
        if not (each.metadata.get("added") and value == each.default):
            values[each.name] = plain(value) if is_dataclass(value) else value
    return values


def at_least(name: str, value: int, least: int) -> None:
    """Raise UsageError if a number is below `least`."""
    if value < least:
        raise UsageError(f"{name} cannot be {value}", hint=f"choose at least {least}")


def one_of(name: str, value: str, choices: Any) -> None:
    """Raise UsageError unless a value is one of a Literal's."""
    if value not in get_args(choices):
        raise UsageError(f"{name} cannot be {value!r}", hint=f"choose from {', '.join(get_args(choices))}")


def require_seed(seed: int) -> None:
    """Raise UsageError unless a seed has 0 to 63 bits, as random generators take them."""
    if not 0 <= seed < 2**63:
        raise UsageError(f"seed cannot be {seed}", hint="choose a number from 0 to 2⁶³ - 1")


def positive(name: str, value: float) -> None:
    """Raise UsageError unless a number is above 0 and not above 1e6."""
    if not 0 < value <= 1e6:
        raise UsageError(f"{name} cannot be {value:g}", hint="choose a number above 0 and not above 1e6")


def not_negative(name: str, value: float) -> None:
    """Raise UsageError unless a number is from 0 to 1e6."""
    if not 0 <= value <= 1e6:
        raise UsageError(f"{name} cannot be {value:g}", hint="choose a number from 0 to 1e6")


HALVINGS = (4 / 15, 0.4, 0.6)
"""Shares of the steps after which the rate is halved: 800, 1200 and 1800 of 3000 in the program of Bau et al."""


def scheduled_rate(index: int, steps: int, *, lr: float, schedule: Schedule, warmup: float = 0.0) -> float:
    """Learning rate of step `index`: a linear warm-up over a share of the steps, then `schedule`."""
    rising = round(warmup * steps)
    if index < rising:
        return lr * (index + 1) / rising
    if schedule == "constant":
        return lr
    if schedule == "halving":
        return lr * 0.5 ** sum(index >= share * steps for share in HALVINGS)
    return lr * (1 + math.cos(math.pi * (index - rising) / max(steps - rising, 1))) / 2
