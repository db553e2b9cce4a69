"""Methods of inversion, by name. A further method is a file here, one in `ganinvert.methods`, and a row."""

from dataclasses import replace

from ganinvert.settings.methods.base import MethodSettings as MethodSettings
from ganinvert.settings.methods.composition import PmSFC as PmSFC
from ganinvert.settings.methods.dgp import DGP
from ganinvert.settings.methods.dgp import GenerativePrior as GenerativePrior
from ganinvert.settings.methods.encoder import ENCODER
from ganinvert.settings.methods.encoder import Encoded as Encoded
from ganinvert.settings.methods.fine_tuning import REFINEMENTS as REFINEMENTS
from ganinvert.settings.methods.fine_tuning import FineTuningSettings as FineTuningSettings
from ganinvert.settings.methods.fine_tuning import refinement as refinement
from ganinvert.settings.methods.inversion import InversionSettings as InversionSettings
from ganinvert.settings.methods.inversion import MethodEntry as MethodEntry
from ganinvert.settings.methods.invertlayers import INVERTLAYERS
from ganinvert.settings.methods.invertlayers import LayerResiduals as LayerResiduals
from ganinvert.settings.methods.pmsfc import MGANPRIOR, NEAR_PERFECT, PMSFC
from ganinvert.settings.methods.single import CLIPPING, GENVISMANI, INVERTGENNET, PIVOTAL_TUNING, SINGLE
from ganinvert.settings.methods.single import SingleCode as SingleCode
from ganinvert.settings.methods.styles import BDINVERT, IMAGE2STYLEGAN, PROJECTOR, STYLED

_SINGLE_CODES = (SINGLE, CLIPPING, INVERTGENNET, GENVISMANI)
_STYLES = (IMAGE2STYLEGAN, PROJECTOR, BDINVERT)
METHODS: dict[str, MethodEntry] = {
    entry.name: replace(entry, styled=STYLED.get(entry.name, {}))
    for entry in (PMSFC, MGANPRIOR, *_SINGLE_CODES, *_STYLES, INVERTLAYERS, ENCODER, DGP, NEAR_PERFECT, PIVOTAL_TUNING)
}
"""Every method, in the order of the help."""
