"""Image files to pixel arrays and back: the only room that knows Pillow."""

from ganinvert.images.masks import box_mask, missing_where_transparent, read_mask, with_hole
from ganinvert.images.pasting import paste_back, paste_into_hole
from ganinvert.images.picture import (
    Picture,
    comparison,
    difference,
    encode_png,
    encode_thumbnail,
    from_pil,
    read,
    read_text,
    shrunk,
    to_array,
    to_pil,
)
from ganinvert.images.placement import Fit, Placement, fit, place, square
from ganinvert.images.sheets import encode_animation, grid

__all__ = [
    "Fit",
    "Picture",
    "Placement",
    "box_mask",
    "comparison",
    "difference",
    "encode_animation",
    "encode_png",
    "encode_thumbnail",
    "fit",
    "from_pil",
    "grid",
    "missing_where_transparent",
    "paste_back",
    "paste_into_hole",
    "place",
    "read",
    "read_mask",
    "read_text",
    "shrunk",
    "square",
    "to_array",
    "to_pil",
    "with_hole",
]
