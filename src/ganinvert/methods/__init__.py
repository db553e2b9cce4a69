"""Inversion methods: what is optimised. They differ only in the code θ, never in the loop."""

from ganinvert.methods.base import Code, Method, Refiner
from ganinvert.methods.choice import composing, editing_layer, editing_masks, equipped, helpers, method_of, rebuilt
from ganinvert.methods.composition import ComposedCode, Composition
from ganinvert.methods.dgp import DeepGenerativePrior
from ganinvert.methods.encoded import Encoding, FeatureCode
from ganinvert.methods.latent import Latent, LatentCode
from ganinvert.methods.residuals import ResidualCode, Residuals
from ganinvert.methods.tuning import FineTuning

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
    "composing",
    "editing_layer",
    "editing_masks",
    "equipped",
    "helpers",
    "method_of",
    "rebuilt",
]
