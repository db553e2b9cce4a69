"""What an inversion is made of: a method, and fine-tuning after it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from ganinvert.errors import UsageError
from ganinvert.settings.common import (
    Affinity,
    Init,
    MethodName,
    Refinement,
    Weighting,
    at_least,
    not_negative,
    positive,
)
from ganinvert.settings.optimization import Objective, Optimization


@dataclass(frozen=True)
class PmSFC:
    """Prior multi-subspace feature composition (Li et al., AAAI 2021), eqs. 6 and 7; linear with R = 1: mGANprior.

    Attributes:
        subspaces: R.
        codes: K, per subspace.
        layer: Where features are composed.
        weighting: "tanh" is eq. 6; "linear" is mGANprior's, without a denominator.
        affinity: How subspaces are cut from S.
        init: Where the codes start.
        candidates: Random codes among which the "nearest" to the photo are found.
        sigma: Standard deviation of the "random" start.
        sphere: Keep every code at length √z after each step.
        weight_rate: Learning rate of the composition weights as a multiple of the codes'.
    """

    subspaces: int = 6
    codes: int = 5
    layer: int = 3
    weighting: Weighting = "tanh"
    affinity: Affinity = "thresholded"
    init: Init = "nearest"
    candidates: int = 256
    sigma: float = 1e-4
    sphere: bool = True
    weight_rate: float = 0.2

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            UsageError: R, K or the number of candidates is below 1.
        """
        at_least("subspaces (-R)", self.subspaces, 1)
        at_least("codes (-K)", self.codes, 1)
        at_least("candidates", self.candidates, 1)


@dataclass(frozen=True)
class SingleCode:
    """One latent code z per image: Creswell and Bharath; Lipton and Tripathi; InvertGenNet; GenVisMani.

    Attributes:
        init: Where z starts.
        candidates: Random codes among which the "nearest" to the photo is found.
        sphere: Keep z at length √z after each step.
        prior: Weight of ‖z‖² / (2 · dim z), the negative log-likelihood of N(0, I) per entry.
        clip: Stochastic clipping: entries of z beyond this are drawn anew from the prior after each step; 0 is off.
        distribution: The prior that z is drawn from; "uniform" is U(-1, 1).
        restart: Half of the steps from z, half from −ẑ, and the better end is kept (InvertGenNet).
    """

    init: Init = "nearest"
    candidates: int = 256
    sphere: bool = True
    prior: float = 0.0
    clip: float = 0.0
    distribution: Literal["normal", "uniform"] = "normal"
    restart: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            UsageError: No candidates, or a negative weight or bound.
        """
        at_least("candidates", self.candidates, 1)
        for name in ("prior", "clip"):
            not_negative(name, getattr(self, name))


@dataclass(frozen=True)
class LayerResiduals:
    """InvertLayers (Bau et al. 2019): a code z and residuals dₗ added to the outputs of the first layers.

    Attributes:
        layer: The last layer with a residual; the first is 1.
        init: Where z starts; the authors' is an encoder's.
        candidates: Random codes among which the "nearest" to the photo is found.
        penalty: Weight of Σₗ mean dₗ².
    """

    layer: int = 3
    init: Init = "encoder"
    candidates: int = 256
    penalty: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            UsageError: There is no layer or candidate.
        """
        at_least("layer", self.layer, 1)
        at_least("candidates", self.candidates, 1)


@dataclass(frozen=True)
class Encoded:
    """What an encoder makes of the photo in one forward pass.

    Attributes:
        into: Its features, which keep more of the photo, or its code, which keeps to the generator's own images.
    """

    into: Literal["features", "code"] = "features"


@dataclass(frozen=True)
class GenerativePrior:
    """Deep generative prior (Pan et al. 2020): z and the generator's weights move together, layer by layer.

    Attributes:
        candidates: Random codes of which the one with the nearest discriminator features is the start.
        stages: In stage s of S, the first s/S of the layers are tuned, and z.
        weight_rate: Learning rate of the weights as a multiple of the code's.
        features: Weight of the mean absolute difference of the discriminator's features.
        rank: Of the changes of convolutions; 0 leaves them whole.
    """

    candidates: int = 500
    stages: int = 5
    weight_rate: float = 0.025
    features: float = 1.0
    rank: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            UsageError: There is no candidate or stage, or a rate, weight or rank is negative.
        """
        at_least("candidates", self.candidates, 1)
        at_least("stages", self.stages, 1)
        at_least("rank", self.rank, 0)
        for name in ("weight_rate", "features"):
            not_negative(name, getattr(self, name))


MethodSettings = PmSFC | SingleCode | LayerResiduals | Encoded | GenerativePrior


@dataclass(frozen=True)
class FineTuningSettings:
    """Fine-tuning of the generator's weights around a code that stays as it is, the pivot.

    Near-perfect inversion is 1ₚ [objective + λ·local adversarial term] + global adversarial term; no source gives
    weights, p, rates, steps or the pyramid's depth, and all that are here are ours.

    Attributes:
        kind: "near-perfect" (the slides) or "pti" (Roich et al. 2021).
        optimization: Of the weights.
        objective: Differences between measurement and image.
        rank: Of the changes of convolutions; 0 leaves them whole.
        adversarial: λ, weight of the local adversarial term.
        cohesion: Weight of the global adversarial term.
        probability: p, of the objective and the local term being on in a step; without a global term they always are.
        batch: Images of a step of the discriminator, the photo's among them.
        critic_lr: The discriminator's learning rate.
        locality: Weight of what images near the pivot must not change (PTI).
        stop: LPIPS to the measurement at which the tuning ends; 0 never.
    """

    kind: Refinement = "near-perfect"
    optimization: Optimization = Optimization(steps=120, lr=3e-3)
    objective: Objective = Objective(pixel=0.0, laplacian=1.0, perceptual=0.0)
    rank: int = 16
    adversarial: float = 5e-4
    cohesion: float = 0.02
    probability: float = 0.9
    batch: int = 4
    critic_lr: float = 1e-4
    locality: float = 0.0
    stop: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            UsageError: A negative weight, rank or bound, a batch without samples, or a probability that is none.
        """
        at_least("rank", self.rank, 0)
        at_least("batch", self.batch, 2)
        positive("critic_lr", self.critic_lr)
        for name in ("adversarial", "cohesion", "locality", "stop"):
            not_negative(name, getattr(self, name))
        if not 0 < self.probability <= 1:
            raise UsageError(f"probability cannot be {self.probability:g}", hint="choose one above 0, and not above 1")


@dataclass(frozen=True)
class InversionSettings:
    """Everything that a task on photos can be told but its inputs, outputs, generator and device.

    Attributes:
        method: What is optimised.
        optimization: How.
        objective: What for.
        tuning: What follows; None leaves the generator as it is.
        name: Of the method, as `--method` has it.
    """

    method: MethodSettings = PmSFC()
    optimization: Optimization = Optimization()
    objective: Objective = Objective()
    tuning: FineTuningSettings | None = None
    name: MethodName = "pmsfc"

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            UsageError: Fine-tuning is to follow a method that tunes the generator itself.
        """
        if self.tuning is not None and isinstance(self.method, GenerativePrior):
            raise UsageError(f"{self.name} is fine-tuning already", hint="leave the refinement out")
        if isinstance(self.method, Encoded) and self.optimization.steps:
            raise UsageError("an encoder's result is not optimised", hint="take Optimization(steps=0)")
        restarts = isinstance(self.method, SingleCode) and self.method.restart
        if self.optimization.runs != 1 + restarts:
            raise UsageError(
                f"{self.optimization.runs} runs do not go with {1 + restarts} descents",
                hint="a restart has 2 runs, everything else 1",
            )

    def of(self, method: MethodSettings) -> InversionSettings:
        """The same with another method, under its name."""
        names: dict[type[MethodSettings], MethodName] = {
            SingleCode: "single",
            LayerResiduals: "invertlayers",
            Encoded: "encoder",
            GenerativePrior: "dgp",
        }
        runs = 2 if isinstance(method, SingleCode) and method.restart else 1
        moves = replace(
            self.optimization, steps=0 if isinstance(method, Encoded) else self.optimization.steps, runs=runs
        )
        return replace(self, method=method, optimization=moves, name=names.get(type(method), "pmsfc"))

    @property
    def label(self) -> str:
        """The method, and the fine-tuning that follows when that is not its own."""
        own = self.tuning is None or self.tuning.kind == self.name
        return self.name if own else f"{self.name}+{self.tuning.kind}"  # type: ignore[union-attr]  # own says which

    @property
    def discovery_layer(self) -> int | None:
        """The layer whose subspaces have to be discovered; None when none have."""
        partition_for = isinstance(self.method, PmSFC) and self.method.subspaces > 1
        return self.method.layer if partition_for else None  # type: ignore[union-attr]  # a composition has one

    @property
    def networks(self) -> tuple[str, ...]:
        """What else of the generator is asked for: "encoder", "discriminator"."""
        judged = self.tuning is not None and bool(self.tuning.adversarial or self.tuning.cohesion)
        return tuple(dict.fromkeys((*self.required, *(("discriminator",) if judged else ()))))

    @property
    def required(self) -> tuple[str, ...]:
        """Those of `networks` that it cannot do without: fine-tuning can do without a discriminator."""
        encoded = isinstance(self.method, Encoded) or getattr(self.method, "init", None) == "encoder"
        judged = isinstance(self.method, GenerativePrior)
        return (*(("encoder",) if encoded else ()), *(("discriminator",) if judged else ()))

    @property
    def shortest(self) -> InversionSettings:
        """The same with one step of everything, to have loaded what it needs."""
        tuning = self.tuning and replace(self.tuning, optimization=self.tuning.optimization.shortest)
        return replace(self, optimization=self.optimization.shortest, tuning=tuning)

    @property
    def single_image_only(self) -> bool:
        """Whether photos cannot be optimised together."""
        return bool(self.tuning or isinstance(self.method, GenerativePrior) or self.optimization.optimizer == "lbfgs")
