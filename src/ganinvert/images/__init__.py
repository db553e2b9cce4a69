"""Read, fit, mask, paste and write images: the only package that uses Pillow."""

from ganinvert.images.masks import box_mask as box_mask
from ganinvert.images.masks import missing_where_transparent as missing_where_transparent
from ganinvert.images.masks import read_mask as read_mask
from ganinvert.images.masks import with_hole as with_hole
from ganinvert.images.pasting import paste_back as paste_back
from ganinvert.images.pasting import paste_into_hole as paste_into_hole
from ganinvert.images.picture import Picture as Picture
from ganinvert.images.picture import comparison as comparison
from ganinvert.images.picture import difference as difference
from ganinvert.images.picture import encode_png as encode_png
from ganinvert.images.picture import encode_thumbnail as encode_thumbnail
from ganinvert.images.picture import from_pil as from_pil
from ganinvert.images.picture import read as read
from ganinvert.images.picture import read_metadata as read_metadata
from ganinvert.images.picture import shrink_to_array as shrink_to_array
from ganinvert.images.picture import to_array as to_array
from ganinvert.images.picture import to_pil as to_pil
from ganinvert.images.placement import Fit as Fit
from ganinvert.images.placement import Placement as Placement
from ganinvert.images.placement import default_placement as default_placement
from ganinvert.images.placement import fit as fit
from ganinvert.images.placement import place as place
from ganinvert.images.sheets import encode_animation as encode_animation
from ganinvert.images.sheets import grid as grid
from ganinvert.images.strokes import read_strokes as read_strokes
