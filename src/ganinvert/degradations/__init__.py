"""Degradations: the P of PmSFC eq. 9, which turns an image into a measurement.

Tasks differ only in their degradation. Inversion has the identity, because the user's file shows everything.
"""

from ganinvert.degradations.base import Compose, Degradation, Identity
from ganinvert.degradations.downsample import Downsample
from ganinvert.degradations.grayscale import Grayscale
from ganinvert.degradations.mask import Mask
from ganinvert.degradations.measurement import DEGRADATIONS, DegradationEntry, Measurement, stack

__all__ = [
    "DEGRADATIONS",
    "Compose",
    "Degradation",
    "DegradationEntry",
    "Downsample",
    "Grayscale",
    "Identity",
    "Mask",
    "Measurement",
    "stack",
]
