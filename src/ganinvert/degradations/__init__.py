"""Degradations: the P of PmSFC eq. 9, which turns an image into a measurement.

Tasks differ only in their degradation. Inversion has the identity, because the user's file shows everything.
"""

from ganinvert.degradations.base import Compose, Degradation, Identity
from ganinvert.degradations.downsample import Downsample
from ganinvert.degradations.grayscale import Grayscale
from ganinvert.degradations.mask import Mask
from ganinvert.degradations.measurement import Measurement, stack

__all__ = ["Compose", "Degradation", "Downsample", "Grayscale", "Identity", "Mask", "Measurement", "stack"]
