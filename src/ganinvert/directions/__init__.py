"""Directions of latent spaces: found without supervision, and codes moved along them."""

from ganinvert.directions.directions import Directions as Directions
from ganinvert.directions.directions import Shift as Shift
from ganinvert.directions.ganspace import ganspace as ganspace
from ganinvert.directions.sefa import sefa as sefa
from ganinvert.directions.store import find_directions as find_directions
