"""PNG files with longer texts than Pillow reads: a text says nothing about the pixels."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from typing import BinaryIO, TypeVar

T = TypeVar("T")

_SIGNATURE = 8  # bytes of a PNG file before its first chunk
_XMP = b"XML:com.adobe.xmp\0"  # may state the orientation


def whatever_its_texts(use: Callable[[BinaryIO], T], file: BinaryIO) -> T:
    """Use a picture file; if Pillow refuses it for the length of a text, use it again without its texts."""
    try:
        return use(file)
    except ValueError as error:
        if "MAX_TEXT" not in str(error):
            raise
    file.seek(0)
    content = file.read()
    return use(io.BytesIO(content[:_SIGNATURE] + b"".join(_chunks_of_pixels(content))))


def _chunks_of_pixels(content: bytes) -> Iterator[bytes]:
    at = _SIGNATURE
    while at + 8 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, at)
        chunk = content[at : at + length + 12]  # length, kind, data and checksum
        if kind not in (b"tEXt", b"zTXt", b"iTXt") or chunk[8:].startswith(_XMP):
            yield chunk
        at += len(chunk)
