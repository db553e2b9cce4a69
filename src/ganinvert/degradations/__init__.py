"""Degradations: the P of PmSFC eq. 9, which turns an image into a measurement.

Tasks differ only in their degradation. Inversion has the identity, because the user's file shows everything.
"""

from ganinvert.degradations.base import Degradation as Degradation
from ganinvert.degradations.base import Identity as Identity
from ganinvert.degradations.chain import Chain as Chain
from ganinvert.degradations.downsample import Downsample as Downsample
from ganinvert.degradations.grayscale import Grayscale as Grayscale
from ganinvert.degradations.lens import Lens as Lens
from ganinvert.degradations.mask import Mask as Mask
from ganinvert.degradations.measurement import DEGRADATIONS as DEGRADATIONS
from ganinvert.degradations.measurement import DegradationEntry as DegradationEntry
from ganinvert.degradations.measurement import Measurement as Measurement
from ganinvert.degradations.measurement import stack as stack
from ganinvert.degradations.sharpness import estimate_blur as estimate_blur
