"""Choices of options, and checks of values."""

from __future__ import annotations

import math
from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from ganinvert.errors import UsageError

DEFAULT_GENERATOR = "portraits-64"

GanLoss = Literal["non-saturating", "wgan-gp"]
Align = Literal["auto", "off", "force"]
Affinity = Literal["thresholded", "paper"]
Around = Literal["gray", "carry"]
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
PAINTS = {
    "red": "#FF0000",
    "green": "#00FF00",
    "blue": "#0000FF",
    "yellow": "#FFFF00",
    "magenta": "#FF00FF",
    "cyan": "#00FFFF",
    "white": "#FFFFFF",
    "black": "#000000",
}
"""Colours of paint that have names."""
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


def require_types(settings: Any) -> None:
    """Raise UsageError unless every field of a dataclass has a value of its type, or one of its Literal's."""
    hints = get_type_hints(type(settings))
    for each in fields(settings):
        value, hint = getattr(settings, each.name), hints[each.name]
        if not _is_a(value, hint):
            raise UsageError(f"{each.name} cannot be {value!r}", hint=f"choose {_named(hint)}")


def _is_a(value: Any, hint: Any) -> bool:
    origin, choices = get_origin(hint), get_args(hint)
    if origin is Literal:
        return any(value is choice or (isinstance(value, str) and value == choice) for choice in choices)
    if origin in (Union, UnionType):
        return any(_is_a(value, choice) for choice in choices)
    if origin is tuple:
        several = choices[:1] * len(value) if ... in choices and isinstance(value, tuple) else choices
        return isinstance(value, tuple) and len(value) == len(several) and all(map(_is_a, value, several))
    if hint in (int, float):
        return isinstance(value, int if hint is int else (int, float)) and not isinstance(value, bool)
    return not isinstance(origin or hint, type) or isinstance(value, origin or hint)


def _named(hint: Any) -> str:
    """Describe the values of a type."""
    if get_origin(hint) is Literal:
        return " or ".join(map(repr, get_args(hint)))
    if get_origin(hint) in (Union, UnionType):
        return " or ".join(map(_named, get_args(hint)))
    names = {int: "a whole number", float: "a number", bool: "True or False", str: "a text", NoneType: "None"}
    return names.get(hint) or str(getattr(hint, "__name__", hint) if get_origin(hint) is None else hint)


def at_least(name: str, value: int, least: int) -> None:
    """Raise UsageError if a number is below `least`."""
    if value < least:
        raise UsageError(f"{name} cannot be {value}", hint=f"choose at least {least}")


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
