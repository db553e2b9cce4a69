"""Differentiable conversions between sRGB, linear light (IEC 61966-2-1) and CIE 1976 L*a*b* under D65.

Tensors have their channels at dimension 1. Every function works element by element, so an image's values are the same
to the bit whatever the other images of the batch are.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

TO_XYZ = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))
"""Matrix from linear sRGB to XYZ."""
TO_RGB = ((3.2404542, -1.5371385, -0.4985314), (-0.9692660, 1.8760108, 0.0415560), (0.0556434, -0.2040259, 1.0572252))
"""Inverse of `TO_XYZ`."""
WHITE = tuple(sum(row) for row in TO_XYZ)
"""XYZ of D65, the white point of sRGB."""
BEND = 6 / 29
"""Point at which the L*a*b* curve changes from a line to a cube root."""


def weigh(channels: Tensor, weights: Sequence[float]) -> Tensor:
    """Weighted sum of three channels: (b, 3, h, w) → (b, 1, h, w)."""
    red, green, blue = (channels[:, n : n + 1] * weight for n, weight in enumerate(weights))
    return red + green + blue


def to_linear(srgb: Tensor) -> Tensor:
    """Convert sRGB values in [0, 1] to linear light in [0, 1]; negative values follow the line through 0."""
    return torch.where(srgb <= 0.04045, srgb / 12.92, ((srgb.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4)


def from_linear(linear: Tensor) -> Tensor:
    """Convert linear light to sRGB values, the inverse of `to_linear`."""
    curve = 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(linear <= 0.0031308, 12.92 * linear, curve)


def to_lab(srgb: Tensor) -> Tensor:
    """Convert sRGB (b, 3, h, w) in [0, 1] to L* in [0, 100] and a*, b* in about ±110."""
    linear = to_linear(srgb)
    x, y, z = (_bend(weigh(linear, row) / white) for row, white in zip(TO_XYZ, WHITE, strict=True))
    return torch.cat([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)


def lab_to_linear(lab: Tensor) -> Tensor:
    """Convert L*a*b* to linear sRGB, which lies outside [0, 1] where the colour is out of gamut."""
    lightness, a, b = lab.split(1, dim=1)
    y = (lightness + 16) / 116
    roots = (y + a / 500, y, y - b / 200)
    xyz = torch.cat([white * _unbend(root) for root, white in zip(roots, WHITE, strict=True)], dim=1)
    return torch.cat([weigh(xyz, row) for row in TO_RGB], dim=1)


def _bend(t: Tensor) -> Tensor:
    return torch.where(t > BEND**3, t.clamp(min=BEND**3) ** (1 / 3), t / (3 * BEND**2) + 4 / 29)


def _unbend(f: Tensor) -> Tensor:
    return torch.where(f > BEND, f**3, 3 * BEND**2 * (f - 4 / 29))
