"""Base of the settings of methods: facts about the method beside its hyper-parameters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from ganinvert.errors import UsageError
from ganinvert.settings.common import ADDED, Affinity

SUBSPACES = 6
"""Number of subspaces by default."""
LAYER = 3
"""Layer of PmSFC's features by default."""
AFFINITY: Affinity = "thresholded"
"""Comparison of channels by default."""


@dataclass(frozen=True)
class MethodSettings:
    """Hyper-parameters of a method; the fields of subclasses are kept in bundles.

    Attributes:
        title: Name of the method that these settings belong to when nothing else is said.
        implementation: Module and class of the method's code, which takes the settings.
        needs: Networks that the method needs beside the generator: "encoder", "discriminator".
        composes: True if the code takes the subspaces, too.
        optimized: False if the first code is the result.
        tunes_generator: True if the method tunes the generator itself, which takes one photo at a time.
        in_features: True if the method can work in F/W+, where features of a layer are variables, too.
        space: Latent space of the codes, as `--space` has it: "f" is F/W+, and "" the generator's native space.
    """

    title: ClassVar[str]
    implementation: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ()
    composes: ClassVar[bool] = False
    optimized: ClassVar[bool] = True
    tunes_generator: ClassVar[bool] = False
    in_features: ClassVar[bool] = False
    space: str = field(default="", kw_only=True, metadata=ADDED)

    def __post_init__(self) -> None:
        if self.space and not self.allows_space(self.space):
            raise UsageError(f"{self.title} cannot work in the space {self.space}", hint="choose another --space")

    @classmethod
    def allows_space(cls, space: str) -> bool:
        """True if the method can work in a space, if the generator has it."""
        return cls.optimized and (space != "f" or cls.in_features)

    @property
    def code_space(self) -> str:
        """Latent space of the codes in the generator, for F/W+ that of the styles; empty for the native one."""
        return "w+" if self.space == "f" else self.space

    def ignores(self, field: str) -> bool:
        """True if there is no such field, or the others make it meaningless."""
        return field not in vars(self)

    @property
    def single_image_only(self) -> bool:
        """True if photos cannot be optimised together."""
        return self.tunes_generator

    @property
    def networks(self) -> tuple[str, ...]:
        """Networks that the method cannot do without; an encoder, if a field `init` says that codes start from it."""
        return (*self.needs, *(("encoder",) if vars(self).get("init") == "encoder" else ()))

    @property
    def runs(self) -> int:
        """Number of times that the learning rate's schedule is gone through."""
        return 1

    @property
    def discovery_layer(self) -> int | None:
        """Layer whose subspaces must have been discovered; None if none need be."""
        return None

    @property
    def partition(self) -> tuple[int, Affinity]:
        """Number of the subspaces in which results are edited, and how channels are compared for them."""
        return SUBSPACES, AFFINITY

    def edit_layer(self, default: int, encoder: int) -> int:  # noqa: ARG002  (for encoders)
        """Layer at which results are edited: the generator's `default`, or that of its `encoder`'s features."""
        return default
