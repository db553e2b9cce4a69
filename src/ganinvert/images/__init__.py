"""Image files to pixel arrays and back: the only room that knows Pillow."""

from ganinvert.images.picture import Picture, comparison, from_pil, read, to_pil, write_png
from ganinvert.images.placement import Fit, fit

__all__ = ["Fit", "Picture", "comparison", "fit", "from_pil", "read", "to_pil", "write_png"]
