"""Train a discriminator for the embedded generator, which stays as it is, and embed it.

Usage: python .ci/train_discriminator.py FOLDER_OF_PORTRAITS --minutes 30 [--resume]

Only as good as the minutes it is given: its header says how many images it was shown.
"""

from __future__ import annotations

import argparse
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import torch

from ganinvert import paths
from ganinvert.devices import resolve_device, resolve_precision
from ganinvert.generators import PGGANDiscriminator, PGGANGenerator, load_generator
from ganinvert.images.folder import ImageFolder
from ganinvert.settings import Training
from ganinvert.settings.common import DEFAULT_GENERATOR
from ganinvert.training import GeneratorTrainer


def main() -> None:
    """Train until the time is up, then write the file and the state to go on from."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--state", type=Path, default=Path("discriminator.state.pt"))
    parser.add_argument("--resume", action="store_true")
    arguments = parser.parse_args()
    generator = load_generator()
    assert isinstance(generator, PGGANGenerator)
    # Heads on pretrained features would not become part of the discriminator.
    settings = Training(resolution=generator.resolution, phase_images=0, features=0.0)
    images = ImageFolder.load(arguments.folder, generator.resolution)
    device = resolve_device(arguments.device)
    trainer = GeneratorTrainer(
        settings, generator.architecture, images.training, device=device, dtype=resolve_precision("auto", device)
    )
    trainer.generator.adopt(generator.state_dict())
    if arguments.resume:
        trainer.restore(torch.load(arguments.state, weights_only=True))
    trainer.head_start = sys.maxsize  # only the discriminator learns
    end = time.monotonic() + 60 * arguments.minutes
    while time.monotonic() < end:
        loss = trainer.step()["discriminator"]
        if trainer.steps % 50 == 0:
            print(f"{trainer.images_seen} images, loss {float(loss):.3f}", flush=True)
        if trainer.steps % 100 == 0 or time.monotonic() >= end:
            torch.save(trainer.state(), arguments.state)
    discriminator = PGGANDiscriminator(generator.architecture)
    discriminator.load_state_dict(trainer.discriminator.export())
    discriminator.about = {
        "name": DEFAULT_GENERATOR,
        "licence": "MIT; trained on CC BY 3.0, CC0 and public domain photographs, credits in portraits-credits.csv",
        "origin": f"trained against the fixed generator {DEFAULT_GENERATOR} on {len(images.training)} portraits of"
        f" public officials, {trainer.images_seen} images shown; it knows these samples, and is no measure of realism"
        " elsewhere",
        "generator": generator.digest,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    discriminator.save(paths.embedded(f"{DEFAULT_GENERATOR}.discriminator.safetensors"), stored="float16")


if __name__ == "__main__":
    main()
