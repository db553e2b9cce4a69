"""A code, and what is added to the features that it gives: InvertLayers (Bau et al. 2019) and F/W+ (BDInvert)."""

from __future__ import annotations

from collections.abc import Mapping
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from ganinvert.degradations import Degradation
from ganinvert.directions import Shift
from ganinvert.generators import Activations, Generator
from ganinvert.methods.base import Code, CodeRecord, Method, require, to_bundle
from ganinvert.methods.initialization import initial_codes
from ganinvert.settings import LayerResiduals, SingleCode

_SAMPLES, _AT_ONCE = 64, 16
_DEVIATIONS: WeakKeyDictionary[Generator, dict[int, Tensor]] = WeakKeyDictionary()


class Residuals(Method):
    """A code z and residuals d₁ … d_L of the first L layers."""

    settings: LayerResiduals

    @torch.no_grad()
    def start(self, generator: Generator, y: Tensor, degradation: Degradation, *, seed: int) -> ResidualCode:
        """A code, and residuals of 0."""
        settings = self.settings
        generator.check_layer(settings.layer)
        z = initial_codes(generator, y, degradation, settings, count=1, seed=seed)[:, 0]
        residuals = {layer: _zeros(generator, layer, z) for layer in range(1, settings.layer + 1)}
        return ResidualCode(z.contiguous(), residuals, weight=settings.penalty, space=settings.space)


@torch.no_grad()
def free_features(
    generator: Generator, y: Tensor, degradation: Degradation, settings: SingleCode, *, seed: int
) -> ResidualCode:
    """A code of F/W+ (Kang et al. 2021): styles in W+, and features of one layer that may leave those of the styles.

    The features are F(styles) + d · σ with σ the standard deviation of each channel, because their sizes differ by an
    order of magnitude; `settings.anchor` · mean d² keeps them near those that the styles give.
    """
    layer = settings.layer or generator.edit_layer
    z = initial_codes(generator, y, degradation, settings, count=1, seed=seed)[:, 0]
    return ResidualCode(
        z.contiguous(),
        {layer: _zeros(generator, layer, z)},
        weight=settings.anchor,
        prior=settings.prior,
        rate=settings.feature_rate,
        scale=_deviations(generator, layer),
        space="w+",
    )


class ResidualCode(Code):
    """Codes (b, *shape) of a latent space, and residuals (b, c, h, w) by layer, of b images.

    Args:
        z: Codes (b, *shape).
        residuals: Residuals in units of `scale`, by layer from the first on.
        weight: Weight of Σₗ mean dₗ².
        prior: Weight of the negative log-likelihood of the code in its space.
        rate: Learning rate of the residuals as a multiple of the code's.
        scale: Unit of each channel of the residuals, (c,); 1 by default.
        space: Latent space of the codes; the native one by default.
    """

    kind = "residuals"

    def __init__(
        self,
        z: Tensor,
        residuals: Mapping[int, Tensor],
        *,
        weight: float = 0.0,
        prior: float = 0.0,
        rate: float = 1.0,
        scale: Tensor | None = None,
        space: str = "",
    ) -> None:
        super().__init__()
        self.z = nn.Parameter(z)
        self.residuals = nn.ParameterList(nn.Parameter(residual) for residual in residuals.values())
        self.layers, self.layer, self.space = tuple(residuals), max(residuals), space
        self.weight, self.prior, self.rate = weight, prior, rate
        self.scale = None if scale is None else scale[:, None, None]

    def compose(self, generator: Generator) -> Activations:
        """h₀ = begin(z), hₗ = gₗ(hₗ₋₁) + dₗ."""
        state, before = generator.begin(generator.styles(self.z, self.space)), 0
        for layer, residual in zip(self.layers, self._scaled(), strict=True):
            state, before = generator.carry(state, before, layer), layer
            state = state.replace(state.features + residual)
        return state

    def penalty(self, generator: Generator, x: Tensor) -> Tensor:  # noqa: ARG002
        """Σₗ mean dₗ², and the likelihood of the code, times their weights."""
        sizes = [residual.square().flatten(1).mean(dim=1) for residual in self.residuals]
        total = self.weight * torch.stack(sizes).sum(dim=0)
        return total + self.prior * generator.space(self.space).prior(self.z) if self.prior else total

    def rates(self) -> Mapping[str, float]:
        """The residuals move at their own rate."""
        return {name: 1.0 if name == "z" else self.rate for name, _ in self.named_parameters()}

    def tensors(self, image: int) -> dict[str, Tensor]:
        """The code z, and residuals d1, d2, … (c, h, w) in the features' own units, of one image."""
        residuals = {f"d{layer}": d[image] for layer, d in zip(self.layers, self._scaled(), strict=True)}
        return {name: to_bundle(value) for name, value in {"z": self.z[image], **residuals}.items()}

    def shifted(self, generator: Generator, shift: Shift) -> ResidualCode:
        """The code with the shift added to z, and the same residuals."""
        z, space = shift.apply(generator, self.z, self.space)
        scaled = [residual.detach() for residual in self._scaled()]
        return ResidualCode(z, dict(zip(self.layers, scaled, strict=True)), space=space)

    @classmethod
    def restore(cls, record: CodeRecord) -> ResidualCode:
        """Make the code again, without the weights of its terms."""
        parts = {name: tensor[None] for name, tensor in record.tensors.items() if name != "z"}
        require("z" in record.tensors and record.tensors["z"].ndim >= 1 and len(parts) > 0)
        require(all(name[:1] == "d" and name[1:].isdecimal() and part.ndim == 4 for name, part in parts.items()))
        residuals = {int(name[1:]): part for name, part in sorted(parts.items(), key=lambda each: int(each[0][1:]))}
        require(len(residuals) == len(parts) and min(residuals) >= 1 and max(residuals) <= record.layer)
        return cls(record.tensors["z"][None], residuals, space=record.space)

    def _scaled(self) -> list[Tensor]:
        return [residual if self.scale is None else residual * self.scale for residual in self.residuals]


def _zeros(generator: Generator, layer: int, z: Tensor) -> Tensor:
    info = generator.layer_info(layer)
    return torch.zeros(len(z), info.channels, info.size, info.size, device=z.device)


def _deviations(generator: Generator, layer: int) -> Tensor:
    """Standard deviation of each channel of a layer's features over samples and places, (c,), on the device."""
    known, device = _DEVIATIONS.setdefault(generator, {}), next(generator.parameters()).device
    if layer not in known:
        z = generator.space().sample(_SAMPLES, torch.Generator().manual_seed(0)).to(device)
        features = [generator.features(part, layer).features.float() for part in z.split(_AT_ONCE)]
        known[layer] = torch.cat(features).std(dim=(0, 2, 3))
    return known[layer].to(device)
