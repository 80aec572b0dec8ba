"""What our pages have in common: one file, nothing loaded from anywhere, nothing in it that was not put there.

Pictures are data URIs; style and script stand in the page and are named by hash in a strict content security policy.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from importlib import resources

from amogus_search.core.paths import display_path
from amogus_search.core.types import Pixels
from amogus_search.exports.pictures import encoded

LOSSLESS_PX = 96
"""Pictures up to this size are stored exactly: compression would smear pixel art, and they cost nothing."""


def template(package: str, name: str) -> str:
    """A text file in the folder `templates` of a package."""
    return (resources.files(package) / "templates" / name).read_text("utf-8")


def filled(text: str, values: Mapping[str, str]) -> str:
    """The template with its {{names}} replaced in one pass, so that a value with braces in it stays as it is."""
    parts = re.split(r"\{\{(\w+)\}\}", text)
    return "".join(values[part] if place % 2 else part for place, part in enumerate(parts))


def policy(style: str, script: str = "") -> str:
    """The content security policy of a page with this style and this script, and with pictures in data URIs."""
    rules = {
        "default-src": "'none'",
        "img-src": "data:",
        "style-src": f"'sha256-{_digest(style)}'",
        "script-src": f"'sha256-{_digest(script)}'" if script else "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def picture_uri(pixels: Pixels, quality: int = 80) -> str:
    """A picture as a data URI: WebP, or exact PNG for a small one."""
    if max(pixels.shape[:2]) <= LOSSLESS_PX:
        return _data_uri(encoded(pixels, "PNG", 0), "png")
    return _data_uri(encoded(pixels, "WEBP", quality), "webp")


def one_line(text: str) -> str:
    """Text without line breaks, controls and direction marks."""
    return display_path(text.encode("utf-8", "surrogateescape"))


def _data_uri(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
