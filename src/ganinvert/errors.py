"""Every error that ganinvert raises on purpose.

::

    GanInvertError                 exit code
    ├── UsageError                     2      an option or argument that cannot be
    ├── InputError                     1      one input that cannot be used
    │   ├── ImageError                        … an image file
    │   ├── BundleError                       … a latent bundle
    │   └── InsufficientMemoryError           … because it does not fit into memory
    ├── OutputError                    1      a result that cannot be written
    ├── TrainingError                  1      a training that cannot go on
    └── WeightsError                   3      a generator, mask or network file that is missing or wrong
        └── MissingNetworkError               … an encoder or discriminator that a generator never had

Each carries what happened (`message`), what to do about it (`hint`) and the exit code of the
command line. A library user catches `GanInvertError`.
"""

from __future__ import annotations


class GanInvertError(Exception):
    """Base of all errors that ganinvert raises on purpose.

    Args:
        message: What is wrong, in one sentence without a full stop.
        hint: What the user can do about it.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(GanInvertError):
    """An option or argument has a value that cannot be."""

    exit_code = 2


class InputError(GanInvertError):
    """One input cannot be used; other inputs may still be fine."""


class ImageError(InputError):
    """An image file is missing, unreadable or unusable."""


class BundleError(InputError):
    """A latent bundle is missing, damaged or from something else."""


class InsufficientMemoryError(InputError):
    """The device has not enough memory for so many images together."""


class OutputError(GanInvertError):
    """A result cannot be written."""


class TrainingError(GanInvertError):
    """A training cannot go on; what was saved before is kept."""


class WeightsError(GanInvertError):
    """A generator, mask or network file is missing, damaged or of an unknown kind."""

    exit_code = 3


class MissingNetworkError(WeightsError):
    """A generator has no encoder, or no discriminator; what it has is not damaged."""
