"""Weights of PGGAN networks, and how they are written."""

from __future__ import annotations

import json
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


@dataclass(frozen=True)
class GeneratorWeights:
    """A generator's canonical state dict and where it came from.

    Attributes:
        state: Canonical tensors, float32 on the CPU.
        architecture: Architecture, read from the tensors.
        name: Name in outputs.
        digest: Digest of the canonical tensors, under which subspaces are cached.
        about: Notes of the file, such as licence and origin, and its `format`.
    """

    family: ClassVar = "pggan"
    state: State
    architecture: PGGANArchitecture
    name: str
    digest: str
    about: Mapping[str, str]

    def save(self, path: Path, *, stored: StoredPrecision = "float32") -> None:
        """Write the canonical safetensors file, atomically, with the architecture in its header.

        Args:
            path: The file.
            stored: Precision in the file; `rounded` beforehand, the same network is read again.

        Raises:
            OutputError: The file cannot be written.
        """
        architecture = {"latent_dim": self.architecture.latent_dim, "channels": self.architecture.channels}
        header = {**self.about, "kind": KIND, "name": self.name, "architecture": json.dumps(architecture)}
        TensorFile(_cast(self.state, stored), header).save(path)


@dataclass(frozen=True)
class DiscriminatorWeights:
    """A discriminator's state dict, as `PGGANDiscriminator` takes it.

    Attributes:
        state: Tensors, float32 on the CPU.
        architecture: That of the generator it was trained with, but for the length of z, which it does not know.
        about: The file's own notes, such as licence and origin.
        pools_first: Whether a block's last convolution is averaged before its activation, as NVIDIA's fused ones are.
    """

    family: ClassVar = "pggan"
    state: State
    architecture: PGGANArchitecture
    about: Mapping[str, str] = field(default_factory=dict)
    pools_first: bool = False

    def save(self, path: Path, *, stored: StoredPrecision = "float32") -> None:
        """Write a safetensors file, atomically; `stored` is the precision in it.

        Raises:
            OutputError: The file cannot be written.
        """
        order = {POOLS_FIRST: "yes"} if self.pools_first else {}
        TensorFile(_cast(self.state, stored), {**self.about, **order, "kind": DISCRIMINATOR_KIND}).save(path)


@dataclass(frozen=True)
class EncoderWeights:
    """An encoder's state dict, as `Encoder` takes it.

    Attributes:
        state: Tensors, float32 on the CPU.
        architecture: As the header states it and the tensors have it.
        generator: Digest of the generator that it belongs to.
        about: The file's own notes, such as licence and origin.
    """

    family: ClassVar = "pggan"
    state: State
    architecture: EncoderArchitecture
    generator: str
    about: Mapping[str, str] = field(default_factory=dict)

    def save(self, path: Path, *, stored: StoredPrecision = "float32") -> None:
        """Write a safetensors file, atomically; `stored` is the precision in it.

        Raises:
            OutputError: The file cannot be written.
        """
        header = {
            **self.about,
            "kind": ENCODER_KIND,
            "generator": self.generator,
            "architecture": json.dumps(asdict(self.architecture)),
        }
        TensorFile(_cast(self.state, stored), header).save(path)


def rounded(state: State, stored: StoredPrecision) -> dict[str, Tensor]:
    """What a state is when it is read again after it was stored so: float32 tensors."""
    return {key: tensor.float() for key, tensor in _cast(state, stored).items()}


def _cast(state: State, stored: StoredPrecision) -> dict[str, Tensor]:
    dtype = torch.float16 if stored == "float16" else torch.float32
    return {key: tensor.to(dtype) for key, tensor in state.items()}
