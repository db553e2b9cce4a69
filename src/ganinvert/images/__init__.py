"""Read, fit, mask, paste and write images: the only package that uses Pillow."""

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
    read_metadata,
    shrink_to_array,
    to_array,
    to_pil,
)
from ganinvert.images.placement import Fit, Placement, default_placement, fit, place
from ganinvert.images.sheets import encode_animation, grid

__all__ = [
    "Fit",
    "Picture",
    "Placement",
    "box_mask",
    "comparison",
    "default_placement",
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
    "read_metadata",
    "shrink_to_array",
    "to_array",
    "to_pil",
    "with_hole",
]
