"""ganinvert: put real photos into a pretrained GAN.

The public names are listed in `__init__.pyi` and loaded at their first use: importing ganinvert does not import torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__version__ = "1.0.0rc1"
