"""Identities that come from content, never from counters or clocks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping


def crop_id(sha256: str, box_xyxy: Iterable[float]) -> str:
    """A stable 16-digit hex id of one finding: the same picture and box give the same id anywhere.

    The box is rounded to whole pixels first, so that float noise between machines does not matter.
    """
    corners = ",".join(str(round(float(value))) for value in box_xyxy)
    return hashlib.blake2b(f"{sha256}:{corners}".encode(), digest_size=8).hexdigest()


def fingerprint(parts: Mapping[str, object]) -> str:
    """A 16-digit hex digest of named JSON values; the order of the names does not matter."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


_FORMS: dict[type, bytes] = {kind: f"{kind.__name__}:%d:%b".encode() for kind in (bytes, int, str, float, bool)}
_NONE = b"NoneType:4:None"


def row_checksum(values: Iterable[object]) -> bytes:
    """An 8-byte digest of a database row; None, int, float, str and bytes are told apart."""
    parts: list[bytes] = []
    for value in values:
        if value is None:
            parts.append(_NONE)
            continue
        kind = type(value)
        raw = value if isinstance(value, bytes) else repr(value).encode()
        # Asked for some hundred thousand rows at a time, so the usual types have their forms ready.
        parts.append((_FORMS.get(kind) or f"{kind.__name__}:%d:%b".encode()) % (len(raw), raw))
    return hashlib.blake2b(b"".join(parts), digest_size=8).digest()
