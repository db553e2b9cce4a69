"""Inversion methods: what is optimised. They differ only in the code θ, never in the loop."""

from ganinvert.methods.base import Code, CodeRecord, Method, Refiner
from ganinvert.methods.composition import ComposedCode, Composition, partition_for
from ganinvert.methods.dgp import DeepGenerativePrior
from ganinvert.methods.encoded import ActivationCode, Encoding
from ganinvert.methods.fine_tuning import FineTuning
from ganinvert.methods.latent import Latent, LatentCode
from ganinvert.methods.registry import (
    CODES,
    adapt_to_generator,
    auxiliary_digests,
    edit_layer,
    edit_partition,
    method_of,
)
from ganinvert.methods.residuals import ResidualCode, Residuals

__all__ = [
    "CODES",
    "ActivationCode",
    "Code",
    "CodeRecord",
    "ComposedCode",
    "Composition",
    "DeepGenerativePrior",
    "Encoding",
    "FineTuning",
    "Latent",
    "LatentCode",
    "Method",
    "Refiner",
    "ResidualCode",
    "Residuals",
    "adapt_to_generator",
    "auxiliary_digests",
    "edit_layer",
    "edit_partition",
    "method_of",
    "partition_for",
]
