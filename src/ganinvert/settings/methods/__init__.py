"""Methods of inversion, by name. A further method is a file here, one in `ganinvert.methods`, and a row."""

from __future__ import annotations

from ganinvert.settings.methods.base import MethodSettings
from ganinvert.settings.methods.composition import PmSFC
from ganinvert.settings.methods.dgp import DGP, GenerativePrior
from ganinvert.settings.methods.encoder import ENCODER, Encoded
from ganinvert.settings.methods.fine_tuning import REFINEMENTS, FineTuningSettings
from ganinvert.settings.methods.inversion import InversionSettings, MethodEntry, Presets
from ganinvert.settings.methods.invertlayers import INVERTLAYERS, LayerResiduals
from ganinvert.settings.methods.mganprior import MGANPRIOR
from ganinvert.settings.methods.pmsfc import PMSFC
from ganinvert.settings.methods.single import CLIPPING, GENVISMANI, INVERTGENNET, SINGLE, SingleCode
from ganinvert.settings.methods.tuned import NEAR_PERFECT, PIVOTAL_TUNING

__all__ = [
    "METHODS",
    "REFINEMENTS",
    "Encoded",
    "FineTuningSettings",
    "GenerativePrior",
    "InversionSettings",
    "LayerResiduals",
    "MethodEntry",
    "MethodSettings",
    "PmSFC",
    "Presets",
    "SingleCode",
]

_SINGLE_CODES = (SINGLE, CLIPPING, INVERTGENNET, GENVISMANI)
METHODS: dict[str, MethodEntry] = {
    entry.name: entry
    for entry in (PMSFC, MGANPRIOR, *_SINGLE_CODES, INVERTLAYERS, ENCODER, DGP, NEAR_PERFECT, PIVOTAL_TUNING)
}
"""Every method, in the order of the help."""
