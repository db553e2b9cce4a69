"""Latent bundles: everything needed to render an inversion again, in one `.pt` file."""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from ganinvert import images
from ganinvert.degradations import Measurement
from ganinvert.devices import undisturbed
from ganinvert.errors import BundleError, GanInvertError, UsageError
from ganinvert.files import open_input, write_atomically
from ganinvert.generators import Activations, Generator, apply_deltas, load_generator
from ganinvert.methods import CODES, Code, CodeRecord
from ganinvert.settings import PmSFC
from ganinvert.settings.common import DEFAULT_GENERATOR
from ganinvert.subspaces import SubspacePartition
from ganinvert.weights import registry
from ganinvert.weights.catalog import CATALOG
from ganinvert.weights.store import Store

FORMAT = "ganinvert-bundle"
VERSION = 4
_ODD = (AttributeError, KeyError, RuntimeError, TypeError, ValueError)
"""Errors that values of another type than expected raise."""
_DAMAGED = "the file is damaged or no bundle: make it again with `ganinvert invert --overwrite`"


@dataclass(frozen=True, repr=False)
class LatentBundle:
    """One result: the code, and the measurement of the user's file.

    Attributes:
        task: "invert", "colorize", "upscale", "inpaint", or the name of an edit: "swap", "interpolate", "render",
            "edit".
        method: Name of the method, as `--method` has it, and of the fine-tuning after it: "pmsfc", "pmsfc+pti".
        generator: Name of the generator.
        digest: Digest of its weights.
        composition: Fields of the method's settings.
        code: "kind" of the code, a key of `CODES`: "composition", "latent", "residuals" or "activations"; and "space",
            the name of its latent space, empty for the native one.
        layer: Layer of the features that can be edited.
        tensors: Tensors of the code, float32: z (R, K, *shape) and w (K, c) of a composition; z (*shape) of a latent
            code, with residuals d1, d2, … (c, h, w); or activations h (c, h, w), with styles and image if any.
        deltas: Changes of the generator's weights, by name, float16; none unless it was fine-tuned.
        partition: Subspaces of the layer.
        losses: Objective before every step, (steps,); empty for an edit.
        metrics: PSNR in dB, SSIM and LPIPS against the measurement, and others by name.
        settings: Every setting of the run; strings, numbers, booleans.
        provenance: Input hash, seed, versions, notes; strings and numbers.
        measurement: Measurement that the result must agree with; None for an inversion.
    """

    task: str
    method: str
    generator: str
    digest: str
    composition: Mapping[str, Any]
    code: Mapping[str, str]
    layer: int
    tensors: Mapping[str, Tensor]
    partition: SubspacePartition
    losses: Tensor
    metrics: Mapping[str, float]
    settings: Mapping[str, Any]
    provenance: Mapping[str, Any]
    deltas: Mapping[str, Tensor] = field(default_factory=dict)
    measurement: Measurement | None = None

    def __repr__(self) -> str:
        kind, shapes = self.code["kind"], {name: tuple(tensor.shape) for name, tensor in self.tensors.items()}
        deltas = f", {len(self.deltas)} weight deltas" if self.deltas else ""
        return f"<LatentBundle: {self.task} by {self.method}, {self.generator}, {kind} {shapes}{deltas}>"

    def _repr_png_(self) -> bytes | None:
        """The image as a PNG file, which Jupyter shows; None if the generator is not on this machine by its name."""
        entry = CATALOG.get(self.generator)
        known = registry.find(self.generator) if entry is None else Store().has(entry)
        if not known and self.generator != DEFAULT_GENERATOR:
            return None
        try:
            x = self.render(load_generator(self.generator))
        except GanInvertError:
            return None
        return images.encode_png(images.to_pil((x[0] / 2 + 0.5).numpy()))

    def restored(self, generator: Generator) -> Code:
        """Make the code of the image again, on the generator's device.

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
        return self._code({name: tensor.to(device) for name, tensor in self.tensors.items()})

    def features(self, generator: Generator) -> Activations:
        """Compose the activations at `layer`, of one image; bit-exact on the CPU.

        Raises:
            BundleError: The bundle was made with another generator.
        """
        return self.composed(generator, self.layer)

    def composed(self, generator: Generator, layer: int) -> Activations:
        """Compose the activations at a layer, not before that of the code; see `features`."""
        own = self.own(generator)
        try:
            code = self.restored(generator)
            with torch.no_grad():
                state = own.carry(code.compose(own), code.layer, layer)
        except (*_ODD, UsageError) as error:
            raise BundleError("the bundle's code is none of this generator", hint=_DAMAGED) from error
        info = generator.layer_info(layer)
        if state.features.shape[1:] != (info.channels, info.size, info.size):
            raise BundleError("the bundle's features are none of this generator's", hint=_DAMAGED)
        return state

    def own(self, generator: Generator) -> Generator:
        """The generator as it was tuned for this image; the given one if it was not tuned.

        Raises:
            BundleError: The changes do not fit the generator.
        """
        if not self.deltas:
            return generator
        device = next(generator.parameters()).device
        try:
            return apply_deltas(generator, {name: delta.float().to(device) for name, delta in self.deltas.items()})
        except ValueError as error:
            raise BundleError("the bundle's changes are none of this generator's weights", hint=_DAMAGED) from error

    def render(self, generator: Generator, *, features: Activations | None = None) -> Tensor:
        """Render the result, (1, 3, r, r) about [-1, 1]; bit-exact on the CPU.

        Args:
            generator: Generator that made the bundle.
            features: Edited activations to decode instead of the bundle's own.

        Raises:
            BundleError: The bundle was made with another generator.
        """
        x = self.decode(generator, self.features(generator) if features is None else features)
        if self.measurement is None:
            return x
        return self.measurement.degradation(generator.resolution).project(x, self.measurement.y.to(x.device))

    def decode(self, generator: Generator, features: Activations) -> Tensor:
        """Decode activations, without bringing the image to agree with the measurement."""
        with torch.no_grad():
            return self.own(generator).synthesize(features, self.layer)

    def save(self, path: Path | str) -> None:
        """Write atomically a file of plain tensors, strings and numbers.

        Raises:
            OutputError: The file cannot be written.
        """
        write_atomically(Path(path), self.encode())

    def encode(self) -> bytes:
        """The content of the file that `save` writes."""
        content: dict[str, object] = {"format": FORMAT, "version": VERSION}
        for name, value in vars(self).items():
            value = vars(value) if isinstance(value, SubspacePartition | Measurement) else value
            content["masks" if name == "partition" else name] = dict(value) if isinstance(value, Mapping) else value
        buffer = io.BytesIO()
        torch.save(content, buffer)
        return buffer.getvalue()

    def _code(self, tensors: Mapping[str, Tensor]) -> Code:
        kind, space = self.code["kind"], self.code["space"]
        return CODES[kind].restore(CodeRecord(kind, space, tensors, self.composition, self.partition, self.layer))

    @classmethod
    @undisturbed()
    def load(cls, path: Path | str) -> LatentBundle:
        """Read a file written by `save`; nothing in it is executed.

        Raises:
            BundleError: The file is missing, damaged, no bundle, or of a newer version.
        """
        with open_input(Path(path), BundleError) as file:
            archive = io.BytesIO(file.read())
        try:
            content = _read(archive)
        except Exception as error:  # a reader of foreign bytes may raise anything
            raise BundleError(f"{path}: cannot be read", hint=_DAMAGED) from error
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise BundleError(f"{path}: is not a latent bundle", hint=_DAMAGED)
        try:
            if content["version"] > VERSION:
                hint = "update with `pipx upgrade ganinvert`"
                raise BundleError(f"{path}: was written by a newer ganinvert", hint=hint)
            content = _migrated(content)
            partition, measured = SubspacePartition(**content.pop("masks")), content.pop("measurement")
            measurement = None if measured is None else Measurement(**measured)
            bundle = cls(partition=partition, measurement=measurement, **content)
        except _ODD as error:
            raise BundleError(f"{path}: is incomplete", hint=_DAMAGED) from error
        if not _is_sound(bundle):
            raise BundleError(f"{path}: its parts do not fit together", hint=_DAMAGED)
        return bundle


def _read(content: BinaryIO) -> object:
    """The content of a torch file, which is a ZIP archive: its check sums tell damaged values from whole ones."""
    with zipfile.ZipFile(content) as archive:
        if (damaged := archive.testzip()) is not None:
            raise zipfile.BadZipFile(damaged)
    content.seek(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's, about files that it did not write
        return torch.load(content, map_location="cpu", weights_only=True)


def _is_sound(bundle: LatentBundle) -> bool:
    """True if every field has its type and the parts fit together, so that no later use stumbles over them."""
    texts = (bundle.task, bundle.method, bundle.generator, bundle.digest, bundle.partition.source)
    mappings = ("composition", "code", "deltas", "tensors", "metrics", "settings", "provenance")
    tables = [getattr(bundle, name) for name in mappings]
    if not all(isinstance(text, str) for text in texts) or not all(isinstance(table, dict) for table in tables):
        return False
    try:
        labels = bundle.partition.labels
        bundle._code(bundle.tensors)
        numbers = (bundle.partition.stability, *bundle.metrics.values())
        return bool(
            all(tensor.dtype == torch.float32 for tensor in (*bundle.tensors.values(), bundle.losses))
            and all(isinstance(number, int | float) for number in numbers)
            and all(isinstance(name, str) for name in (*bundle.deltas, *bundle.tensors))
            and all(delta.dtype == torch.float16 and delta.ndim for delta in bundle.deltas.values())
            and all(bool(value.isfinite().all()) for value in (*bundle.deltas.values(), *bundle.tensors.values()))
            and isinstance(bundle.layer, int)
            and bundle.layer >= 0
            and all(isinstance(value, str) for value in bundle.code.values())
            and bundle.losses.ndim == 1
            and labels.dtype == torch.int64
            and labels.ndim == 1
            and labels.unique().tolist() == list(range(bundle.partition.subspaces))
            and (bundle.measurement is None or bundle.measurement.is_sound())
        )
    except (*_ODD, UsageError):
        return False


def _migrated(content: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of this version: 1 held inversions only, 2 compositions only, and 3 told codes by names of tensors."""
    older: dict[str, Any] = {"task": "invert", "measurement": None} if content["version"] == 1 else {}
    fields = {key: value for key, value in content.items() if key not in ("format", "version")}
    if content["version"] <= 2:
        composition = dict(content["composition"])
        if composition.get("candidates") == 0:  # a random start was none of candidates
            composition |= {"init": "random", "candidates": PmSFC().candidates}
        fields["composition"] = composition
        older |= {"layer": composition["layer"], "deltas": {}}
    if content["version"] <= 3:
        kinds = {"h": "activations", "w": "composition", "d1": "residuals"}
        kind = next((kind for name, kind in kinds.items() if name in content["tensors"]), "latent")
        older["code"] = {"kind": kind, "space": ""}
    return {**older, **fields}
