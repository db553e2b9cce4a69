"""The contract of generators, discriminators and encoders of any family."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganinvert.errors import UsageError
from ganinvert.generators.activations import Activations
from ganinvert.generators.latents import LatentSpace
from ganinvert.generators.views import Growth, View, Window, windows_before
from ganinvert.settings.common import StoredPrecision
from ganinvert.weights import TensorFile
from ganinvert.weights.catalog import ALIGNED_FACES


@dataclass(frozen=True)
class LayerInfo:
    """Shape of the features at a layer: `channels` maps of `size`×`size`."""

    channels: int
    size: int


@dataclass(frozen=True)
class StyleInput:
    """The place where a style, a row of `Generator.styles`, enters the network.

    Attributes:
        layer: First layer whose activations depend on the style; num_layers + 1 for the image alone.
        matrix: Matrix A (c, d) by which the style is multiplied there.
    """

    layer: int
    matrix: Tensor


class Network(nn.Module):
    """A network that a file holds.

    Attributes:
        kind: Name of the kind of network in the file's header.
        about: Notes of the file, such as licence, origin and domain.
    """

    kind: ClassVar[str] = ""
    about: Mapping[str, str] = MappingProxyType({})

    @property
    def header(self) -> Mapping[str, str]:
        """Entries of the file that tell kind and architecture."""
        return {"kind": self.kind}

    def save(self, path: Path, *, stored: StoredPrecision = "float32") -> None:
        """Write a safetensors file, atomically."""
        dtype = torch.float16 if stored == "float16" else torch.float32
        tensors = {key: tensor.to(dtype) for key, tensor in self.state_dict().items()}
        TensorFile(tensors, {**self.about, **self.header}).save(path)


class Generator(Network, ABC):
    """A frozen network from codes to images that can be cut after any layer l in 0 … num_layers.

    A code of one of the `spaces` gives `styles`; they `begin` the activations at layer 0, before the first
    convolution; `carry` brings activations from layer to layer, and `to_image` ends. Everything else is derived.

    Attributes:
        name: Name in outputs.
        digest: Digest of the weights, to which subspaces and bundles are tied; a class label changes it.
        file: File that the generator was read from if it was chosen by its path; None for one with a name.
        domain: Images that the generator shows, as the catalogue says.
        spaces: Latent spaces by name; the first one is the native one.
        resolution: Side of the image in pixels.
        num_layers: Number of layers of the synthesis.
        preview_side: Largest side of the features from which small previews of images are read.
        classes: Number of class labels; 0 for generators without classes.
        label: Class label of a class-conditional generator.
        allows_bfloat16: False if bfloat16 changes its images visibly; it is then never chosen for it automatically.
    """

    name: str = "unnamed"
    digest: str = ""
    file: Path | None = None
    domain: str = ""
    spaces: Mapping[str, LatentSpace]
    resolution: int
    num_layers: int
    preview_side: int = 16
    classes: int = 0
    label: int = 0
    allows_bfloat16: bool = True

    @property
    def licence(self) -> str:
        """Licence of the weights; empty if it is unknown."""
        return self.about.get("licence", "")

    @property
    def knows_faces(self) -> bool:
        """True if the generator shows faces in the square of CelebA-HQ and FFHQ, as far as is known."""
        return (self.domain or self.about.get("domain", "")) == ALIGNED_FACES

    @property
    def is_styled(self) -> bool:
        """True if the generator is style-based: codes become styles of W, one for each layer in W+."""
        return "w+" in self.spaces

    @property
    def edit_layer(self) -> int:
        """Layer at which results are edited if nothing else says so."""
        return min(3, self.num_layers)

    def space(self, name: str = "") -> LatentSpace:
        """A latent space by name; the native one by default, and `UsageError` if there is none of the name."""
        name = name or next(iter(self.spaces))
        if name not in self.spaces:
            raise UsageError(f"{self.name} has no latent space {name}", hint=f"choose from {', '.join(self.spaces)}")
        return self.spaces[name]

    @abstractmethod
    def layer_info(self, layer: int) -> LayerInfo:
        """Shape of the features at `layer`; `UsageError` if there is no such layer."""

    @abstractmethod
    def styles(self, code: Tensor, space: str = "") -> Tensor:
        """Codes (n, *shape) of a space to the inputs of all layers, (n, S, d)."""

    @abstractmethod
    def begin(self, styles: Tensor) -> Activations:
        """Styles (n, S, d) to activations at layer 0."""

    @abstractmethod
    def carry(self, activations: Activations, start: int, stop: int) -> Activations:
        """Activations at layer `start` to activations at layer `stop`, not before it."""

    @abstractmethod
    def to_image(self, activations: Activations) -> Tensor:
        """Activations at the last layer to images (n, 3, r, r), about [-1, 1], not clamped."""

    @abstractmethod
    def weights_after(self, layer: int) -> dict[str, Tensor]:
        """Parameters that `synthesize` uses from `layer` on, by name: what can be tuned behind it."""

    def noises(self) -> dict[str, Tensor]:
        """Constant noise maps (h, w) that layers add to their features, by name: the buffers of the name `noise`."""
        return {name: value for name, value in self.named_buffers() if name.rpartition(".")[2] == "noise"}

    def style_inputs(self) -> Sequence[StyleInput]:
        """The inputs of the S styles, by their numbers; none by default, for families that do not tell them."""
        return ()

    def shrink(self, activations: Activations) -> Activations:
        """Smaller activations that pass through the same weights, for quick checks; by default the same ones."""
        return activations

    def features(self, code: Tensor, layer: int, space: str = "") -> Activations:
        """Codes (n, *shape) of a space to activations at `layer`."""
        return self.carry(self.begin(self.styles(code, space)), 0, layer)

    def reach(self, layer: int) -> int | None:  # noqa: ARG002  (for convolutional families)
        """Distance in cells of `layer` from which its values depend on the layer before; None if on all of it.

        The layer num_layers + 1 is the image, and its cells are pixels.
        """
        return None

    def carry_part(self, activations: Activations, start: int, window: Window) -> Activations:  # noqa: ARG002
        """Carry a window of the activations at layer `start` to the next layer, padded like whole ones.

        A family whose layers add constants in place, such as noise, takes the window of them.
        """
        return self.carry(activations, start, start + 1)

    def to_averaged_image(self, activations: Activations, cell: int) -> Tensor:
        """Activations at the last layer to images averaged over cell×cell pixels."""
        image = self.to_image(activations)
        return F.avg_pool2d(image, cell) if cell > 1 else image

    def synthesize(self, activations: Activations, layer: int, view: View | None = None) -> Tensor:
        """Activations at `layer` to images (n, 3, r, r), about [-1, 1], not clamped; of a view, that part of them.

        Features of another size than the layer's give a crop or a larger canvas if the family is convolutional.
        """
        features = activations.features.contiguous(memory_format=torch.channels_last)
        state = activations.replace(features)
        if view is None:
            return self.to_image(self.carry(state, layer, self.num_layers))
        sizes = [self.layer_info(n).size for n in range(layer, self.num_layers + 1)] + [self.resolution]
        growths = [Growth(sizes[n + 1] // sizes[n], self.reach(layer + 1 + n)) for n in range(len(sizes) - 1)]
        align = max(2, view.cell // growths[-1].factor)
        shape = features.shape[-2], features.shape[-1]
        windows, given = windows_before(view.window, shape, growths, align=align), Window((0, shape[0]), (0, shape[1]))
        for n, growth in enumerate(growths[:-1]):
            state = self.carry_part(state.cut(windows[n].within(given)), layer + n, windows[n])
            given = windows[n].enlarged(growth.factor)
        image = self.to_averaged_image(state.cut(windows[-2].within(given)), view.cell)
        given = windows[-2].enlarged(growths[-1].factor)
        return view.window.within(given).of(image, ratio=view.cell)

    def forward(self, code: Tensor, space: str = "") -> Tensor:
        """Codes (n, *shape) of a space to images (n, 3, r, r)."""
        return self.synthesize(self.begin(self.styles(code, space)), 0)

    def grouped_features(self, codes: Tensor, layer: int, groups: Sequence[Tensor], space: str = "") -> Activations:
        """Activations whose channels come from different codes: group g's channels from the g-th block of codes.

        Codes are (g, n, *shape), one block of n per group; `groups` are channel indices, a partition of the layer's
        channels. Features (n, c, h, w) are in the layer's own channel order; styles and image are means over the
        groups, weighted by their sizes.
        """
        state = self.features(codes.flatten(0, 1), layer, space)
        parts = state.features.unflatten(0, codes.shape[:2])
        sizes = torch.tensor([len(group) for group in groups], dtype=torch.float32)
        weights = (sizes / sizes.sum())[:, None].expand(*codes.shape[:2])
        return state.pool(reorder([parts[g][:, group] for g, group in enumerate(groups)], groups), weights, 0)

    def given(self, label: int) -> Generator:
        """A view of a class-conditional generator with its label filled in; weights are shared."""
        if not 0 <= label < self.classes:
            hint = f"its classes are 0 … {self.classes - 1}" if self.classes else "it has no classes"
            raise UsageError(f"{self.name} has no class {label}", hint=hint)
        view = copy(self)
        view.label, view.digest = label, hashlib.sha256(f"{self.digest} {label}".encode()).hexdigest()
        return view

    def check_layer(self, layer: int) -> None:
        """Refuse a layer outside 0 … num_layers."""
        if not 0 <= layer <= self.num_layers:
            hint = f"its layers are 0 … {self.num_layers}"
            raise UsageError(f"layer {layer} does not exist in {self.name}", hint=hint)

    def check_styles(self, numbers: Sequence[int]) -> None:
        """Refuse numbers of styles that the space W+ does not have, none at all, and generators without that space."""
        if "w+" not in self.spaces:
            raise UsageError(f"{self.name} has no styles", hint="choose a style-based generator, or leave --styles out")
        count = self.spaces["w+"].shape[0]
        if not numbers or not all(0 <= number < count for number in numbers):
            named = ", ".join(map(str, numbers)) or "none"
            raise UsageError(f"not all are styles of {self.name}: {named}", hint=f"its styles are 0 … {count - 1}")


class Discriminator(Network, ABC):
    """A network that scores how real images are.

    Attributes:
        digest: Digest of the generator that it was trained with; empty if it is unknown.
        resolution: Side of the images in pixels.
    """

    digest: str = ""
    resolution: int

    @abstractmethod
    def features(self, image: Tensor) -> list[Tensor]:
        """Images (n, 3, r, r) in [-1, 1] to feature maps (n, c, h, w), from fine to coarse."""

    @abstractmethod
    def forward(self, image: Tensor) -> Tensor:
        """Images (n, 3, r, r) in [-1, 1] to scores (n,), higher for more real."""

    @abstractmethod
    def reset_head(self) -> None:
        """Set the last layer to 0, in place: all scores are 0 until it learns."""


class Encoder(Network, ABC):
    """A network that predicts codes and activations of a generator from images.

    Attributes:
        digest: Digest of the generator that it was trained with; empty before training.
        space: Name of the latent space of the codes.
        layer: Layer of the activations.
    """

    digest: str = ""
    space: str
    layer: int

    @abstractmethod
    def forward(self, image: Tensor) -> tuple[Tensor, Activations]:
        """Images (n, 3, r, r) in [-1, 1] to codes (n, *shape) in `space` and activations at `layer`."""

    def predict(self, image: Tensor) -> tuple[Tensor, Activations]:
        """As a call, with types."""
        return cast("tuple[Tensor, Activations]", self(image))


def reorder(parts: Sequence[Tensor], groups: Sequence[Tensor]) -> Tensor:
    """Put the channels of each group, (n, c_g, h, w), at their place in the layer's order (PmSFC, eq. 7)."""
    return torch.cat(list(parts), dim=1)[:, torch.cat(list(groups)).argsort()]
