"""Sessions, tasks and their results. The functions for one photo are in `api`."""

from ganinvert.tasks.base import PreparedImage as PreparedImage
from ganinvert.tasks.directions import edit as edit
from ganinvert.tasks.directions import edit_sheet as edit_sheet
from ganinvert.tasks.discovery import DiscoveredSubspaces as DiscoveredSubspaces
from ganinvert.tasks.discovery import discover as discover
from ganinvert.tasks.editing import Edit as Edit
from ganinvert.tasks.editing import interpolate as interpolate
from ganinvert.tasks.editing import render as render
from ganinvert.tasks.editing import swap as swap
from ganinvert.tasks.editing import swap_grid as swap_grid
from ganinvert.tasks.inpaint import holed as holed
from ganinvert.tasks.results import Inversion as Inversion
from ganinvert.tasks.session import Inverter as Inverter
from ganinvert.tasks.strokes import edit_strokes as edit_strokes
from ganinvert.tasks.strokes import film as film
from ganinvert.tasks.transfer import carry_over as carry_over
from ganinvert.tasks.transfer import transfer_edit as transfer_edit
