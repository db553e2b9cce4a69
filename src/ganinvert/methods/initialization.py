"""Initial codes: random ones, the best of some random ones, or the prediction of an encoder."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from ganinvert.degradations import Degradation
from ganinvert.errors import UsageError
from ganinvert.generators import Encoder, Generator, load_encoder
from ganinvert.losses import pixel_loss
from ganinvert.methods.previews import Readout
from ganinvert.settings import LayerResiduals, PmSFC, SingleCode

PREVIEWED = 256
"""Side in pixels of images from which on candidates are compared by previews."""
_KEPT_PIXELS = 256 * 64**2
_ENCODERS: WeakKeyDictionary[Generator, Encoder] = WeakKeyDictionary()
_KEPT: WeakKeyDictionary[Generator, tuple[tuple[torch.device, bool, str], Tensor, list[Tensor]]] = WeakKeyDictionary()


def initial_codes(
    generator: Generator,
    y: Tensor,
    degradation: Degradation,
    settings: PmSFC | SingleCode | LayerResiduals,
    *,
    count: int,
    seed: int,
) -> Tensor:
    """Draw or predict initial codes, (b, count, *shape), for b measurements; arguments as in `Method.start`.

    By `settings.init`, "random" codes are the same for all images; "nearest" are the best of `candidates` random ones;
    "encoder" is the encoder's code, in W the mean of its styles, and for more than one the nearest follow it; "mean" is
    the mean of the space.
    """
    space = settings.code_space
    rng = torch.Generator().manual_seed(seed)
    nearest = partial(nearest_codes, generator, y, degradation, candidates=settings.candidates, rng=rng, space=space)
    if settings.init == "random":
        z = generator.space(space).sample(count, rng).to(y.device)
        return z.expand(len(y), *z.shape).clone()
    if settings.init == "nearest":
        return nearest(count=count)
    if settings.init == "mean":
        mean = generator.space(space).mean().to(y.device)
        if not mean.any():
            hint = "choose another start (--init), or a space of styles (--space w+)"
            raise UsageError(f"the mean of {generator.space(space).name} is no code of an image", hint=hint)
        return mean.expand(len(y), count, *mean.shape).clone()
    predicted = _predicted(generator, degradation.guess(y), generator.space(space).name)[:, None]
    if count == 1:
        return predicted
    return torch.cat([predicted, nearest(count=count - 1)], dim=1)


def _predicted(generator: Generator, image: Tensor, space: str) -> Tensor:
    """The encoder's codes (b, *shape) in a space; in W the means of its styles of W+."""
    encoder = encoder_of(generator)
    if encoder.space != space and (encoder.space, space) != ("w+", "w"):
        hint = f"choose another start (--init), or --space {encoder.space}"
        raise UsageError(f"the encoder predicts codes of {encoder.space}, not {space}", hint=hint)
    codes = encoder.predict(image.expand(-1, 3, -1, -1))[0].float()
    return codes if encoder.space == space else codes.mean(dim=1)


def encoder_of(generator: Generator) -> Encoder:
    """Load the encoder that was trained for a generator, on its device; raises WeightsError if there is none."""
    if generator not in _ENCODERS:
        _ENCODERS[generator] = load_encoder(generator.file or generator.name, generator=generator)
    return _ENCODERS[generator].to(next(generator.parameters()).device)


def nearest_codes(
    generator: Generator,
    y: Tensor,
    degradation: Degradation,
    *,
    count: int,
    candidates: int,
    rng: torch.Generator,
    space: str = "",
) -> Tensor:
    """Choose the codes (b, count, *shape), nearest first, whose degraded images are nearest to each measurement.

    Distances are mean squared differences; those of large generators are of previews. `rng` draws the candidates on the
    CPU.
    """
    z = generator.space(space).sample(max(candidates, count), rng).to(y.device)
    distances = [_distances(images, y, degradation, generator.resolution) for images in _images(generator, z, space)]
    return z[torch.cat(distances, dim=1).argsort(dim=1, stable=True)[:, :count]]


def _images(generator: Generator, z: Tensor, space: str) -> Iterable[Tensor]:
    """Render codes, as many at a time as need the memory of 16 images of 64 px, or preview them.

    One photo after another asks for images of the same codes, so the last ones are kept when they are few pixels.
    """
    circumstances = z.device, torch.is_autocast_enabled(z.device.type), space
    if (last := _KEPT.get(generator)) is not None and last[0] == circumstances and torch.equal(last[1], z):
        return last[2]
    if generator.resolution >= PREVIEWED:
        images = list(Readout.of(generator).images(generator, z, space))
    else:
        parts = (generator(part, space) for part in z.split(max(1, 16 * 64**2 // generator.resolution**2)))
        if len(z) * generator.resolution**2 > _KEPT_PIXELS:
            return parts
        images = list(parts)
    _KEPT[generator] = circumstances, z, images
    return images


def _distances(images: Tensor, y: Tensor, degradation: Degradation, resolution: int) -> Tensor:
    """Pixel loss between every measurement and every image, degraded alike, (b, n)."""
    rows = []
    for n in range(len(y)):
        target, own = y[n : n + 1], degradation.of(n)
        degrade: Callable[[Tensor], Tensor] = own
        if images.shape[-1] < resolution:
            target, degrade = own.coarse(target, resolution, images.shape[-1])
        rows.append(pixel_loss(degrade(images).float(), target))
    return torch.stack(rows)
