"""Settings of edits by strokes."""

from __future__ import annotations

from dataclasses import dataclass

from ganinvert.settings.common import at_least, not_negative, plain, positive


@dataclass(frozen=True)
class Strokes:
    """Settings of an edit by strokes.

    Attributes:
        steps: Number of optimisation steps.
        lr: Learning rate of the codes, in standard deviations of random codes.
        closeness: Weight of the distance of the codes to where they were; 0 lets them go anywhere.
    """

    steps: int = 60
    lr: float = 0.1
    closeness: float = 0.2

    def __post_init__(self) -> None:
        at_least("steps", self.steps, 1)
        positive("lr", self.lr)
        not_negative("closeness", self.closeness)

    @property
    def named(self) -> dict[str, object]:
        """The settings as bundles keep them."""
        return plain(self)
