"""The prediction of an encoder without optimisation, and fixed activations."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganinvert.degradations import Degradation
from ganinvert.directions import Shift
from ganinvert.errors import UsageError
from ganinvert.generators import Activations, Generator
from ganinvert.methods.base import Code, CodeRecord, Method, require, to_bundle
from ganinvert.methods.initialization import encoder_of
from ganinvert.methods.latent import LatentCode
from ganinvert.methods.residuals import ResidualCode
from ganinvert.settings import Encoded, SingleCode


class Encoding(Method):
    """One forward pass of the generator's encoder."""

    settings: Encoded

    @torch.no_grad()
    def start(self, generator: Generator, y: Tensor, degradation: Degradation, *, seed: int) -> Code:
        """Predict the code or the activations of the measurement."""
        encoder = encoder_of(generator)
        z, state = encoder.predict(degradation.guess(y).expand(-1, 3, -1, -1))
        if self.settings.result == "code":
            return LatentCode(z.float(), SingleCode(init="encoder"), seed=seed, space=encoder.space)
        if generator.is_styled:  # F/W+: what the features add to those of the styles
            residual = state.features.float() - generator.features(z.float(), encoder.layer, encoder.space).features
            return ResidualCode(z.float(), {encoder.layer: residual}, space=encoder.space)
        return ActivationCode(state.map(Tensor.float), encoder.layer)


class ActivationCode(Code):
    """Activations themselves: fixed ones of an encoder or an edit, or, if `movable`, variables as in F/W+.

    Features and styles are the variables, never the image.
    """

    kind = "activations"

    def __init__(self, state: Activations, layer: int, *, movable: bool = False) -> None:
        super().__init__()
        self.layer, self._names = layer, tuple(state.tensors())
        for name, value in state.tensors().items():
            if movable and name != "image":
                self.register_parameter(_FIELDS[name], nn.Parameter(value))
            else:
                self.register_buffer(_FIELDS[name], value)

    def compose(self, generator: Generator) -> Activations:  # noqa: ARG002  (they are composed already)
        """The activations."""
        return Activations(**{name: getattr(self, _FIELDS[name]) for name in self._names})

    def tensors(self, image: int) -> dict[str, Tensor]:
        """Features h (c, h, w), and styles and image if there are any, of one image."""
        return {_FIELDS[name]: to_bundle(getattr(self, _FIELDS[name])[image]) for name in self._names}

    def shifted(self, generator: Generator, shift: Shift) -> ActivationCode:
        """The code with the shift added to the styles, and to features and image what it changes in those of styles.

        Features of F/W+ are those of the styles before the layer and a difference to them, and the difference stays.
        """
        state = self.compose(generator)
        if state.styles is None or "w+" not in generator.spaces:
            raise UsageError(
                "features without styles cannot be moved along a direction",
                hint="invert the photo with a --method that keeps codes",
            )
        moved = shift.styled(state.styles)
        before, after = (generator.carry(generator.begin(each), 0, self.layer) for each in (state.styles, moved))
        changed = {"styles": moved}
        for name in state.tensors().keys() - {"styles"}:
            changed[name] = getattr(state, name) + (getattr(after, name) - getattr(before, name))
        return ActivationCode(Activations(**changed), self.layer)

    @classmethod
    def restore(cls, record: CodeRecord) -> ActivationCode:
        """Make the code again."""
        require("h" in record.tensors and record.tensors.keys() <= set(_FIELDS.values()))
        require(record.tensors["h"].ndim == 3 and len(record.tensors["h"]) == len(record.partition.labels))
        fields = {name: record.tensors[key][None] for name, key in _FIELDS.items() if key in record.tensors}
        return cls(Activations(**fields), record.layer)


_FIELDS = {"features": "h", "styles": "styles", "image": "image"}
"""Names of the activations' tensors in bundles."""
