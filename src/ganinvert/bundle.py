"""Latent bundles: everything needed to render an inversion again, in one `.pt` file."""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import torch
from torch import Tensor

from ganinvert.degradations import Measurement
from ganinvert.errors import BundleError, UsageError
from ganinvert.files import write_atomically
from ganinvert.generators import Generator
from ganinvert.methods import ComposedCode
from ganinvert.settings import PmSFC, Weighting
from ganinvert.subspaces import SubspaceMasks

FORMAT = "ganinvert-bundle"
VERSION = 2
MOST_LAYERS = 18
"""Of a generator of 1024 pixels."""
_ODD = (AttributeError, KeyError, RuntimeError, TypeError, ValueError)
"""What values of another type than expected raise."""
_DAMAGED = "the file is damaged or no bundle: make it again with `ganinvert invert --overwrite`"


@dataclass(frozen=True)
class LatentBundle:
    """One result: what the generator composes, and what the user's file showed.

    Attributes:
        task: "invert", "colorize", "upscale", "inpaint", or the name of an edit: "swap", "interpolate", "render".
        method: "pmsfc".
        generator: Name of the generator.
        digest: Digest of its weights.
        composition: The fields of `PmSFC`.
        tensors: z (R, K, z) and w (K, c), or the composed features h (c, h, w) of an edit; float32.
        masks: The subspaces.
        losses: (steps,), the objective before every step; empty for an edit.
        metrics: PSNR in dB, SSIM and LPIPS against the measurement, and others by name.
        settings: Every setting of the run; strings, numbers, booleans.
        provenance: Input hash, seed, versions, notes; strings and numbers.
        measurement: What the result must agree with; None when it need not.
    """

    task: str
    method: str
    generator: str
    digest: str
    composition: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    masks: SubspaceMasks
    losses: Tensor
    metrics: Mapping[str, float]
    settings: Mapping[str, Any]
    provenance: Mapping[str, Any]
    measurement: Measurement | None = None

    @property
    def layer(self) -> int:
        """Where the features are composed."""
        return int(self.composition["layer"])

    def features(self, generator: Generator) -> Tensor:
        """The composed features, (1, c, h, w); bit-exact on the CPU.

        Raises:
            BundleError: The bundle was made with another generator.
        """
        if generator.digest != self.digest:
            raise BundleError(
                f"the bundle was made with {self.generator} ({self.digest[:12]}), not {generator.name}"
                f" ({generator.digest[:12]})",
                hint="name the same generator file with -g",
            )
        device = next(generator.parameters()).device
        parts = {name: tensor[None].to(device) for name, tensor in self.tensors.items()}
        if "h" in parts:
            return parts["h"]
        code = ComposedCode(parts["z"], parts["w"], self.masks, PmSFC(**self.composition))
        with torch.no_grad():
            return code.compose(generator)

    def render(self, generator: Generator, *, features: Tensor | None = None) -> Tensor:
        """The result, (1, 3, r, r) about [-1, 1]; bit-exact on the CPU.

        Args:
            generator: That which made the bundle.
            features: Edited ones to decode instead of the bundle's own.

        Raises:
            BundleError: The bundle was made with another generator.
        """
        x = self.decode(generator, self.features(generator) if features is None else features)
        if self.measurement is None:
            return x
        return self.measurement.degradation(generator.resolution).project(x, self.measurement.y.to(x.device))

    def decode(self, generator: Generator, features: Tensor) -> Tensor:
        """What the generator makes of features, before it is brought to agree with the measurement."""
        with torch.no_grad():
            return generator.synthesize(features, self.layer)

    def save(self, path: Path | str) -> None:
        """Write atomically a file of plain tensors, strings and numbers.

        Raises:
            OutputError: The file cannot be written.
        """
        write_atomically(Path(path), self.encode())

    def encode(self) -> bytes:
        """The content of the file that `save` writes."""
        content = {
            "format": FORMAT,
            "version": VERSION,
            "task": self.task,
            "method": self.method,
            "generator": self.generator,
            "digest": self.digest,
            "composition": dict(self.composition),
            "tensors": dict(self.tensors),
            "masks": {
                "labels": self.masks.labels,
                "source": self.masks.source,
                "stability": self.masks.stability,
            },
            "losses": self.losses,
            "metrics": dict(self.metrics),
            "settings": dict(self.settings),
            "provenance": dict(self.provenance),
            "measurement": None if self.measurement is None else vars(self.measurement),
        }
        buffer = io.BytesIO()
        torch.save(content, buffer)
        return buffer.getvalue()

    @classmethod
    def load(cls, path: Path | str) -> LatentBundle:
        """Read a file written by `save`; nothing in it is executed.

        Raises:
            BundleError: The file is missing, damaged, no bundle, or of a newer version.
        """
        try:
            content = _read(Path(path))
        except FileNotFoundError as error:
            raise BundleError(f"{path}: no such file", hint="check the spelling of the path") from error
        except Exception as error:  # a reader of foreign bytes may raise anything
            raise BundleError(f"{path}: cannot be read", hint=_DAMAGED) from error
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise BundleError(f"{path}: is not a latent bundle", hint=_DAMAGED)
        try:
            if content["version"] > VERSION:
                raise BundleError(
                    f"{path}: was written by a newer ganinvert", hint="update with `pipx upgrade ganinvert`"
                )
            content = _migrated(content)
            masks = SubspaceMasks(**content["masks"])
            measured = content["measurement"]
            measurement = None if measured is None else Measurement(**measured)
            rest = {key: value for key, value in content.items() if key not in ("masks", "measurement")}
            bundle = cls(masks=masks, measurement=measurement, **rest)
        except _ODD as error:
            raise BundleError(f"{path}: is incomplete", hint=_DAMAGED) from error
        if not _is_sound(bundle):
            raise BundleError(f"{path}: its parts do not fit together", hint=_DAMAGED)
        return bundle


def _read(path: Path) -> object:
    """The content of a torch file, which is a ZIP archive: its check sums tell damaged values from whole ones."""
    content = io.BytesIO(path.read_bytes())
    with zipfile.ZipFile(content) as archive:
        if (damaged := archive.testzip()) is not None:
            raise zipfile.BadZipFile(damaged)
    content.seek(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's, about files that it did not write
        return torch.load(content, map_location="cpu", weights_only=True)


def _is_sound(bundle: LatentBundle) -> bool:
    """Whether every field is what it claims to be, so that nothing that is done with a bundle stumbles over it."""
    texts = (bundle.task, bundle.method, bundle.generator, bundle.digest, bundle.masks.source)
    tables = (bundle.composition, bundle.tensors, bundle.metrics, bundle.settings, bundle.provenance)
    if not all(isinstance(text, str) for text in texts) or not all(isinstance(table, dict) for table in tables):
        return False
    try:
        method, labels = PmSFC(**bundle.composition), bundle.masks.labels
        numbers = (bundle.masks.stability, *bundle.metrics.values())
        return bool(
            all(tensor.dtype == torch.float32 for tensor in (*bundle.tensors.values(), bundle.losses))
            and all(isinstance(number, int | float) for number in numbers)
            and 0 <= bundle.layer <= MOST_LAYERS
            and method.weighting in get_args(Weighting)
            and bundle.losses.ndim == 1
            and labels.dtype == torch.int64
            and labels.ndim == 1
            and method.subspaces <= len(labels)
            and labels.unique().tolist() == list(range(method.subspaces))
            and _fits(bundle.tensors, method, len(labels))
            and (bundle.measurement is None or bundle.measurement.is_sound())
        )
    except (*_ODD, UsageError):
        return False


def _fits(tensors: Mapping[str, Tensor], method: PmSFC, channels: int) -> bool:
    """Whether codes or features are those of so many subspaces and channels."""
    if "h" in tensors:
        return tensors["h"].ndim == 3 and len(tensors["h"]) == channels
    z, w = tensors["z"].shape, tensors["w"].shape
    return len(z) == 3 and z[:2] == (method.subspaces, method.codes) and w == (method.codes, channels)


def _migrated(content: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of this version. Version 1 knew inversions only."""
    older = {"task": "invert", "measurement": None} if content["version"] == 1 else {}
    return {**older, **{key: value for key, value in content.items() if key not in ("format", "version")}}
