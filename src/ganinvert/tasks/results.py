"""The result of a task on one picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from ganinvert import images
from ganinvert.bundle import LatentBundle
from ganinvert.faces import Note
from ganinvert.generators import Generator
from ganinvert.metrics import to_unit
from ganinvert.optimize import Outcome
from ganinvert.tasks.base import PreparedImage, Task, explained, signed

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, repr=False)
class Inversion:
    """The result of a task on one photo.

    Attributes:
        image: The wanted image, 8 bits. For `invert`, the generator's, with the photo's transparency if it had any;
            for the other tasks it agrees with the measurement.
        target: The measurement as an image of that size: the photo in the generator's square, gray, small or holed.
        metrics: "psnr" in dB, "ssim" and "lpips" (AlexNet) between the measurement and the generator's image, degraded
            alike; for restorations without noise also "deviation", the largest difference between the measurement and
            that of the image, in 8-bit steps.
        outcome: End of the optimisation.
        notes: Changes to the photo, and doubts about it.
        bundle: Everything needed to render the image again.
        whole: The photo at its own size with the image in its place, if `paste_back` asked for it.
    """

    image: Image
    target: Image
    metrics: Mapping[str, float]
    outcome: Outcome
    notes: tuple[Note, ...]
    bundle: LatentBundle
    whole: Image | None = None

    def __repr__(self) -> str:
        numbers = ", ".join(f"{name} {number:.3g}" for name, number in self.metrics.items())
        size = f"{self.image.width}×{self.image.height}"
        return f"<Inversion: {self.bundle.task} by {self.bundle.method}, {size}, {numbers}, {self.outcome.name}>"

    def _repr_png_(self) -> bytes:
        """The image, or the whole photo if there is one, as a PNG file, which Jupyter shows."""
        return images.encode_png(self.whole or self.image)

    @classmethod
    def of(cls, bundle: LatentBundle, generator: Generator, prepared: PreparedImage, task: Task[Any]) -> Inversion:
        """Render a bundle of the generator, on the CPU for a new one, and measure the image unless that is done."""
        measured = prepared.measurement
        degradation = measured.degradation(generator.resolution)
        x = bundle.decode(generator, bundle.features(generator))
        agreeing = x if bundle.measurement is None else degradation.project(x, measured.y.to(x.device))
        image = _to_image(agreeing, prepared)
        if not bundle.metrics:
            metrics = explained(degradation, measured, x)
            if bundle.measurement is not None and not degradation.noise:
                metrics["deviation"] = float((degradation(signed(image)) - measured.y).abs().max() * 127.5)
            bundle = replace(bundle, metrics=metrics)
        return cls(
            image,
            _to_image(degradation.guess(measured.y), prepared),
            bundle.metrics,
            Outcome[bundle.provenance["outcome"]],
            prepared.notes,
            bundle,
            task.put_back(image, prepared.picture, prepared.fit.placement) if prepared.picture is not None else None,
        )


def _to_image(x: torch.Tensor, prepared: PreparedImage) -> Image:
    """An image (1, 3, r, r) about [-1, 1] in 8 bits, with the photo's transparency unless that marks a hole."""
    alpha = prepared.fit.alpha if prepared.measurement.known is None else None
    return images.to_pil(to_unit(x)[0].cpu().numpy(), alpha)
