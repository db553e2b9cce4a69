"""Inversion methods: what is optimised. They differ only in the code θ, never in the loop."""

from ganinvert.methods.base import Code, Method
from ganinvert.methods.composition import ComposedCode, Composition

__all__ = ["Code", "ComposedCode", "Composition", "Method"]
