"""Network files: catalogue, cache, download and formats. Names of `__init__.pyi` are loaded at their first use."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
