"""Weights files of any container, opened without executing anything, and checks of the tensors in them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Literal

from torch import Tensor

from ganinvert.errors import WeightsError
from ganinvert.weights.catalog import RANDOM_FACE
from ganinvert.weights.nvidia import tensorflow_variables
from ganinvert.weights.openvino import Graph
from ganinvert.weights.pickles import unpickled
from ganinvert.weights.states import State, choose, find_networks, flatten
from ganinvert.weights.tensorfile import TensorFile
from ganinvert.weights.torchfile import is_torch_file, read_torch, require_plain
from ganinvert.weights.wheel import is_wheel, read_files

KNOWN = (
    "looked for: ganinvert .safetensors; NVIDIA's pickles of (G, D, Gs) and of StyleGAN2; torch files of genforce,"
    " GANDissect, the GAN Zoo, MMGeneration, StyleGAN2's port, or with the canonical state dict; the wheel random-face"
    " 2021.7.21.1"
)
_KINDS = (
    (b"", "is empty", "the download or copy failed: fetch it again"),
    (
        b"version https://git-lfs",
        "is a pointer of Git LFS, not the file",
        "`git lfs pull` in its repository fetches it",
    ),
    (b"<?xml", "is an XML text, not a weights file", "give the wheel, or the folder, that it is from"),
    (b"<", "is a web page, not a weights file", "the download failed: a browser shows what the page says"),
    (b"{", "is a JSON text, not a weights file", "the download failed: the text says why"),
    (b"PK\x03\x04", "is cut short: its end is missing", "the download or copy was stopped: fetch it again"),
)
"""Beginnings of files that hold no weights, what they are, and what to do."""


@dataclass(frozen=True)
class WeightsFile:
    """A weights file, which is read at the first use of its content.

    Attributes:
        path: Path of the file.
        container: Kind of file: ours, one of torch, a pickle of NVIDIA, or a wheel, or its folder, with graphs of
            OpenVINO.
    """

    path: Path
    container: Literal["safetensors", "torch", "nvidia", "openvino"]

    @classmethod
    def open(cls, path: Path) -> WeightsFile:
        """Look at the first bytes of a file, and refuse one that is missing or of no known kind."""
        if path.is_dir():
            return cls(path, "openvino")
        require_file(path)
        with path.open("rb") as file:
            head = file.read(64)
        if head[8:9] == b"{":
            return cls(path, "safetensors")
        if is_wheel(path):
            return cls(path, "openvino")
        if is_torch_file(path):
            return cls(path, "torch")
        if head.startswith(b"\x80"):  # as pickles do
            return cls(path, "nvidia")
        text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
        for start, kind, hint in _KINDS:
            if text.startswith(start) if start else not text:
                raise WeightsError(kind, hint=hint)
        raise WeightsError("is of no known kind", hint=KNOWN)

    @cached_property
    def own(self) -> TensorFile:
        """Tensors and header of a file of ours; empty for others."""
        return TensorFile.load(self.path) if self.container == "safetensors" else TensorFile({})

    @cached_property
    def networks(self) -> object:
        """Content of a pickle of NVIDIA, whose networks are still closed; None for other files."""
        return unpickled(self.path) if self.container == "nvidia" else None

    @cached_property
    def size(self) -> int:
        """Size of the file in bytes, which bounds the numbers in it."""
        return self.path.stat().st_size

    @cached_property
    def values(self) -> Mapping[str, object]:
        """Everything in the file by dotted keys; see `flatten`."""
        return flatten(self.own.tensors if self.container == "safetensors" else self.content)

    @cached_property
    def tensors(self) -> State:
        """The tensors among the values."""
        return {key: value for key, value in self.values.items() if isinstance(value, Tensor)}

    @cached_property
    def content(self) -> Mapping[str, object]:
        """Content of a torch file, variables of NVIDIA's averaged generator of TensorFlow, or graphs by their names."""
        if self.container == "openvino":
            return read_graphs(self.path)
        return read_torch(self.path) if self.container == "torch" else tensorflow_variables(self.networks, self.size)


def read_graphs(path: Path) -> dict[str, Graph]:
    """Read the graphs of the one known wheel, or of its folder, after comparing the digests of its files."""
    files = read_files(path, dict(RANDOM_FACE.members))
    return {
        PurePosixPath(name).stem: Graph(content, files[name.removesuffix(".xml") + ".bin"])
        for name, content in files.items()
        if name.endswith(".xml")
    }


def read_perceptual(path: Path, *, convolutions: Mapping[str, tuple[int, ...]]) -> TensorFile:
    """Read the convolutions of a torchvision classification network, given the shapes of their weights by name."""
    with naming(path):
        networks = find_networks(WeightsFile.open(path).tensors, r"features\.0\.weight")
        if not networks:
            raise WeightsError("does not hold torchvision's network", hint="torchvision's own files do")
        expected = {f"{name}.{part}" for name in convolutions for part in ("weight", "bias")}
        state = {key: tensor for key, tensor in choose(networks)[1].items() if key.startswith("features.")}
        require_keys(state, expected, what="network")
        require_plain(state)
        for name, shape in convolutions.items():
            if (actual := tuple(state[f"{name}.weight"].shape)) != shape:
                raise WeightsError(f"{name} has shape {actual}, not {shape}", hint="the file is of another network")
        require_finite(state)
    return TensorFile(state, {"format": "torchvision"})


def require_keys(state: Mapping[str, object], expected: set[str], *, what: str = "network") -> None:
    """Refuse a state dict whose keys are not exactly `expected`; `what` is the name of the network."""
    missing, extra = sorted(expected - state.keys()), sorted(state.keys() - expected)
    if missing or extra:
        parts = [f"{word} {_some(keys)}" for word, keys in (("missing", missing), ("extra", extra)) if keys]
        hint = "the file is damaged, or of another network or format"
        raise WeightsError(f"not a complete {what}: {'; '.join(parts)}", hint=hint)


def _some(keys: list[str]) -> str:
    return ", ".join(keys[:4]) + (f" and {len(keys) - 4} more" if len(keys) > 4 else "")


def require_finite(state: State) -> None:
    """Refuse tensors with NaNs or infinities."""
    for key, tensor in state.items():
        # The extremes carry every NaN and infinity, and need no second tensor of the same size.
        if tensor.numel() and not all(math.isfinite(extreme) for extreme in tensor.aminmax()):
            raise WeightsError(f"{key} holds values that are not finite", hint="the file is damaged")


def require_file(path: Path) -> None:
    """Refuse a path without a file."""
    if not path.is_file():
        raise WeightsError("no such file", hint="check the spelling of the path")


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Put the path of a file before the messages of errors about its content."""
    try:
        yield
    except WeightsError as error:
        message = error.message if str(path) in error.message else f"{path}: {error.message}"
        raise type(error)(message, hint=error.hint) from error
