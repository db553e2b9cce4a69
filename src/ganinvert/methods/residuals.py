"""InvertLayers (Bau et al. 2019): a code and what is added to the outputs of the first layers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganinvert.degradations import Degradation
from ganinvert.directions import Shift
from ganinvert.generators import Activations, Generator
from ganinvert.methods.base import Code, CodeRecord, Method, require, to_bundle
from ganinvert.methods.initialization import initial_codes
from ganinvert.settings import LayerResiduals


class Residuals(Method):
    """A code z and residuals d₁ … d_L."""

    settings: LayerResiduals

    @torch.no_grad()
    def start(self, generator: Generator, y: Tensor, degradation: Degradation, *, seed: int) -> ResidualCode:
        """A code, and residuals of 0."""
        settings = self.settings
        generator.check_layer(settings.layer)
        z = initial_codes(generator, y, degradation, settings, count=1, seed=seed, space=self.space)[:, 0]
        infos = [generator.layer_info(layer) for layer in range(1, settings.layer + 1)]
        residuals = [torch.zeros(len(y), info.channels, info.size, info.size, device=y.device) for info in infos]
        return ResidualCode(z.contiguous(), residuals, settings, space=self.space)


class ResidualCode(Code):
    """Codes (b, *shape) of a latent space, and residuals (b, c, h, w) of layers 1, 2, …, of b images."""

    kind = "residuals"

    def __init__(self, z: Tensor, residuals: list[Tensor], settings: LayerResiduals, *, space: str = "") -> None:
        super().__init__()
        self.z = nn.Parameter(z)
        self.residuals = nn.ParameterList(nn.Parameter(residual) for residual in residuals)
        self.settings, self.layer, self.space = settings, len(residuals), space

    def compose(self, generator: Generator) -> Activations:
        """h₀ = z, hₗ = gₗ(hₗ₋₁) + dₗ."""
        state = generator.begin(generator.styles(self.z, self.space))
        for layer, residual in enumerate(self.residuals, 1):
            state = generator.carry(state, layer - 1, layer)
            state = state.replace(state.features + residual)
        return state

    def penalty(self, generator: Generator, x: Tensor) -> Tensor:  # noqa: ARG002
        """Σₗ mean dₗ², times its weight."""
        sizes = [residual.square().flatten(1).mean(dim=1) for residual in self.residuals]
        return self.settings.penalty * torch.stack(sizes).sum(dim=0)

    def tensors(self, image: int) -> dict[str, Tensor]:
        """The code z and residuals d1, d2, … (c, h, w) of one image."""
        residuals = {f"d{layer}": residual for layer, residual in enumerate(self.residuals, 1)}
        return {name: to_bundle(value[image]) for name, value in {"z": self.z, **residuals}.items()}

    def shifted(self, generator: Generator, shift: Shift) -> ResidualCode:
        """The code with the shift added to z, and the same residuals."""
        z, space = shift.apply(generator, self.z, self.space)
        return ResidualCode(z, [each.detach() for each in self.residuals], self.settings, space=space)

    @classmethod
    def restore(cls, record: CodeRecord) -> ResidualCode:
        """Make the code again, without the weight of the residuals."""
        parts = {name: tensor[None] for name, tensor in record.tensors.items()}
        names = [f"d{layer}" for layer in range(1, len(parts))]
        require(parts.keys() == {"z", *names} and 1 <= len(names) <= record.layer)
        require(parts["z"].ndim >= 2 and all(parts[name].ndim == 4 for name in names))
        settings = LayerResiduals(layer=len(names))
        return cls(parts["z"], [parts[name] for name in names], settings, space=record.space)
