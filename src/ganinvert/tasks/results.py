"""The result of a task on one picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from ganinvert import images
from ganinvert.bundle import LatentBundle
from ganinvert.generators import Generator
from ganinvert.metrics import to_unit
from ganinvert.optimize import Outcome
from ganinvert.tasks.base import PreparedImage, Task, deviation, explained

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class Inversion:
    """The result of a task on one picture.

    Attributes:
        image: The wanted image, 8 bits. For `invert`, the generator's, with the input's transparency if it had any;
            for the other tasks it agrees with the measurement.
        target: What was given, as large as the image: the input in the generator's square, gray, small or holed.
        metrics: "psnr" in dB, "ssim" and "lpips" (AlexNet) of what the generator explains of the measurement; for
            tasks other than `invert` also "deviation", the largest difference between the measurement and that of
            the image, in 8-bit steps.
        outcome: How the optimisation ended.
        notes: What was done to the input.
        bundle: Everything needed to render the image again.
        whole: The picture at its own size with the image in its place, when `paste_back` asked for it.
    """

    image: Image
    target: Image
    metrics: Mapping[str, float]
    outcome: Outcome
    notes: tuple[str, ...]
    bundle: LatentBundle
    whole: Image | None = None

    @classmethod
    def made(cls, draft: LatentBundle, generator: Generator, target: PreparedImage, task: Task) -> Inversion:
        """Render and measure what was found.

        Args:
            draft: Whole but for its metrics.
            generator: That which made it, on the CPU.
            target: The picture made ready.
            task: What it tells.
        """
        measured, features = target.measurement, draft.features(generator)
        degradation = measured.degradation(generator.resolution)
        image = _shown(draft.render(generator, features=features), target)
        metrics = explained(degradation, measured, draft.decode(generator, features))
        if draft.measurement is not None:
            metrics["deviation"] = deviation(degradation, measured, images.to_array(image))
        return cls._around(replace(draft, metrics=metrics), generator, target, task, image)

    @classmethod
    def recalled(cls, bundle: LatentBundle, generator: Generator, target: PreparedImage, task: Task) -> Inversion:
        """The result again, from its bundle.

        Raises:
            BundleError: The bundle was made with another generator.
        """
        return cls._around(bundle, generator, target, task, _shown(bundle.render(generator), target))

    @classmethod
    def _around(
        cls, bundle: LatentBundle, generator: Generator, target: PreparedImage, task: Task, image: Image
    ) -> Inversion:
        degradation = target.measurement.degradation(generator.resolution)
        whole = None
        if target.picture is not None:
            whole = task.put_back(image, target.picture, target.fit.placement)
        return cls(
            image,
            _shown(degradation.guess(target.measurement.y), target),
            bundle.metrics,
            Outcome[bundle.provenance["outcome"]],
            target.notes,
            bundle,
            whole,
        )


def _shown(x: torch.Tensor, target: PreparedImage) -> Image:
    """An image (1, 3, r, r) in the generator's range as people see it; transparency that marks a hole is none."""
    alpha = target.fit.alpha if target.measurement.known is None else None
    return images.to_pil(to_unit(x)[0].cpu().numpy(), alpha)
