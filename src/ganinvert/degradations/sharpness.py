"""The blur of a photo, estimated from its spectrum."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

EXPONENT = 2.8
"""Power of the frequency with which the spectra of sharp photos of faces fall, by measurement."""
SIGMAS = np.arange(0, 8.01, 0.05)
"""Standard deviations that are tried, in pixels."""
LOWEST = 0.04
"""Lowest frequency that counts, in cycles per pixel; below, faces differ too much."""


def estimate_blur(levels: Tensor, *, noise: float = 0.0) -> float:
    """Estimate the standard deviation of the Gaussian that blurred a photo, in its pixels, 0 … 8.

    Sharp photos have spectra of about c f^-α, which a Gaussian multiplies by exp(-4 π² σ² f²), and to which noise and
    rounding add a constant. σ and c are those under which the photo's periodogram is likeliest (Whittle 1953).

    Args:
        levels: Photo (c, s, s), c = 1 or 3, 0 … 255.
        noise: Standard deviation of its noise, in levels.
    """
    gray = levels.double().mean(dim=0)
    window = torch.hann_window(len(gray), periodic=False, dtype=torch.float64)
    window = torch.outer(window, window)
    power = torch.fft.fft2((gray - gray.mean()) * window).abs().square() / window.square().sum()
    along = torch.fft.fftfreq(len(gray))
    rings = (torch.hypot(along[:, None], along) * len(gray)).round().long().flatten()
    sums = torch.zeros(int(rings.max()) + 1, dtype=torch.float64).index_add_(0, rings, power.flatten()).numpy()
    counts = torch.bincount(rings).numpy()
    frequency = np.arange(len(sums)) / len(gray)
    chosen = (frequency >= LOWEST) & (frequency <= 0.5)
    frequency, counts, power_of_ring = frequency[chosen], counts[chosen], sums[chosen] / counts[chosen]
    shapes = frequency**-EXPONENT * np.exp(-4 * (np.pi * SIGMAS[:, None] * frequency) ** 2)
    floor = noise**2 / len(levels) + 1 / 12
    best, least = 0.0, float("inf")
    for scale in np.exp(np.linspace(-8, 14, 90)):
        expected = scale * shapes + floor
        costs = (counts * (np.log(expected) + power_of_ring / expected)).sum(axis=1)
        if costs.min() < least:
            best, least = float(SIGMAS[costs.argmin()]), float(costs.min())
    return best
