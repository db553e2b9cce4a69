"""Defaults and presets: the one source for the command line and the library. Imports nothing heavy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from ganinvert.errors import UsageError

DEFAULT_GENERATOR = "portraits-64"

AdversarialLoss = Literal["non-saturating", "wgan-gp"]
Align = Literal["auto", "off", "force"]
Affinity = Literal["thresholded", "paper"]
Augmentation = Literal["adaptive", "fixed", "none"]
Box = tuple[int, int, int, int]
"""Left, top, width and height, in pixels."""
EvaluatedTask = Literal["invert", "colorize", "upscale", "inpaint"]
FitMode = Literal["crop", "pad", "squash"]
GrayImages = Literal["keep", "skip"]
Kernel = Literal["bicubic", "area", "bilinear", "lanczos"]
Luma = Literal["rec601", "rec709", "lab"]
Hole = Literal["box", "pixels"]
InterpolationPath = Literal["features", "codes"]
"""Where an interpolation is linear."""
Precision = Literal["auto", "float32", "bfloat16"]
Preset = Literal["default", "paper"]
Schedule = Literal["constant", "cosine"]
StoredPrecision = Literal["float32", "float16"]
Weighting = Literal["tanh", "linear"]


def at_least(name: str, value: int, least: int) -> None:
    """Refuse a number that is too small.

    Raises:
        UsageError: It is below `least`.
    """
    if value < least:
        raise UsageError(f"{name} cannot be {value}", hint=f"choose at least {least}")


def require_seed(seed: int) -> None:
    """Refuse a seed that random generators do not take.

    Raises:
        UsageError: It is negative or has more than 63 bits.
    """
    if not 0 <= seed < 2**63:
        raise UsageError(f"seed cannot be {seed}", hint="choose a number from 0 to 2⁶³ - 1")


def _positive(name: str, value: float) -> None:
    if not 0 < value <= 1e6:
        raise UsageError(f"{name} cannot be {value:g}", hint="choose a number above 0 and not above 1e6")


def scheduled_rate(index: int, steps: int, *, lr: float, schedule: Schedule, warmup: float = 0.0) -> float:
    """Learning rate of step `index`: a linear warm-up over a share of the steps, then `schedule` down to 0."""
    rising = round(warmup * steps)
    if index < rising:
        return lr * (index + 1) / rising
    if schedule == "constant":
        return lr
    return lr * (1 + math.cos(math.pi * (index - rising) / max(steps - rising, 1))) / 2


@dataclass(frozen=True)
class Discovery:
    """How to learn the self-expression matrix S (PmSFC eq. 5, algorithm 1).

    Attributes:
        layer: Where the generator is cut.
        steps: Adam steps.
        lr: Adam's learning rate.
        schedule: What becomes of it.
        batch: Codes sampled per step (the paper does not say; the authors' program takes 4).
        moment_codes: Codes for the expectation of the feature loss; 0 uses each step's batch, as the paper.
        image_weight: λ, of the loss in image space.
        sparsity_weight: μ, of ‖S‖₁.
        seed: Of the sampled codes.
    """

    layer: int = 3
    steps: int = 400
    lr: float = 3e-3
    schedule: Schedule = "cosine"
    batch: int = 2
    moment_codes: int = 2048
    image_weight: float = 10.0
    sparsity_weight: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            UsageError: No steps, an empty batch, or a learning rate that is not positive.
        """
        at_least("steps", self.steps, 1)
        at_least("batch", self.batch, 1)
        require_seed(self.seed)
        _positive("lr", self.lr)

    def rate(self, index: int) -> float:
        """Learning rate of step `index`."""
        return scheduled_rate(index, self.steps, lr=self.lr, schedule=self.schedule)


DISCOVERY: Mapping[Preset, Discovery] = {
    "default": Discovery(),
    "paper": Discovery(steps=3000, lr=1e-4, schedule="constant", batch=4, moment_codes=0),
}


@dataclass(frozen=True)
class Optimization:
    """How the loop moves the code: Adam.

    Attributes:
        steps: Number of steps.
        lr: Adam's learning rate of the latent codes.
        schedule: What becomes of it.
        warmup: Share of the steps in which it rises from 0.
    """

    steps: int = 300
    lr: float = 1.0
    schedule: Schedule = "cosine"
    warmup: float = 0.05

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            UsageError: No steps, or a learning rate that is not positive.
        """
        at_least("steps", self.steps, 1)
        _positive("lr", self.lr)

    def rate(self, index: int) -> float:
        """Learning rate of step `index`."""
        return scheduled_rate(index, self.steps, lr=self.lr, schedule=self.schedule, warmup=self.warmup)


@dataclass(frozen=True)
class Objective:
    """What the loop minimises per image: pixel · mean (x − x̂)² + perceptual · mean |V(x) − V(x̂)|, eq. 8.

    Eq. 8 gives neither weights nor V's layer; mean reductions, 0.001 and relu3_3 are those of mGANprior's program.

    Attributes:
        pixel: Weight of the pixel term, images in [-1, 1].
        perceptual: Weight of the VGG16 term; 0 switches it off.
        perceptual_every: The VGG16 term's gradient in the image is computed anew every so many steps and kept in
            between, because it is the costly half of a step and changes slowly.
    """

    pixel: float = 1.0
    perceptual: float = 1e-3
    perceptual_every: int = 4

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            UsageError: `perceptual_every` is below 1.
        """
        at_least("perceptual_every", self.perceptual_every, 1)


@dataclass(frozen=True)
class PmSFC:
    """Prior multi-subspace feature composition (Li et al., AAAI 2021), eqs. 6 and 7; linear with R = 1: mGANprior.

    Attributes:
        subspaces: R.
        codes: K, per subspace.
        layer: Where features are composed.
        weighting: "tanh" is eq. 6; "linear" is mGANprior's, without a denominator.
        affinity: How subspaces are cut from S.
        candidates: Random codes among which the nearest to the photo are the start; 0 starts at random instead.
        sigma: Standard deviation of the random start.
        sphere: Keep every code at length √z after each step.
        weight_rate: Learning rate of the composition weights as a multiple of the codes'.
    """

    subspaces: int = 6
    codes: int = 5
    layer: int = 3
    weighting: Weighting = "tanh"
    affinity: Affinity = "thresholded"
    candidates: int = 256
    sigma: float = 1e-4
    sphere: bool = True
    weight_rate: float = 0.2

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            UsageError: R or K is below 1.
        """
        at_least("subspaces (-R)", self.subspaces, 1)
        at_least("codes (-K)", self.codes, 1)
        at_least("candidates", self.candidates, 0)


@dataclass(frozen=True)
class Invert:
    """Everything that a task on photos can be told but its inputs, outputs, generator and device."""

    method: PmSFC = PmSFC()
    optimization: Optimization = Optimization()
    objective: Objective = Objective()


INVERT: Mapping[Preset, Invert] = {
    "default": Invert(),
    # 7000 steps at 1e-4 with N(0, I) codes would stand still: see GaussianStart.
    "paper": Invert(
        PmSFC(candidates=0, sphere=False, weight_rate=1.0),
        Optimization(steps=7000, lr=1e-4, schedule="constant", warmup=0.0),
        Objective(perceptual_every=1),
    ),
}

_EQUATION_9 = replace(INVERT["paper"], objective=Objective(perceptual=0.0, perceptual_every=1))
_FEW_STEPS = Invert(optimization=Optimization(steps=40), objective=Objective(perceptual=0.0))
"""Where much is missing, every further step explains what is known better and invents more of the rest: in 40 steps,
results are nearer to the truth than in 300. See docs/explanation/tasks.md."""

COLORIZE: Mapping[Preset, Invert] = {"default": _FEW_STEPS, "paper": _EQUATION_9}
UPSCALE: Mapping[Preset, Invert] = {"default": _FEW_STEPS, "paper": _EQUATION_9}
INPAINT: Mapping[Preset, Invert] = {
    # One subspace: with codes of their own, the subspaces of a hole drift apart, and nothing there corrects it.
    "default": replace(_FEW_STEPS, method=PmSFC(subspaces=1, codes=30)),
    "paper": _EQUATION_9,
}
EDIT: Mapping[Preset, Invert] = {
    # Codes that stay nearer to the generator's own reconstruct less and take a change of subspaces better.
    "default": Invert(optimization=Optimization(steps=60, lr=0.2)),
    "paper": INVERT["paper"],
}
"""How photos are inverted that are then swapped or interpolated."""


@dataclass(frozen=True)
class Training:
    """How to grow a PGGAN on a folder of images (Karras et al. 2018, arXiv:1710.10196).

    Attributes:
        resolution: Side of the images in pixels, a power of two.
        latent_dim: Length of z.
        base: Channels at resolution r are min(base / r, cap); the official networks have 16384 and 512.
        cap: See base.
        images: How many images the networks are shown in all, counting repetitions.
        phase_images: How many of them each resolution below the last one gets to fade in, and again to settle; 0
            starts at the last resolution.
        batch: Images per step.
        lr: Adam's learning rate of both networks, under equalised lr.
        loss: Of the adversaries.
        r1: γ, the weight of the R1 penalty (Mescheder et al. 2018) of the non-saturating loss.
        augmentation: What the discriminator sees is never augmented, always, or as often as it overfits.
        features: Weight of the discriminator heads on pretrained features (projected GAN); 0 switches them off.
        ema_images: After so many images a past state has half its weight in the averaged generator.
        flip: Show mirrored images too.
        gray: What becomes of gray images among the training images.
        evaluation_images: How many samples the Fréchet distance is measured with.
        evaluations: How often it is measured on the way.
        seed: Of everything random.
    """

    resolution: int = 64
    latent_dim: int = 128
    base: int = 2048
    cap: int = 128
    images: int = 400_000
    phase_images: int = 20_000
    batch: int = 16
    lr: float = 2e-3
    loss: AdversarialLoss = "non-saturating"
    r1: float = 1.0
    augmentation: Augmentation = "adaptive"
    features: float = 1.0
    ema_images: int = 10_000
    flip: bool = True
    gray: GrayImages = "keep"
    evaluation_images: int = 2000
    evaluations: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            UsageError: A resolution that is no power of two from 16 to 1024, a size below 1, or a rate that is not
                positive.
        """
        if self.resolution not in RESOLUTIONS:
            near = min(RESOLUTIONS, key=lambda side: abs(side - self.resolution))
            raise UsageError(
                f"resolution cannot be {self.resolution}",
                hint=f"a PGGAN doubles its size from 4 pixels on: choose {near}, or another power of two"
                f" from {RESOLUTIONS[0]} to {RESOLUTIONS[-1]}",
            )
        for name in ("latent_dim", "cap", "images", "ema_images", "evaluations"):
            at_least(name.replace("_", " "), getattr(self, name), 1)
        at_least("base", self.base, self.resolution)
        at_least("phase images", self.phase_images, 0)
        at_least("batch", self.batch, 2)
        at_least("evaluation images", self.evaluation_images, 2)
        require_seed(self.seed)
        _positive("lr", self.lr)
        _positive("r1", self.r1)
        if not 0 <= self.features <= 1e6:
            raise UsageError(f"features cannot be {self.features:g}", hint="choose 0 or a positive weight")
        if (self.loss, self.augmentation) == ("wgan-gp", "adaptive"):
            raise UsageError(
                "adaptive augmentation cannot follow wgan-gp, whose scores have no sign that means overfitting",
                hint="choose fixed or no augmentation, or the non-saturating loss",
            )


RESOLUTIONS = (16, 32, 64, 128, 256, 512, 1024)
"""Sides in pixels of the images that a generator can be trained for."""
