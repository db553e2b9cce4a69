"""The one optimisation loop, what it tells of its steps, and how it ended."""

from ganinvert.optimize.loop import Stage, solve
from ganinvert.optimize.solution import POOR_PSNR, Outcome, Snapshot, Solution, Step

__all__ = ["POOR_PSNR", "Outcome", "Snapshot", "Solution", "Stage", "Step", "solve"]
