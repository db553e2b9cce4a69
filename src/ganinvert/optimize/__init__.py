"""The optimisation loop that all methods share, its steps, and the outcome of each image."""

from ganinvert.optimize.loop import solve as solve
from ganinvert.optimize.solution import POOR_PSNR as POOR_PSNR
from ganinvert.optimize.solution import Outcome as Outcome
from ganinvert.optimize.solution import Snapshot as Snapshot
from ganinvert.optimize.solution import Solution as Solution
from ganinvert.optimize.solution import Step as Step
