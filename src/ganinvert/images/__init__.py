"""Image files to pixel arrays and back: the only room that knows Pillow."""

from ganinvert.images.masks import box_mask, missing_where_transparent, read_mask, with_hole
from ganinvert.images.picture import Picture, comparison, encode_png, from_pil, read, shrunk, to_array, to_pil
from ganinvert.images.placement import Fit, Placement, fit, paste_back, paste_into_hole, place, square

__all__ = [
    "Fit",
    "Picture",
    "Placement",
    "box_mask",
    "comparison",
    "encode_png",
    "fit",
    "from_pil",
    "missing_where_transparent",
    "paste_back",
    "paste_into_hole",
    "place",
    "read",
    "read_mask",
    "shrunk",
    "square",
    "to_array",
    "to_pil",
    "with_hole",
]
