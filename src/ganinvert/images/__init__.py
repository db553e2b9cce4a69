"""Image files to pixel arrays and back: the only room that knows Pillow."""

from ganinvert.images.masks import box_mask, missing_where_transparent, read_mask, with_hole
from ganinvert.images.picture import Picture, comparison, encode_png, from_pil, read, to_array, to_pil
from ganinvert.images.placement import Fit, fit

__all__ = [
    "Fit",
    "Picture",
    "box_mask",
    "comparison",
    "encode_png",
    "fit",
    "from_pil",
    "missing_where_transparent",
    "read",
    "read_mask",
    "to_array",
    "to_pil",
    "with_hole",
]
