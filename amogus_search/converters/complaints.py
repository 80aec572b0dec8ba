"""What servers say is wrong, made into one line that can be shown."""

from __future__ import annotations

import json
from typing import Any

_SAID = 300


def complaint(content: bytes) -> str:
    """What a server says is wrong, in a line; empty if nothing."""
    try:
        values = json.loads(content)
    except ValueError:
        text = content[: 4 * _SAID].decode("utf-8", "replace")
        return "" if text.lstrip().startswith("<") else printable(text)
    return printable("; ".join(dict.fromkeys(_words(values))))


def printable(text: str) -> str:
    """The text on one line, without controls, and not too long."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= _SAID else f"{line[:_SAID]}..."


def _words(values: Any) -> list[str]:
    """Sentences in an error's JSON: A1111's, FastAPI's and ComfyUI's keys, at any depth."""
    if isinstance(values, str):
        return [values] if values else []
    if isinstance(values, list):
        return [word for value in values for word in _words(value)]
    if not isinstance(values, dict):
        return []
    keys = ("error", "message", "msg", "detail", "details", "errors", "exception_message", "node_errors")
    known = [values[key] for key in keys if key in values]
    # Of ComfyUI's node_errors the keys are node numbers.
    known += [value for key, value in values.items() if str(key).isdecimal()]
    return [word for value in known for word in _words(value)]
