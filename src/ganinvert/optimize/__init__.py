"""The one optimisation loop, what it tells of its steps, and how it ended."""

from ganinvert.optimize.loop import solve
from ganinvert.optimize.records import POOR_PSNR, Outcome, Snapshot, Solution, Step

__all__ = ["POOR_PSNR", "Outcome", "Snapshot", "Solution", "Step", "solve"]
