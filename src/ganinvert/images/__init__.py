"""Image files to pixel arrays and back: the only room that knows Pillow."""

from ganinvert.images.picture import Picture, comparison, encode_png, from_pil, read, to_pil
from ganinvert.images.placement import Fit, Placement, fit, paste_back, place, square

__all__ = [
    "Fit",
    "Picture",
    "Placement",
    "comparison",
    "encode_png",
    "fit",
    "from_pil",
    "paste_back",
    "place",
    "read",
    "square",
    "to_pil",
]
