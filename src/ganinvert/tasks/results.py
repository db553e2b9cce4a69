"""The result of a task on one picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from ganinvert import images
from ganinvert.bundle import LatentBundle
from ganinvert.faces import Note
from ganinvert.generators import Generator
from ganinvert.metrics import lpips_features, to_unit
from ganinvert.optimize import Outcome
from ganinvert.tasks.base import PreparedImage, Task, explained, signed

if TYPE_CHECKING:
    from PIL.Image import Image

SHEET_TILE = 256
"""Most pixels of a side of a picture on a contact sheet."""


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
        raster: The whole photo with the images of all faces in their places, in its own size, depth and colour space;
            None if squares alone were asked for.
        others: Results of the photo's further faces.
        samples: Results with different seeds, if this is their mean.
    """

    image: Image
    target: Image
    metrics: Mapping[str, float]
    outcome: Outcome
    notes: tuple[Note, ...]
    bundle: LatentBundle
    raster: images.Raster | None = None
    others: tuple[Inversion, ...] = ()
    samples: tuple[Inversion, ...] = ()

    def __repr__(self) -> str:
        numbers = ", ".join(f"{name} {number:.3g}" for name, number in self.metrics.items())
        size = f"{self.image.width}×{self.image.height}"
        return f"<Inversion: {self.bundle.task} by {self.bundle.method}, {size}, {numbers}, {self.outcome.name}>"

    @property
    def faces(self) -> tuple[Inversion, ...]:
        """The results of all faces of the photo, the first of which is this one."""
        return self, *self.others

    @property
    def whole(self) -> Image | None:
        """The whole photo in 8 bits, with its profile in `info`; None if squares alone were asked for."""
        return None if self.raster is None else self.raster.image

    def _repr_png_(self) -> bytes:
        """The image, or the whole photo if there is one, as a PNG file, which Jupyter shows."""
        return images.encode_png(self.whole or self.image)

    @classmethod
    def of(cls, bundle: LatentBundle, generator: Generator, prepared: PreparedImage) -> Inversion:
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
        )


def gathered(results: Sequence[Inversion], prepared: PreparedImage, task: Task[Any]) -> Inversion:
    """The result of a photo, from those of all its faces."""
    first, *others = results
    if prepared.picture is None:
        return replace(first, others=tuple(others)) if others else first
    places = [square.fit.placement for square in prepared.squares]
    squares = [(result.image, place) for result, place in zip(results, places, strict=True)]
    return replace(first, raster=task.put_back(prepared.picture, squares), others=tuple(others))


def mean_of(samples: Sequence[Inversion], prepared: PreparedImage, task: Task[Any]) -> Inversion:
    """The mean of several results of a photo, with the bundle and notes of the first.

    Metrics are means over the results, beside "diversity", the mean LPIPS of all pairs of them.
    """
    faces = []
    for results in zip(*(sample.faces for sample in samples), strict=True):
        levels: NDArray[np.float32] = np.stack([images.to_array(result.image) for result in results]).astype(np.float32)
        alpha = results[0].image.getchannel("A") if results[0].image.mode == "RGBA" else None
        image = images.to_pil(levels.mean(axis=0) / np.float32(255), alpha)
        vectors = [lpips_features(to_unit(signed(result.image))) for result in results]
        distances = [float((a - b).square().sum()) for a, b in combinations(vectors, 2)]
        metrics = {**averaged([result.metrics for result in results]), "diversity": fmean(distances)}
        outcome = max((result.outcome for result in results), key=list(Outcome).index)
        faces.append(replace(results[0], image=image, metrics=metrics, outcome=outcome, raster=None, others=()))
    return replace(gathered(faces, prepared, task), samples=tuple(samples))


def samples_sheet(mean: Inversion) -> Image:
    """The contact sheet of several results: a row for each face, with what was given, the mean and the results."""

    def small(image: Image) -> Image:
        return image.resize((min(image.width, SHEET_TILE), min(image.height, SHEET_TILE)))

    rows = [
        [small(each) for each in (face.target, face.image, *(sample.faces[n].image for sample in mean.samples))]
        for n, face in enumerate(mean.faces)
    ]
    labels = ["given", "mean", *(str(n) for n in range(1, len(mean.samples) + 1))]
    return images.grid(rows, column_labels=labels)


def averaged(metrics: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Means of the metrics of several results, and their largest deviation."""
    return {name: (max if name == "deviation" else fmean)(each[name] for each in metrics) for name in metrics[0]}


def _to_image(x: torch.Tensor, prepared: PreparedImage) -> Image:
    """An image (1, 3, r, r) about [-1, 1] in 8 bits, with the photo's transparency that does not mark a hole."""
    is_hole = prepared.measurement.binds and prepared.measurement.known is not None
    alpha = prepared.fit.kept if is_hole else prepared.fit.alpha
    return images.to_pil(to_unit(x)[0].cpu().numpy(), alpha)
