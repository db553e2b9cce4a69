"""Inverting pictures: a file or a Pillow image in, a result with everything around it out."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ganinvert import images
from ganinvert.bundle import LatentBundle
from ganinvert.devices import resolve_device, resolve_precision
from ganinvert.errors import InsufficientMemoryError
from ganinvert.generators import PGGANGenerator, load_generator
from ganinvert.methods import Composition
from ganinvert.metrics import image_metrics, to_unit
from ganinvert.optimize import Outcome, Solution, Step, solve
from ganinvert.settings import DEFAULT_GENERATOR, INVERT, FitMode, Invert, PmSFC, Precision, require_seed
from ganinvert.subspaces import SubspaceMasks, find_masks

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class Target:
    """A picture made ready to be inverted.

    Attributes:
        fit: The picture in the generator's square.
        notes: What was done to it.
        sha256: Of its pixels in the square.
    """

    fit: images.Fit
    notes: tuple[str, ...]
    sha256: str


@dataclass(frozen=True)
class Inversion:
    """An inverted picture.

    Attributes:
        image: The generator's image, 8 bits, with the input's transparency if it had any.
        target: What was inverted: the input in the generator's square.
        metrics: "psnr" in dB, "ssim" and "lpips" (AlexNet) against the target.
        outcome: How the optimisation ended.
        notes: What was done to the input.
        bundle: Everything needed to render the image again.
    """

    image: Image
    target: Image
    metrics: Mapping[str, float]
    outcome: Outcome
    notes: tuple[str, ...]
    bundle: LatentBundle


@dataclass(frozen=True)
class Inverter:
    """A generator, its subspaces and settings, loaded once for any number of pictures.

    Attributes:
        generator: On `device`.
        masks: Its subspaces.
        settings: Method, optimisation and objective.
        device: Where to compute.
        dtype: What convolutions compute in.
        seed: Of the codes' start.
        fit_mode: How pictures that are not square become so.
    """

    generator: PGGANGenerator
    masks: SubspaceMasks
    settings: Invert
    device: torch.device
    dtype: torch.dtype
    seed: int
    fit_mode: FitMode

    @classmethod
    def load(
        cls,
        generator: str | Path = DEFAULT_GENERATOR,
        settings: Invert = INVERT["default"],
        *,
        masks: SubspaceMasks | None = None,
        fit: FitMode = "crop",
        device: str = "auto",
        dtype: Precision = "auto",
        seed: int = 0,
    ) -> Inverter:
        """Load the generator and find its subspaces.

        Raises:
            UsageError: The device, layer or number of subspaces does not exist.
            WeightsError: The generator is unknown or damaged, or no subspaces were discovered for it.
        """
        require_seed(seed)
        place = resolve_device(device)
        loaded = load_generator(generator)
        method = settings.method
        if masks is not None:
            settings = replace(settings, method=replace(method, subspaces=masks.subspaces))
        else:
            masks = find_masks(loaded, method.layer, method.subspaces, affinity=method.affinity)
        precision = resolve_precision(dtype, place)
        return cls(loaded.to(place), masks, settings, place, precision, seed, fit)

    def prepare(self, picture: str | Path | Image) -> Target:
        """Read a picture, or take a Pillow image, and fit it to the generator's square.

        Raises:
            ImageError: It cannot be used.
        """
        read = images.read(Path(picture)) if isinstance(picture, str | Path) else images.from_pil(picture)
        fitted = images.fit(read, self.generator.resolution, mode=self.fit_mode)
        notes = (*read.notes, *([fitted.note] if fitted.note else []))
        return Target(fitted, notes, hashlib.sha256(fitted.pixels.tobytes()).hexdigest())

    @property
    def settings_hash(self) -> str:
        """Changes with everything that the result depends on but the input."""
        content = {
            "settings": asdict(self.settings),
            "masks": self.masks.labels.tolist(),
            "generator": self.generator.digest,
            "dtype": str(self.dtype),
            "seed": self.seed,
            "fit": self.fit_mode,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def run(self, targets: Sequence[Target], *, callback: Callable[[Step], None] | None = None) -> list[Inversion]:
        """Invert pictures, of which none depends on its neighbours.

        An accelerator optimises them together. Convolutions round differently for every number of images, and the
        optimisation makes much of it, so the CPU takes one after another: there results are the same to the bit.

        Args:
            targets: Made by `prepare`.
            callback: Called after every step; on the CPU for one picture after another.

        Raises:
            InsufficientMemoryError: They do not fit into the device's memory together.
        """
        if self.device.type == "cpu" and len(targets) > 1:
            return [inversion for target in targets for inversion in self.run([target], callback=callback)]
        y = torch.stack([torch.from_numpy(target.fit.pixels) for target in targets]).to(self.device)
        try:
            solution = self._solve(y, callback)
        except RuntimeError as error:
            if "memory" not in str(error):
                raise
            raise InsufficientMemoryError(
                f"not enough memory for {len(targets)} photos together",
                hint="use a smaller --batch-size, or fewer codes",
            ) from error
        # Rendered from the bundle, on the CPU and one by one: the picture is exactly what the bundle gives again.
        generator = self.generator.cpu()
        try:
            return [
                self._inversion(
                    generator, target, solution.code.tensors(n), solution.losses[:, n], solution.outcomes[n]
                )
                for n, target in enumerate(targets)
            ]
        finally:
            self.generator.to(self.device)

    def _solve(self, y: torch.Tensor, callback: Callable[[Step], None] | None) -> Solution:
        return solve(
            self.generator,
            y,
            method=Composition(self.settings.method, self.masks),
            objective=self.settings.objective,
            optimization=self.settings.optimization,
            dtype=self.dtype,
            seed=self.seed,
            callback=callback,
        )

    def _inversion(
        self,
        generator: PGGANGenerator,
        target: Target,
        tensors: Mapping[str, torch.Tensor],
        losses: torch.Tensor,
        outcome: Outcome,
    ) -> Inversion:
        draft = LatentBundle(
            method="pmsfc",
            generator=generator.name,
            digest=generator.digest,
            composition=asdict(self.settings.method),
            tensors=tensors,
            masks=self.masks,
            losses=losses.clone(),
            metrics={},
            settings=asdict(self.settings),
            provenance={},
        )
        x, y = draft.render(generator), torch.from_numpy(target.fit.pixels)[None]
        metrics = image_metrics(x, y)[0]
        bundle = LatentBundle(**{**vars(draft), "metrics": metrics, "provenance": self._provenance(target, outcome)})
        image, shown = (images.to_pil(to_unit(pixels)[0].numpy(), target.fit.alpha) for pixels in (x, y))
        return Inversion(image, shown, metrics, outcome, target.notes, bundle)

    def _provenance(self, target: Target, outcome: Outcome) -> dict[str, Any]:
        return {
            "input_sha256": target.sha256,
            "settings_hash": self.settings_hash,
            "notes": "; ".join(target.notes),
            "outcome": outcome.name,
            "seed": self.seed,
            "device": str(self.device),
            "dtype": str(self.dtype).removeprefix("torch."),
            "fit": self.fit_mode,
            "licence": self.generator.about.get("licence", ""),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "python": platform.python_version(),
            **{package: version(package) for package in ("ganinvert", "torch")},
        }


def invert(
    picture: str | Path | Image,
    *,
    generator: str | Path = DEFAULT_GENERATOR,
    settings: Invert = INVERT["default"],
    method: PmSFC | None = None,
    masks: SubspaceMasks | None = None,
    fit: FitMode = "crop",
    device: str = "auto",
    dtype: Precision = "auto",
    seed: int = 0,
    callback: Callable[[Step], None] | None = None,
) -> Inversion:
    """Invert one picture: find codes whose composed features the generator turns into it (PmSFC, eqs. 6–8).

    Args:
        picture: A file or a Pillow image, of any size and mode.
        generator: `portraits-64` or a generator file.
        settings: Method, optimisation and objective; `settings.INVERT["paper"]` is the paper's.
        method: Replaces `settings.method`, for instance `PmSFC(subspaces=6, codes=5)`.
        masks: Subspaces to use instead of the discovered ones.
        fit: How a picture that is not square becomes so: "crop", "pad" or "squash".
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        dtype: What convolutions compute in: "auto", "float32" or "bfloat16".
        seed: Of the codes' start.
        callback: Called after every step; an exception it raises ends the inversion.

    Raises:
        ImageError: The picture cannot be used.
        UsageError: A setting cannot be.
        WeightsError: The generator is unknown or damaged, or no subspaces were discovered for it.
    """
    if method is not None:
        settings = Invert(method, settings.optimization, settings.objective)
    inverter = Inverter.load(generator, settings, masks=masks, fit=fit, device=device, dtype=dtype, seed=seed)
    return inverter.run([inverter.prepare(picture)], callback=callback)[0]
