"""The optimisation loop that all methods share, its steps, and the outcome of each image."""

from ganinvert.optimize.loop import FineTuningStage, solve
from ganinvert.optimize.solution import POOR_PSNR, Outcome, Snapshot, Solution, Step

__all__ = ["POOR_PSNR", "FineTuningStage", "Outcome", "Snapshot", "Solution", "Step", "solve"]
