"""Inverting: the photo shows the wanted image itself."""

from __future__ import annotations

from dataclasses import dataclass

from ganinvert.settings.tasks.base import TaskOptions, Trial


@dataclass(frozen=True)
class InvertTrial(Trial):
    """The photo as it is."""

    def task(self) -> InvertTask:
        """Inversion."""
        return InvertTask()


@dataclass(frozen=True)
class InvertTask(TaskOptions):
    """The photo shows the wanted image itself."""

    name = "invert"
    help = """Invert photos: find codes from which the generator makes them again (PmSFC, or another --method).

    Writes NAME.invert.png and the bundle NAME.invert.pt, which holds everything to render the result again.
    What is up to date is skipped: to go on after a stop, give the same command again.

    Example: ganinvert invert face.jpg -R 6 -K 5
    """
    done = "inverted"
    implementation = "ganinvert.tasks.invert:Invert"
    trial = InvertTrial
    degrades = False
    refinable = True
