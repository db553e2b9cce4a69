"""Where codes start: at random, at the best of some random ones, or at what an encoder makes of the measurement."""

from __future__ import annotations

from collections.abc import Iterable
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from ganinvert.degradations import Degradation
from ganinvert.generators import Encoder, Generator, load_encoder
from ganinvert.losses import pixel_loss
from ganinvert.settings import Init

_KEPT_PIXELS = 256 * 64**2
_ENCODERS: WeakKeyDictionary[Generator, Encoder] = WeakKeyDictionary()
_KEPT: WeakKeyDictionary[Generator, tuple[tuple[torch.device, bool], Tensor, list[Tensor]]] = WeakKeyDictionary()


def initial_codes(
    generator: Generator,
    y: Tensor,
    degradation: Degradation,
    *,
    init: Init,
    count: int,
    candidates: int,
    seed: int,
) -> Tensor:
    """Codes to start from, (b, count, z).

    Args:
        generator: On the device of `y`.
        y: Measurements of b images.
        degradation: What made them.
        init: "random" codes are N(0, I), and the same for all images; "nearest" are the best of `candidates` of them;
            "encoder" is the encoder's code, and for more than one the nearest follow it.
        count: Codes per image.
        candidates: How many are drawn to find the nearest.
        seed: Of what is drawn.

    Raises:
        WeightsError: The generator has no encoder.
    """
    rng = torch.Generator().manual_seed(seed)
    if init == "random":
        z = torch.randn(count, generator.latent_dim, generator=rng).to(y.device)
        return z.expand(len(y), -1, -1).clone()
    if init == "nearest":
        return nearest_codes(generator, y, degradation, count=count, candidates=candidates, rng=rng)
    seen: Tensor = encoder_of(generator)(degradation.guess(y).expand(-1, 3, -1, -1))[0].float()
    if count == 1:
        return seen[:, None]
    rest = nearest_codes(generator, y, degradation, count=count - 1, candidates=candidates, rng=rng)
    return torch.cat([seen[:, None], rest], dim=1)


def encoder_of(generator: Generator) -> Encoder:
    """The encoder that was trained for a generator, on the generator's device.

    Raises:
        WeightsError: There is none, or it belongs to other weights.
    """
    if generator not in _ENCODERS:
        _ENCODERS[generator] = load_encoder(generator.file or generator.name, generator=generator)
    return _ENCODERS[generator].to(next(generator.parameters()).device)


def nearest_codes(
    generator: Generator, y: Tensor, degradation: Degradation, *, count: int, candidates: int, rng: torch.Generator
) -> Tensor:
    """The codes whose degraded images are nearest to each measurement, in mean squared difference.

    Args:
        generator: On the device of `y`.
        y: Measurements of b images.
        degradation: What made them.
        count: How many codes to keep per image.
        candidates: How many are drawn from N(0, I), at least `count`.
        rng: On the CPU.

    Returns:
        (b, count, z), nearest first.
    """
    z = torch.randn(max(candidates, count), generator.latent_dim, generator=rng).to(y.device)
    distance = torch.cat([_distances(degradation(part).float(), y) for part in _shown(generator, z)], dim=1)
    return z[distance.argsort(dim=1, stable=True)[:, :count]]


def _shown(generator: Generator, z: Tensor) -> Iterable[Tensor]:
    """Images of codes (n, z), as many at a time as make the memory of 64 images of 64 px.

    One photo after another asks for those of the same codes, so the last ones are kept when they are few pixels.
    """
    circumstances = z.device, torch.is_autocast_enabled(z.device.type)
    if (kept := _KEPT.get(generator)) is not None and kept[0] == circumstances and torch.equal(kept[1], z):
        return kept[2]
    parts = (generator(part) for part in z.split(max(1, 64 * 64**2 // generator.resolution**2)))
    if len(z) * generator.resolution**2 > _KEPT_PIXELS:
        return parts
    images = list(parts)
    _KEPT[generator] = circumstances, z, images
    return images


def _distances(shown: Tensor, y: Tensor) -> Tensor:
    """Pixel loss between every measurement and every image shown, (b, n)."""
    return torch.stack([pixel_loss(shown, measurement[None]) for measurement in y])
