"""Image files to pixel arrays and back: the only room that knows Pillow."""

from ganinvert.images.picture import Picture, comparison, encode_png, from_pil, read, to_pil
from ganinvert.images.placement import Fit, fit

__all__ = ["Fit", "Picture", "comparison", "encode_png", "fit", "from_pil", "read", "to_pil"]
