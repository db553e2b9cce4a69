"""Comparison of methods on photos whose truth is known: they are degraded, restored and compared with themselves."""
