"""Settings of the composition of codes: PmSFC and mGANprior."""

from __future__ import annotations

from dataclasses import dataclass

from ganinvert.errors import UsageError
from ganinvert.settings.common import Affinity, Init, Weighting, at_least
from ganinvert.settings.methods.base import AFFINITY, LAYER, SUBSPACES, MethodSettings


@dataclass(frozen=True)
class PmSFC(MethodSettings):
    """Prior multi-subspace feature composition (Li et al., AAAI 2021), eqs. 6 and 7; linear with R = 1: mGANprior.

    Attributes:
        subspaces: Number of subspaces, R.
        codes: Latent codes per subspace, K.
        layer: Layer whose features are composed.
        weighting: "tanh" is eq. 6; "linear" is mGANprior's, without a denominator.
        affinity: Comparison of channels, from which subspaces are clustered.
        init: Initial codes: the "nearest" of some random ones, "random" ones, or an "encoder"'s.
        candidates: Number of random codes among which the nearest to the photo are found.
        sigma: Standard deviation of "random" initial codes.
        sphere: Keep every code at length √z after each step.
        weight_rate: Learning rate of the composition weights as a multiple of the codes'.
    """

    title = "pmsfc"
    implementation = "ganinvert.methods.composition:Composition"
    composes = True
    in_features = True
    subspaces: int = SUBSPACES
    codes: int = 5
    layer: int = LAYER
    weighting: Weighting = "tanh"
    affinity: Affinity = AFFINITY
    init: Init = "nearest"
    candidates: int = 256
    sigma: float = 1e-4
    sphere: bool = True
    weight_rate: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.init == "mean" and self.codes > 1:
            raise UsageError("codes that start equal stay equal", hint="start elsewhere (--init), or take one code")
        at_least("subspaces (-R)", self.subspaces, 1)
        at_least("codes (-K)", self.codes, 1)
        at_least("candidates", self.candidates, 1)

    @property
    def code_space(self) -> str:
        """With free styles, "f", the codes are of W: they give features only."""
        return "w" if self.space == "f" else self.space

    @property
    def discovery_layer(self) -> int | None:
        """The layer of the composition, unless all channels are composed together."""
        return self.layer if self.subspaces > 1 else None

    @property
    def partition(self) -> tuple[int, Affinity]:
        """The subspaces of the composition, or the default ones if all channels are composed together."""
        return self.subspaces if self.subspaces > 1 else SUBSPACES, self.affinity

    def edit_layer(self, default: int, encoder: int) -> int:  # noqa: ARG002
        """The layer of the composition."""
        return self.layer
