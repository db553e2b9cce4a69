"""Network files: what is inside them, and how to turn them into the canonical form."""

from ganinvert.weights.architecture import PGGANArchitecture
from ganinvert.weights.formats import GeneratorWeights, read_generator
from ganinvert.weights.tensorfile import TensorFile, digest

__all__ = ["GeneratorWeights", "PGGANArchitecture", "TensorFile", "digest", "read_generator"]
