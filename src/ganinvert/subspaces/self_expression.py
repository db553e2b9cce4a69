"""Learn the self-expression matrix S of a generator's layer by PmSFC eqs. 3–5 and algorithm 1."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from ganinvert.errors import UsageError, WeightsError
from ganinvert.generators import Generator, View, Window
from ganinvert.settings import Discovery
from ganinvert.settings.common import scheduled_rate
from ganinvert.weights import TensorFile

FEATURE_STEPS = 2000
"""Number of Adam steps that solve the convex problem without the image loss."""
LARGEST_SIDE = 256
"""Side in pixels to which larger images are averaged."""


@dataclass(frozen=True)
class SelfExpressionStep:
    """One step of discovery, numbered from 0, with its losses on the device.

    Attributes:
        index: Number of the step.
        steps: Number of all steps.
        feature_loss: E‖F − FS‖² of eq. 3, summed over channels and positions.
        image_loss: Loss of eq. 4 between the decoded images, summed over channels and pixels.
        sparsity: L1 norm ‖S‖₁.
    """

    index: int
    steps: int
    feature_loss: Tensor
    image_loss: Tensor
    sparsity: Tensor


@dataclass(frozen=True)
class SelfExpression:
    """A learned self-expression matrix with its provenance.

    Attributes:
        matrix: Matrix S, (c, c) float32 with a zero diagonal; column j expresses channel j by the others.
        generator: Name of the generator.
        digest: Digest of the generator.
        layer: Layer of the channels.
        settings: Settings of the discovery.
        losses: `feature_loss`, `image_loss` and `sparsity` of each step, (steps, 3).
    """

    matrix: Tensor
    generator: str
    digest: str
    layer: int
    settings: Discovery
    losses: Tensor

    def save(self, path: Path) -> None:
        """Write a safetensors file atomically."""
        about = {
            "kind": "self-expression",
            "generator": self.generator,
            "generator_digest": self.digest,
            "layer": str(self.layer),
            "settings": json.dumps(asdict(self.settings)),
        }
        TensorFile({"matrix": self.matrix, "losses": self.losses}, about).save(path)

    @classmethod
    def load(cls, path: Path) -> SelfExpression:
        """Read a file written by `save`; raise WeightsError if it is missing, damaged or of another kind."""
        file = TensorFile.load(path)
        try:
            settings = Discovery(**file.structured("settings"))  # type: ignore[arg-type]  # JSON is untyped
            name, digest, layer = (file.about[key] for key in ("generator", "generator_digest", "layer"))
            return cls(file.tensors["matrix"], name, digest, int(layer), settings, file.tensors["losses"])
        except (KeyError, TypeError, ValueError) as error:
            raise WeightsError(
                f"{path}: does not hold a self-expression matrix", hint="run `ganinvert discover --again`"
            ) from error


def learn_self_expression(
    generator: Generator,
    settings: Discovery,
    *,
    callback: Callable[[SelfExpressionStep], None] | None = None,
) -> SelfExpression:
    """Algorithm 1: minimise L_recF + λ L_recD + μ‖S‖₁ over S with diag(S) = 0, by Adam.

    The norms are sums over channels, positions and pixels and means over the sampled codes, as the
    equations are written. The diagonal is zero by construction: S = W ⊙ (1 − I). W starts at 1e-4,
    as in the authors' program (the paper does not say); at exactly 0 the PixelNorm behind the layer has no
    useful gradient.

    Differs from the paper where `settings.moment_codes` is set: E‖F − FS‖² = tr((I − S)ᵀ E[FᵀF] (I − S)) needs
    only the second moments of the features, so these are taken once from many codes and the feature loss of
    every step is that expectation, free of sampling noise. W then starts at the minimum without the image loss,
    a convex problem that costs seconds: eq. 5 ends a quarter lower than after the paper's 3000 steps. Images above
    256 pixels are averaged to that side, and each step looks at one of their quarters in turn.

    Args:
        generator: Generator on the device to compute on.
        settings: Layer, steps, batch, learning rate, λ, μ and seed.
        callback: Function called after every step.

    Raises:
        UsageError: The layer does not exist or is the last one, or has fewer than 2 channels.
    """
    info = generator.layer_info(settings.layer)
    if settings.layer >= generator.num_layers or info.channels < 2:
        raise UsageError(
            f"layer {settings.layer} cannot be split into subspaces",
            hint=f"choose one of 1 … {generator.num_layers - 1}",
        )
    device = next(generator.parameters()).device
    rng = torch.Generator().manual_seed(settings.seed)
    identity = torch.eye(info.channels, device=device)
    moments = _second_moments(generator, settings, rng)
    weight = torch.full((info.channels, info.channels), 1e-4, device=device, requires_grad=True)
    if moments is not None:
        _minimise_without_images(weight, moments, settings.sparsity_weight)
    optimizer = torch.optim.Adam([weight], lr=settings.lr, betas=(0.9, 0.999))
    losses = torch.empty(settings.steps, 3, device=device)
    for index in range(settings.steps):
        z, view = generator.space().sample(settings.batch, rng).to(device), _view(generator.resolution, index)
        with torch.no_grad():
            state = generator.features(z, settings.layer)
            image, h = generator.synthesize(state, settings.layer, view), state.features
        matrix = weight * (1 - identity)
        expressed = torch.einsum("nchw,cd->ndhw", h, matrix)
        if moments is None:
            feature_loss = (h - expressed).square().sum() / settings.batch
        else:
            feature_loss = _expected_feature_loss(moments, identity - matrix)
        image_loss = (
            image - generator.synthesize(state.replace(expressed), settings.layer, view)
        ).square().sum() / settings.batch
        image_loss = image_loss * (generator.resolution**2 / image[0, 0].numel())
        sparsity = matrix.abs().sum()
        optimizer.param_groups[0]["lr"] = settings.rate(index)
        optimizer.zero_grad(set_to_none=True)
        (feature_loss + settings.image_weight * image_loss + settings.sparsity_weight * sparsity).backward()
        optimizer.step()
        losses[index] = torch.stack([feature_loss, image_loss, sparsity]).detach()
        if callback is not None:
            callback(SelfExpressionStep(index, settings.steps, *losses[index]))
    matrix = (weight * (1 - identity)).detach().cpu()
    return SelfExpression(matrix, generator.name, generator.digest, settings.layer, settings, losses.cpu())


def _view(resolution: int, index: int) -> View | None:
    """The quarter of the image that a step looks at, averaged to 256 pixels; None for small images: all of it."""
    if resolution <= LARGEST_SIDE:
        return None
    return View(Window.tile(resolution, 2, index % 4), resolution // LARGEST_SIDE)


@torch.no_grad()
def _second_moments(generator: Generator, settings: Discovery, rng: torch.Generator) -> Tensor | None:
    """Compute E[FᵀF], (c, c), over `settings.moment_codes` codes; None if each step uses its own batch."""
    if not settings.moment_codes:
        return None
    device = next(generator.parameters()).device
    z = generator.space().sample(settings.moment_codes, rng).to(device)
    channels = generator.layer_info(settings.layer).channels
    total = torch.zeros(channels, channels, device=device)
    for part in z.split(64):
        maps = generator.features(part, settings.layer).features.transpose(0, 1).flatten(1)
        total = total + maps @ maps.T
    return total / settings.moment_codes


def _expected_feature_loss(moments: Tensor, residual: Tensor) -> Tensor:
    """Compute tr(Rᵀ M R) for R = I − S."""
    return (moments @ residual * residual).sum()


def _minimise_without_images(weight: Tensor, moments: Tensor, sparsity_weight: float) -> None:
    """Minimise the expected feature loss and μ‖S‖₁ over W, in place."""
    identity = torch.eye(len(weight), device=weight.device)
    optimizer = torch.optim.Adam([weight], lr=1e-2)
    for index in range(FEATURE_STEPS):
        optimizer.param_groups[0]["lr"] = scheduled_rate(index, FEATURE_STEPS, lr=1e-2, schedule="cosine")
        matrix = weight * (1 - identity)
        optimizer.zero_grad(set_to_none=True)
        (_expected_feature_loss(moments, identity - matrix) + sparsity_weight * matrix.abs().sum()).backward()
        optimizer.step()
