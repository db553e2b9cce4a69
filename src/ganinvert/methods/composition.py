"""Composition of features by subspaces: PmSFC (eqs. 6 and 7), and mGANprior as its case R = 1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import get_args

import torch
from torch import Tensor, nn

from ganinvert.degradations import Degradation
from ganinvert.directions import Shift
from ganinvert.errors import UsageError
from ganinvert.generators import Activations, Generator
from ganinvert.methods.base import Code, CodeRecord, Method, require, to_bundle
from ganinvert.methods.initialization import initial_codes
from ganinvert.settings import MethodSettings, PmSFC
from ganinvert.settings.common import Weighting
from ganinvert.subspaces import SubspacePartition

WEIGHT_START = 0.5
"""Initial w with tanh (not in the paper): away from 0, where eq. 6 is 0/0, and from the saturation of tanh."""
DENOMINATOR_FLOOR = 0.05
"""Eq. 6 divides by Σ tanh(w), which can cross zero; its size is kept above this and its sign as it is."""


class Composition(Method):
    """PmSFC on given subspaces; with one subspace of all channels it is mGANprior's composition."""

    settings: PmSFC
    partition: SubspacePartition

    @torch.no_grad()
    def start(self, generator: Generator, y: Tensor, degradation: Degradation, *, seed: int) -> ComposedCode:
        """R·K codes, dealt to the subspaces in turn, and equal weights."""
        settings, channels = self.settings, generator.layer_info(self.settings.layer).channels
        partition = partition_for(settings, self.partition)
        if len(partition.labels) != channels:
            raise UsageError(
                f"the masks are for {len(partition.labels)} channels, but layer {settings.layer} has {channels}",
                hint="use masks that were discovered for this generator and layer",
            )
        count = partition.subspaces * settings.codes
        z = initial_codes(generator, y, degradation, settings, count=count, seed=seed)
        if settings.init == "random":
            # The paper does not state its start. With its learning rate, σ decides everything: PixelNorm makes G
            # blind to the length of z, so a step turns z by lr / ‖z‖. Equal codes would get equal gradients for ever.
            mean = generator.space(settings.code_space).mean().to(z)
            z = mean + settings.sigma * (z - mean)
        z = z.unflatten(1, (settings.codes, partition.subspaces)).transpose(1, 2).contiguous()
        value = WEIGHT_START if settings.weighting == "tanh" else 1 / settings.codes
        w = torch.full((len(y), settings.codes, channels), value, device=y.device)
        code = ComposedCode(z, w, partition, settings, space=settings.code_space)
        code.project_(generator)
        if settings.space == "f":
            styles = code.compose(generator).styles
            assert styles is not None
            code.styles = nn.Parameter(styles.float().contiguous())
        return code


class ComposedCode(Code):
    """Codes z (b, R, K, *shape) and composition weights w (b, K, c), before the activation, of b images.

    Because the masks are a partition, channel c needs the K weights of its own subspace only. The layers behind get the
    composed styles, or with `space` "f" of the settings `styles` (b, S, d) of their own.
    """

    kind = "composition"
    styles: nn.Parameter | None

    def __init__(self, z: Tensor, w: Tensor, partition: SubspacePartition, settings: PmSFC, *, space: str = "") -> None:
        super().__init__()
        self.z, self.w = nn.Parameter(z), nn.Parameter(w)
        self.register_parameter("styles", None)
        self.settings, self.layer, self.space = settings, settings.layer, space
        self.partition = partition
        self.groups = [group.to(z.device) for group in partition.groups]

    def compose(self, generator: Generator) -> Activations:
        """Eqs. 6 and 7: composed features (b, c, h, w) in the layer's channel order; styles are weighted means."""
        b, subspaces, codes, *shape = self.z.shape
        z = self.z.transpose(0, 1).reshape(subspaces, b * codes, *shape)
        state, shares = generator.grouped_features(z, self.layer, self.groups, self.space), self.shares()
        features = torch.einsum("bkchw,bkc->bchw", state.features.unflatten(0, (b, codes)), shares)
        state = state.pool(features, shares.mean(dim=2), 1)
        return state if self.styles is None else replace(state, styles=self.styles)

    def shares(self) -> Tensor:
        """Compute the share of each code in each channel, (b, K, c): σ(w) / Σ σ(w) of eq. 6, or w if linear."""
        if self.settings.weighting == "linear":
            return self.w
        activated = torch.tanh(self.w)
        total = activated.sum(dim=1, keepdim=True)
        floor = torch.copysign(torch.full_like(total, DENOMINATOR_FLOOR), total)
        return activated / torch.where(total.abs() < DENOMINATOR_FLOOR, floor, total)

    def rates(self) -> Mapping[str, float]:
        """The weights move at their own rate."""
        return {name: self.settings.weight_rate if name == "w" else 1.0 for name, _ in self.named_parameters()}

    @torch.no_grad()
    def project_(self, generator: Generator) -> None:
        """Project every code to its space, in place."""
        if self.settings.sphere:
            generator.space(self.space).project_(self.z)

    def tensors(self, image: int) -> dict[str, Tensor]:
        """Codes z (R, K, *shape), weights w (K, c), and styles (S, d) if they are free, of one image."""
        return {name: to_bundle(value[image]) for name, value in self.named_parameters()}

    def shifted(self, generator: Generator, shift: Shift) -> ComposedCode:
        """The code with the shift added to every z and to styles of their own, and the same weights."""
        z, space = shift.apply(generator, self.z.flatten(0, 2), self.space)
        z = z.unflatten(0, self.z.shape[:3])
        code = ComposedCode(z, self.w.detach(), self.partition, self.settings, space=space)
        if self.styles is not None:
            code.styles = nn.Parameter(shift.styled(self.styles))
        return code

    @classmethod
    def restore(cls, record: CodeRecord) -> ComposedCode:
        """Make the code again."""
        settings, tensors, labels = PmSFC(**record.settings), record.tensors, record.partition.labels
        require(tensors.keys() == {"z", "w", *(("styles",) if settings.space == "f" else ())})
        require(settings.weighting in get_args(Weighting) and settings.layer == record.layer)
        require(tensors["z"].ndim >= 3 and tensors["z"].shape[:2] == (settings.subspaces, settings.codes))
        require(tensors["w"].shape == (settings.codes, len(labels)))
        require(settings.subspaces in (1, record.partition.subspaces))
        partition = partition_for(settings, record.partition)
        code = cls(tensors["z"][None], tensors["w"][None], partition, settings, space=record.space)
        if "styles" in tensors:
            require(tensors["styles"].ndim == 2)
            code.styles = nn.Parameter(tensors["styles"][None])
        return code


def partition_for(settings: MethodSettings, partition: SubspacePartition) -> SubspacePartition:
    """Subspaces that a composition uses: with R = 1, all channels together."""
    return partition if settings.discovery_layer is not None else SubspacePartition.whole(len(partition.labels))
