"""Measures of generators and encoders, and the search for repeated training images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ganinvert.figures import save_figure
from ganinvert.generators import Encoder, Generator
from ganinvert.images.folder import ImageFolder
from ganinvert.metrics import FEATURE_SIDE, Moments, frechet_distance, lpips, lpips_features, psnr, to_unit
from ganinvert.perception import alexnet
from ganinvert.settings import Training
from ganinvert.training.loop import COLUMNS, Evaluation
from ganinvert.training.rendering import Rendering

BATCH = 50
ENCODER_BATCH = 16
ROWS = 6
"""Rows of samples in the picture of a generator."""

Sampler = Callable[[Tensor], Tensor]
"""Function from codes (n, z) to images (n, 3, r, r), about [-1, 1], on the CPU."""


class GeneratorEvaluation(Evaluation):
    """Fréchet distances of samples to training and held-out images, as `metrics.alexnet_moments` has them."""

    title = "Fréchet distance (AlexNet)"
    labels: Mapping[str, str] = {"frechet_training": "to training images", "frechet_held_out": "to held-out images"}

    def __init__(self, images: ImageFolder, settings: Training, *, device: torch.device) -> None:
        self.network, self.device = alexnet().to(device), device
        size = settings.evaluation_images, settings.latent_dim
        self.codes = torch.randn(size, generator=torch.Generator().manual_seed(2018))
        self.references = {
            "frechet_training": self._moments(images.training, from_pixels),
            "frechet_held_out": self._moments(images.held_out, from_pixels),
        }

    def __call__(self, network: Sampler) -> dict[str, float]:
        """Measure Fréchet distances of samples to training and to held-out images; few images bias them."""
        moments = self._moments(self.codes, network)
        return {name: frechet_distance(moments, reference) for name, reference in self.references.items()}

    def pictures(self, network: Sampler) -> dict[str, Tensor]:
        """Samples of the first codes."""
        return {"samples": network(self.codes[: ROWS * COLUMNS])}

    @torch.no_grad()
    def _moments(self, items: Tensor, images: Callable[[Tensor], Tensor]) -> Moments:
        """Moments of the last layer's features, averaged over positions."""
        features = torch.cat(
            [
                self.network(images(part).to(self.device).clamp(-1, 1), FEATURE_SIDE)[-1].mean(dim=(2, 3)).cpu()
                for part in items.split(BATCH)
            ]
        ).double()
        covariance = features.T.cov(correction=min(1, len(features) - 1))  # that of one image is 0
        return Moments(features.mean(dim=0), covariance, len(features))


class EncoderEvaluation(Evaluation):
    """Reconstructions of samples, of codes that are always the same, and of held-out real images (n, 3, r, r), uint8.

    There are `count` samples, and at most as many real images.
    """

    title = "LPIPS (AlexNet) of reconstructions"

    def __init__(self, generator: Generator, held_out: Tensor | None, *, count: int, device: torch.device) -> None:
        self.rendering, self.device = Rendering(generator), device
        self.at_once = max(1, ENCODER_BATCH * min(256**2, generator.resolution**2) // generator.resolution**2)
        space = generator.space(self.rendering.space)
        self.codes, self.mean = space.sample(count, torch.Generator().manual_seed(2019)), space.mean()
        with torch.no_grad():
            split = self.codes.split(self.at_once)
            parts = [self.rendering.from_code(part.to(device)).clamp(-1, 1).cpu() for part in split]
        self.images = {"samples": torch.cat(parts)}
        if held_out is not None and len(held_out):
            self.images["real"] = from_pixels(held_out[:count])
        self.labels = {
            f"lpips_{kind}_{route}": f"{kind.replace('real', 'real images')}, through {word}"
            for kind in self.images
            for route, word in (("features", "features"), ("code", space.name))
        }

    def __call__(self, network: Encoder) -> dict[str, float]:
        """Measure PSNR and LPIPS of reconstructions through features and code, and "cosine" of code and truth.

        The cosine is that of their differences to the space's mean, averaged over the samples.
        """
        metrics = {}
        for kind, images in self.images.items():
            code, by_features, by_code = self.reconstruct(network, images)
            if kind == "samples":
                offset, true = ((each - self.mean).flatten(1) for each in (code, self.codes))
                metrics["cosine"] = float(F.cosine_similarity(offset, true).mean())
            for route, rendering in (("features", by_features), ("code", by_code)):
                metrics[f"psnr_{kind}_{route}"] = float(psnr(to_unit(rendering), to_unit(images)).mean())
                metrics[f"lpips_{kind}_{route}"] = float(lpips(to_unit(rendering), to_unit(images)).mean())
        return metrics

    def pictures(self, network: Encoder) -> dict[str, Tensor]:
        """Images above their reconstructions through features and through the code."""
        rows = {kind: images[:COLUMNS] for kind, images in self.images.items()}
        return {kind: torch.cat([row, *self.reconstruct(network, row)[1:]]) for kind, row in rows.items()}

    @torch.no_grad()
    def reconstruct(self, encoder: Encoder, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Find codes (n, *shape) and the reconstructions (n, 3, r, r) through features and through them; on the CPU."""
        parts = []
        for part in images.split(self.at_once):
            code, state = encoder.predict(part.to(self.device))
            by_features = self.rendering.from_features(code, state, encoder.layer)
            parts.append((code.cpu(), by_features.cpu(), self.rendering.from_code(code).cpu()))
        code, by_features, by_code = (torch.cat(each) for each in zip(*parts, strict=True))
        return code, by_features, by_code


@dataclass(frozen=True)
class Memorisation:
    """Samples and their nearest training images, (k, 3, r, r) in [0, 1], the nearest pair first.

    `distances` (k,) is their LPIPS, `held_out` (m,) that of held-out images to their nearest training images.
    """

    samples: Tensor
    nearest: Tensor
    distances: Tensor
    held_out: Tensor

    @property
    def ratio(self) -> float:
        """Median distance of samples over that of held-out images; far below 1, the samples repeat training images."""
        return float(self.distances.median() / self.held_out.median())

    def draw(self, path: Path) -> None:
        """Draw samples above their nearest training images, the nearest pair first."""
        from matplotlib.figure import Figure

        columns, side = min(8, len(self.samples)), self.samples.shape[-1]
        rows, gap = -(-len(self.samples) // columns), side // 4
        sheet = np.ones((rows * (2 * side + gap), columns * (side + 1), 3), dtype=np.float32)
        figure = Figure(figsize=(1.2 * columns, 1.2 * sheet.shape[0] / side + 0.4), layout="constrained")
        axes = figure.subplots()
        pairs = torch.cat([self.samples, self.nearest], dim=2).permute(0, 2, 3, 1).numpy()
        for n, (pair, distance) in enumerate(zip(pairs, self.distances.tolist(), strict=True)):
            top, left = n // columns * (2 * side + gap), n % columns * (side + 1)
            sheet[top : top + 2 * side, left : left + side] = pair
            place = left + side / 2, top + 2 * side + gap * 0.4
            axes.text(*place, f"{distance:.3f}", fontsize=7, ha="center", va="center")
        axes.imshow(sheet, interpolation="nearest")
        axes.axis("off")
        typical = f"{float(self.held_out.median()):.3f} (median)"
        title = f"Samples above their nearest training images, and their LPIPS; held-out images: {typical}"
        axes.set_title(title, fontsize=9)
        save_figure(figure, path)


def memorisation(samples: Tensor, training: Tensor, held_out: Tensor) -> Memorisation:
    """Find the training image, or its mirror image, that is nearest to each sample and each held-out image.

    Samples are about [-1, 1], the others uint8; all are (n, 3, r, r).
    """
    unseen = from_pixels(held_out)
    queries = torch.cat([lpips_features(to_unit(part)) for part in torch.cat([samples, unseen]).split(BATCH)])
    best = torch.full((len(queries),), torch.inf)
    which = torch.zeros(len(queries), dtype=torch.int64)
    for start in range(0, len(training), BATCH):
        pixels = to_unit(from_pixels(training[start : start + BATCH]))
        for candidates in (pixels, pixels.flip(3)):
            # A squared distance, because that is what LPIPS is.
            distances, index = torch.cdist(queries, lpips_features(candidates)).square().min(dim=1)
            nearer = distances < best
            best, which = torch.where(nearer, distances, best), torch.where(nearer, index + start, which)
    order = best[: len(samples)].argsort()
    return Memorisation(
        to_unit(samples[order]),
        to_unit(from_pixels(training[which[: len(samples)][order]])),
        best[: len(samples)][order],
        best[len(samples) :],
    )


def from_pixels(pixels: Tensor) -> Tensor:
    """Scale images (n, 3, r, r), uint8, to [-1, 1]."""
    return pixels.float() / 127.5 - 1
