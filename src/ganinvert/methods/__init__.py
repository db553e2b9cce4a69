"""Inversion methods: what is optimised. They differ only in the code θ, never in the loop."""

from ganinvert.methods.base import Code, Method, Refiner
from ganinvert.methods.composition import ComposedCode, Composition
from ganinvert.methods.dgp import DeepGenerativePrior
from ganinvert.methods.encoded import Encoding, FeatureCode
from ganinvert.methods.fine_tuning import FineTuning
from ganinvert.methods.latent import Latent, LatentCode
from ganinvert.methods.registry import (
    adapt_to_generator,
    auxiliary_digests,
    code_from_tensors,
    edit_layer,
    edit_partition,
    method_of,
    partition_for,
)
from ganinvert.methods.residuals import ResidualCode, Residuals

__all__ = [
    "Code",
    "ComposedCode",
    "Composition",
    "DeepGenerativePrior",
    "Encoding",
    "FeatureCode",
    "FineTuning",
    "Latent",
    "LatentCode",
    "Method",
    "Refiner",
    "ResidualCode",
    "Residuals",
    "adapt_to_generator",
    "auxiliary_digests",
    "code_from_tensors",
    "edit_layer",
    "edit_partition",
    "method_of",
    "partition_for",
]
