"""Methods that end with fine-tuning: near-perfect inversion and PTI."""

from __future__ import annotations

from dataclasses import replace

from ganinvert.settings.methods.fine_tuning import PTI, PTI_PAPER, FineTuningSettings
from ganinvert.settings.methods.inversion import MethodEntry
from ganinvert.settings.methods.pmsfc import PMSFC
from ganinvert.settings.methods.single import SINGLE

_COMPOSED = PMSFC.presets["invert"]["default"]
_CODE = SINGLE.presets["invert"]["default"]
_LONGER = replace(_CODE, optimization=replace(_CODE.optimization, steps=450))

NEAR_PERFECT = MethodEntry(
    "near-perfect",
    "PmSFC, then fine-tuning with an adversary",
    {"invert": {"default": replace(_COMPOSED, tuning=FineTuningSettings(), name="near-perfect")}},
)
PIVOTAL_TUNING = MethodEntry(
    "pti",
    "one code, then fine-tuning around it (Roich et al. 2021)",
    {
        "invert": {
            "default": replace(_CODE, tuning=PTI, name="pti"),
            "paper": replace(_LONGER, tuning=PTI_PAPER, name="pti"),
        }
    },
)
