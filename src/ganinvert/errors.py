"""All errors that ganinvert raises on purpose. A library user catches `GanInvertError`."""

from __future__ import annotations


class GanInvertError(Exception):
    """Base of all errors that ganinvert raises on purpose.

    Args:
        message: Description of the problem in one sentence without a full stop.
        hint: Advice to the user.

    Attributes:
        exit_code: Exit code of the command line.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message  # which may have been made more exact since


class UsageError(GanInvertError):
    """An option or argument has an invalid value."""

    exit_code = 2


class InputError(GanInvertError):
    """One input cannot be used, but other inputs may still be fine."""


class ImageError(InputError):
    """An image file is missing, unreadable or unusable."""


class BundleError(InputError):
    """A latent bundle is missing, damaged or from another program or generator."""


class InsufficientMemoryError(InputError):
    """The device has too little memory for a batch."""


class OutputError(GanInvertError):
    """A result cannot be written."""


class TrainingError(GanInvertError):
    """A training cannot continue; its last checkpoint is kept."""


class WeightsError(GanInvertError):
    """A file of a generator, network or subspaces is missing, damaged or of an unknown kind."""

    exit_code = 3


class MissingNetworkError(WeightsError):
    """A generator has no encoder or discriminator, although a method needs one."""
