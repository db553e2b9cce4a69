"""Methods that optimise a single latent code, and pivotal tuning after it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from ganinvert.settings.common import ADDED, Init, at_least, not_negative, positive
from ganinvert.settings.methods.base import MethodSettings
from ganinvert.settings.methods.fine_tuning import PTI, PTI_PAPER
from ganinvert.settings.methods.inversion import InversionSettings, MethodEntry, method
from ganinvert.settings.optimization import Objective, Optimization


@dataclass(frozen=True)
class SingleCode(MethodSettings):
    """One latent code z per image: Creswell and Bharath; Lipton and Tripathi; InvertGenNet; GenVisMani.

    Attributes:
        init: Initial code: the "nearest" of some random ones, a "random" one, or an "encoder"'s.
        candidates: Number of random codes among which the nearest to the photo is found.
        sphere: Keep z at length √z after each step.
        prior: Weight of ‖z‖² / (2 · dim z), the negative log-likelihood of N(0, I) per entry.
        clip: Bound of stochastic clipping: entries of z beyond it are redrawn from the prior after each step; 0: off.
        distribution: Prior of the random codes; "uniform" is U(-1, 1).
        restart: Descend half of the steps from z and half from −ẑ, and keep the better end (InvertGenNet).
        layer: Layer of the free features of F/W+; 0: the layer at which the generator's results are edited.
        anchor: Weight of mean d², where the free features are those that the styles give plus d standard deviations.
        feature_rate: Learning rate of d as a multiple of the code's.
        jitter: Standard deviation of the noise that is added to the code at first, as a share of the mean distance to
            the mean code; it fades away in three quarters of the steps (Karras et al. 2020).
        noise: Weight of the regularisation of the generator's noise maps, which are variables, too; 0: they stay.
    """

    title = "single"
    implementation = "ganinvert.methods.latent:Latent"
    in_features = True
    init: Init = "nearest"
    candidates: int = 256
    sphere: bool = True
    prior: float = 0.0
    clip: float = 0.0
    distribution: Literal["normal", "uniform"] = "normal"
    restart: bool = False
    layer: int = field(default=0, kw_only=True, metadata=ADDED)
    anchor: float = field(default=0.0, kw_only=True, metadata=ADDED)
    feature_rate: float = field(default=0.6, kw_only=True, metadata=ADDED)
    jitter: float = field(default=0.0, kw_only=True, metadata=ADDED)
    noise: float = field(default=0.0, kw_only=True, metadata=ADDED)

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least("candidates", self.candidates, 1)
        at_least("layer", self.layer, 0)
        positive("feature_rate", self.feature_rate)
        for name in ("prior", "clip", "anchor", "jitter", "noise"):
            not_negative(name, getattr(self, name))

    @property
    def single_image_only(self) -> bool:
        """True if noise maps, which images share, are variables."""
        return self.noise > 0

    @property
    def runs(self) -> int:
        """Two descents with a restart."""
        return 1 + self.restart

    def ignores(self, field: str) -> bool:
        """The layer is that of free features."""
        return super().ignores(field) or (field == "layer" and self.space != "f")

    def edit_layer(self, default: int, encoder: int) -> int:  # noqa: ARG002
        """A layer not before the free features."""
        return max(self.layer, default) if self.space == "f" else default


PIXELS = Objective(perceptual=0.0)
SINGLE = method(
    "single",
    "one code (Creswell and Bharath 2018)",
    default=InversionSettings(SingleCode(), Optimization(lr=0.3)),
    paper=InversionSettings(
        SingleCode("random", sphere=False, prior=0.01), Optimization(5000, 0.01, "constant", 0.0, "rmsprop"), PIXELS
    ),
)
CLIPPING = method(
    "clipping",
    "one code with stochastic clipping (Lipton and Tripathi 2017)",
    default=InversionSettings(SingleCode(sphere=False, clip=3.0), Optimization(lr=0.1), PIXELS),
    paper=InversionSettings(
        SingleCode("random", sphere=False, clip=3.0), Optimization(10_000, 1.0, "constant", 0.0, "sgd"), PIXELS
    ),
)
INVERTGENNET = method(
    "invertgennet",
    "one code, descended to from z and from −ẑ (Ma et al. 2018)",
    default=InversionSettings(SingleCode("random", restart=True), Optimization(lr=0.3, runs=2), PIXELS),
    paper=InversionSettings(
        SingleCode("random", sphere=False, restart=True), Optimization(2000, 0.01, "constant", 0.0, runs=2), PIXELS
    ),
)
GENVISMANI = method(
    "genvismani",
    "an encoder's code, then L-BFGS (Zhu et al. 2016)",
    default=InversionSettings(
        SingleCode("encoder", sphere=False),
        Optimization(200, 1.0, "constant", 0.0, "lbfgs"),
        Objective(perceptual=0.0, alexnet=0.002, perceptual_every=1),
    ),
)
_PIVOT = InversionSettings(SingleCode(), Optimization(lr=0.3), tuning=PTI, name="pti")
PIVOTAL_TUNING = MethodEntry(
    "pti",
    "one code, then fine-tuning around it (Roich et al. 2021)",
    {"invert": {"default": _PIVOT, "paper": replace(_PIVOT, optimization=Optimization(450, 0.3), tuning=PTI_PAPER)}},
)
