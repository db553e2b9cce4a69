"""Inversion methods: what is optimised. They differ only in the code θ, never in the loop."""

from ganinvert.methods.base import Code, Method
from ganinvert.methods.composition import ComposedCode, PmSFC, mganprior

__all__ = ["Code", "ComposedCode", "Method", "PmSFC", "mganprior"]
