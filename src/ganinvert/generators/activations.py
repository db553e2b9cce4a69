"""The state of a generator between two layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ganinvert.errors import UsageError
from ganinvert.generators.views import Window


@dataclass(frozen=True, eq=False)
class Activations:
    """Everything that the layers after a cut need.

    Attributes:
        features: Feature maps (n, c, h, w): subspaces group, swaps exchange and residuals change these.
        styles: Styles of the modulated layers (n, S, d); None for generators without styles.
        image: RGB image so far (n, 3, h, w) of generators with skip connections; None for others.
    """

    features: Tensor
    styles: Tensor | None = None
    image: Tensor | None = None

    def __len__(self) -> int:
        return len(self.features)

    def __repr__(self) -> str:
        return f"<Activations: {', '.join(f'{name} {tuple(x.shape)}' for name, x in self.tensors().items())}>"

    def tensors(self) -> dict[str, Tensor]:
        """The tensors that there are, by field name."""
        return {name: value for name, value in vars(self).items() if value is not None}

    def replace(self, features: Tensor) -> Activations:
        """The same state with other features."""
        return replace(self, features=features)

    def cut(self, window: Window) -> Activations:
        """Cut features and image, whose side may be smaller than the features'."""
        if self.image is None:
            return self.replace(window.of(self.features))
        ratio = self.features.shape[-1] // self.image.shape[-1]
        return replace(self, features=window.of(self.features), image=window.of(self.image, ratio=ratio))

    def map(self, function: Callable[[Tensor], Tensor]) -> Activations:
        """Apply a function to every tensor."""
        return Activations(**{name: function(value) for name, value in self.tensors().items()})

    def lerp(self, other: Activations, share: float) -> Activations:
        """Interpolate linearly: `share` 0 gives this state, 1 the other."""
        theirs = other.tensors()
        return Activations(**{name: torch.lerp(x, theirs[name], share) for name, x in self.tensors().items()})

    def where(self, other: Activations, channels: Tensor) -> Activations:
        """Take the features of some channels, (c,) bool, from the other state."""
        return self.replace(torch.where(channels[:, None, None], other.features, self.features))

    def where_styles(self, other: Activations, numbers: Sequence[int], before: Sequence[int]) -> Activations:
        """Take the styles of some numbers from the other state; features and image, if those `before` are among them.

        Raises:
            UsageError: Only some of the styles before are among them, and features cannot be taken in part.
        """
        assert self.styles is not None
        assert other.styles is not None
        chosen = set(numbers)
        if 0 < len(chosen.intersection(before)) < len(before):
            raise UsageError(
                f"the features of these results stand for the styles {min(before)}-{max(before)}, "
                "which can only be exchanged together",
                hint="choose all of them, or later ones alone; or invert photos in W+ (--method image2stylegan)",
            )
        mask = torch.tensor([n in chosen for n in range(self.styles.shape[1])], device=self.styles.device)
        state = other if before and chosen.issuperset(before) else self
        return replace(state, styles=torch.where(mask[:, None], other.styles, self.styles))

    def pool(self, features: Tensor, weights: Tensor, dim: int) -> Activations:
        """Replace the features by a combination of several states, and average the rest.

        The batch holds p·q states of weights (p, q), which add up to 1 along `dim`: 0 sums over p, 1 over q.
        """

        def average(x: Tensor) -> Tensor:
            parts = x.unflatten(0, weights.shape)
            total: Tensor = (parts * weights.to(x).reshape(*weights.shape, *[1] * (x.ndim - 1))).sum(dim)
            return total

        rest: Mapping[str, Tensor] = {name: x for name, x in self.tensors().items() if name != "features"}
        return Activations(features, **{name: average(x) for name, x in rest.items()})
