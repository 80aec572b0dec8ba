"""File names as people and JSON see them. Inside the package a path is bytes, since a name need not be text."""

from __future__ import annotations

import re
from typing import Protocol

_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\udc80-\udcff]")
"""Controls, direction marks and line separators (they can forge a line of output), and bytes that are not UTF-8."""


class PathLike(Protocol):
    """A path object, as `pathlib` has them."""

    def __fspath__(self) -> str:
        """The path as text."""
        ...


def display_path(path: bytes) -> str:
    r"""The path for messages and tables: one line, no terminal escapes, bytes that are not UTF-8 as ``\xNN``."""
    return _UNSAFE.sub(_escaped, path.decode("utf-8", "surrogateescape"))


def path_from_text(path: str | bytes | PathLike) -> bytes:
    """The path's bytes, from what the command line or a caller gave."""
    if isinstance(path, bytes):
        return path
    text = path if isinstance(path, str) else path.__fspath__()
    return text.encode("utf-8", "surrogateescape")


def path_fields(path: bytes) -> dict[str, str]:
    """The path in JSON: ``path`` as it is where it is UTF-8, otherwise for display and ``path_hex`` without loss."""
    try:
        return {"path": path.decode("utf-8")}
    except UnicodeDecodeError:
        return {"path": display_path(path), "path_hex": path.hex()}


def _escaped(match: re.Match[str]) -> str:
    code = ord(match.group())
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
