"""The training of an encoder: its steps, evaluations and pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ganinvert.figures import draw_course
from ganinvert.generators import Encoder, Generator
from ganinvert.metrics import lpips, psnr, to_unit
from ganinvert.training.checkpoint import EncoderCheckpoint
from ganinvert.training.course import COLUMNS, Course, write_grid
from ganinvert.training.encoding import EncoderLosses, EncoderTrainer
from ganinvert.training.evaluation import from_pixels

_BATCH = 16


@dataclass(frozen=True)
class EncoderStep:
    """One step of an encoder's training.

    Attributes:
        images: Samples shown so far.
        total: How many there will be.
        losses: Of this step, on the device.
    """

    images: int
    total: int
    losses: EncoderLosses


class EncoderEvaluation:
    """Measures an encoder with samples of codes that are always the same, and with real images that were held out.

    Args:
        generator: On the device where to compute.
        held_out: (n, 3, r, r) uint8, or None.
        count: How many samples, and at most how many real images.
        device: Where the generator is.
    """

    def __init__(self, generator: Generator, held_out: Tensor | None, *, count: int, device: torch.device) -> None:
        self.generator, self.device = generator, device
        self.codes = generator.space().sample(count, torch.Generator().manual_seed(2019))
        with torch.no_grad():
            parts = [generator(part.to(device)).clamp(-1, 1).cpu() for part in self.codes.split(_BATCH)]
        self.images = {"samples": torch.cat(parts)}
        if held_out is not None and len(held_out):
            self.images["real"] = from_pixels(held_out[:count])

    def __call__(self, encoder: Encoder) -> dict[str, float]:
        """PSNR and LPIPS of what is rendered through features and through z; and the mean cosine of z and ẑ.

        Returns:
            "cosine", whose mean by chance is 0, and "psnr_samples_features", "lpips_real_code" and so on.
        """
        found = {}
        for kind, images in self.images.items():
            z, by_features, by_code = self.reconstruct(encoder, images)
            if kind == "samples":
                found["cosine"] = float(F.cosine_similarity(z, self.codes).mean())
            for route, made in (("features", by_features), ("code", by_code)):
                found[f"psnr_{kind}_{route}"] = float(psnr(to_unit(made), to_unit(images)).mean())
                found[f"lpips_{kind}_{route}"] = float(lpips(to_unit(made), to_unit(images)).mean())
        return found

    @torch.no_grad()
    def reconstruct(self, encoder: Encoder, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Images (n, 3, r, r) to z (n, latent), and to what is rendered through features and through z; on the CPU."""
        found = []
        for part in images.split(_BATCH):
            z, features = encoder.predict(part.to(self.device))
            found.append((z.cpu(), self.generator.synthesize(features, encoder.layer).cpu(), self.generator(z).cpu()))
        z, by_features, by_code = (torch.cat(parts) for parts in zip(*found, strict=True))
        return z, by_features, by_code


@dataclass
class EncoderRun(Course[EncoderStep]):
    """The training of an encoder and the folder in which it is kept.

    Attributes:
        trainer: The encoder and what it learns from.
        evaluation: Measures it on the way.
    """

    trainer: EncoderTrainer
    evaluation: EncoderEvaluation

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.trainer.device

    @property
    def shown(self) -> int:
        """Samples so far."""
        return self.trainer.shown

    @property
    def planned(self) -> tuple[int, int]:
        """Samples in all, and evaluations on the way."""
        return self.trainer.settings.images, self.trainer.settings.evaluations

    def advance(self) -> tuple[EncoderStep, Tensor]:
        """Make a step; its numbers are the losses."""
        losses = self.trainer.step()
        step = EncoderStep(self.shown, self.trainer.settings.images, losses)
        return step, torch.stack([losses.code, losses.features, losses.pixel, losses.perceptual])

    def measure(self) -> dict[str, float]:
        """How near reconstructions come, see `EncoderEvaluation`."""
        return self.evaluation(self.trainer.encoder)

    def draw(self) -> None:
        """Images above what is rendered through their features and through z, and the course so far."""
        for kind, images in self.evaluation.images.items():
            chosen = images[:COLUMNS]
            _z, by_features, by_code = self.evaluation.reconstruct(self.trainer.encoder, chosen)
            write_grid(torch.cat([chosen, by_features, by_code]), self.folder / f"{kind}-{self.shown:08d}.png")
        names = {"samples": "samples", "real": "real images"}
        draw_course(
            self.history.losses,
            self.history.evaluations,
            self.folder / "losses.png",
            curves=("code", "features", "pixel", "perceptual"),
            measures={
                f"lpips_{kind}_{route}": f"{names[kind]}, through {word}"
                for kind in self.evaluation.images
                for route, word in (("features", "features"), ("code", "z"))
            },
            title="LPIPS (AlexNet) of reconstructions",
        )

    def is_finite(self) -> bool:
        """Whether all parameters are finite numbers; waits for the device."""
        return self.trainer.is_finite()

    def write_checkpoint(self, path: Path) -> None:
        """Write everything that the following steps depend on."""
        trainer = self.trainer
        EncoderCheckpoint(trainer.settings, trainer.generator.digest, self.data, trainer.state(), self.history).save(
            path
        )
