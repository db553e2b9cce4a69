"""Weights of PGGAN networks, and how they are written."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from ganinvert.generators.pggan.architecture import EncoderArchitecture, PGGANArchitecture
from ganinvert.settings import StoredPrecision
from ganinvert.weights import TensorFile
from ganinvert.weights.reading import State

KIND = "pggan-generator"
DISCRIMINATOR_KIND = "pggan-discriminator"
ENCODER_KIND = "pggan-encoder"
POOLS_FIRST = "pools_first"


class PGGANWeights(ABC):
    """State dict of a network of the family, and its notes.

    Attributes:
        state: Tensors, float32 on the CPU.
        about: Notes of the file, such as licence and origin.
    """

    family: ClassVar[str] = "pggan"
    state: State
    about: Mapping[str, str]

    @property
    @abstractmethod
    def header(self) -> dict[str, str]:
        """Entries of the file's header besides the notes."""

    def save(self, path: Path, *, stored: StoredPrecision = "float32") -> None:
        """Write a safetensors file, atomically.

        Args:
            path: Path of the file.
            stored: Precision in the file; if the state was `rounded` to it, the same network is read again.

        Raises:
            OutputError: The file cannot be written.
        """
        TensorFile(_cast(self.state, stored), {**self.about, **self.header}).save(path)


@dataclass(frozen=True)
class GeneratorWeights(PGGANWeights):
    """Weights of a generator.

    Attributes:
        state: Canonical tensors, float32 on the CPU.
        architecture: Architecture, read from the tensors.
        name: Name in outputs.
        digest: Digest of the canonical tensors, under which subspaces are cached.
        about: Notes of the file, such as licence and origin, and its `format`.
    """

    state: State
    architecture: PGGANArchitecture
    name: str
    digest: str
    about: Mapping[str, str]

    @property
    def header(self) -> dict[str, str]:
        """Kind, name and architecture."""
        return {"kind": KIND, "name": self.name, "architecture": json.dumps(asdict(self.architecture))}


@dataclass(frozen=True)
class DiscriminatorWeights(PGGANWeights):
    """Weights of a discriminator.

    Attributes:
        state: Tensors, float32 on the CPU.
        architecture: Architecture of its generator, except the length of z, which it does not know.
        about: Notes of the file, such as licence and origin.
        pools_first: True if the last convolution of a block is averaged before its activation, as in NVIDIA's fused
            ones.
    """

    state: State
    architecture: PGGANArchitecture
    about: Mapping[str, str] = field(default_factory=dict)
    pools_first: bool = False

    @property
    def header(self) -> dict[str, str]:
        """Kind, and the order of pooling and activation."""
        return {**({POOLS_FIRST: "yes"} if self.pools_first else {}), "kind": DISCRIMINATOR_KIND}


@dataclass(frozen=True)
class EncoderWeights(PGGANWeights):
    """Weights of an encoder.

    Attributes:
        state: Tensors, float32 on the CPU.
        architecture: Architecture, in the header and the tensors.
        generator: Digest of its generator.
        about: Notes of the file, such as licence and origin.
    """

    state: State
    architecture: EncoderArchitecture
    generator: str
    about: Mapping[str, str] = field(default_factory=dict)

    @property
    def header(self) -> dict[str, str]:
        """Kind, generator and architecture."""
        architecture = json.dumps(asdict(self.architecture))
        return {"kind": ENCODER_KIND, "generator": self.generator, "architecture": architecture}


def rounded(state: State, stored: StoredPrecision) -> dict[str, Tensor]:
    """Round a state to a precision of storage, as float32 tensors."""
    return {key: tensor.float() for key, tensor in _cast(state, stored).items()}


def _cast(state: State, stored: StoredPrecision) -> dict[str, Tensor]:
    dtype = torch.float16 if stored == "float16" else torch.float32
    return {key: tensor.to(dtype) for key, tensor in state.items()}
