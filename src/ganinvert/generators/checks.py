"""Checks that a loaded generator works as a trained one does."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from ganinvert import paths
from ganinvert.errors import WeightsError
from ganinvert.generators.base import Generator
from ganinvert.weights import TensorFile

LARGEST_VALUE = 20.0
SMALLEST_SPREAD = 1e-3
MEAN_TOLERANCE, WORST_TOLERANCE = 0.03, 0.15


@torch.no_grad()
def check_render(generator: Generator) -> None:
    """Render two codes and refuse a layer or image that is not finite, dead or constant, or far from [-1, 1].

    Features are shrunk where the family allows it: at 1024 pixels this takes a fifth of a second instead of five.
    """
    codes = generator.space().sample(2, torch.Generator().manual_seed(0))
    state = generator.begin(generator.styles(codes))
    for layer in range(1, generator.num_layers + 1):
        state = generator.carry(generator.shrink(state), layer - 1, layer)
        h = state.features
        if not torch.isfinite(h).all():
            raise _refused(generator, f"layer {layer} gives values that are not finite")
        if float(h.abs().amax()) == 0:
            raise _refused(generator, f"layer {layer} gives nothing but zeros")
    image = generator.synthesize(state, generator.num_layers)
    if not torch.isfinite(image).all():
        raise _refused(generator, "the image has values that are not finite")
    if float(image.abs().amax()) > LARGEST_VALUE:
        raise _refused(generator, f"the image reaches {float(image.abs().amax()):.3g} where about 1 is usual")
    if float(image.std()) < SMALLEST_SPREAD or float((image[0] - image[1]).abs().amax()) < SMALLEST_SPREAD:
        raise _refused(generator, "different codes give the same flat image")


@torch.no_grad()
def check_fingerprints(
    generator: Generator, key: str, *, limit: int | None = None, known: Mapping[str, Tensor] | None = None
) -> int:
    """Render codes whose images are known, compare means over 16×16 cells, and return the number of images.

    `limit` is the largest number of images to compare; all by default. The fingerprints, `{key}.z` (n, z) and
    `{key}.means` (n, 3, 16, 16) in 0 … 255, are the embedded ones unless others are `known`.
    """
    table = TensorFile.load(paths.embedded("fingerprints.safetensors")).tensors if known is None else known
    codes, expected = table[f"{key}.z"][:limit], table[f"{key}.means"][:limit].float() / 127.5 - 1
    if generator.space().shape != codes.shape[1:]:
        raise _refused(generator, f"its codes have length {generator.space().shape[0]}, not {codes.shape[1]}")
    for z, means in zip(codes, expected, strict=True):
        difference = (fingerprint(generator(z[None]))[0] - means).abs()
        mean = float(difference.mean())
        if mean > MEAN_TOLERANCE or float(difference.amax()) > WORST_TOLERANCE:
            raise _refused(generator, f"a known code gives another image than it should (by {mean:.3f})")
    return len(codes)


def fingerprint(images: Tensor) -> Tensor:
    """Reduce images (n, 3, r, r) in [-1, 1] to means over 16×16 cells, (n, 3, 16, 16)."""
    return F.adaptive_avg_pool2d(images.clamp(-1, 1), 16)


def _refused(generator: Generator, fault: str) -> WeightsError:
    hint = "the file is damaged or holds another network: fetch it again, or from another origin"
    return WeightsError(f"{generator.name}: self-check failed: {fault}", hint=hint)
