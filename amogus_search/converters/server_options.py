"""What a back end that asks a server may be told by `--backend-option`, read and checked."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from amogus_search.converters.server import Patience, Server
from amogus_search.errors import UsageError

_PATIENCE = tuple(field.name for field in fields(Patience))
OPTIONS = (*_PATIENCE, "auth_file")
"""Of every server's back end."""


def server_of(url: str, options: Mapping[str, str], missing: str) -> Server:
    """The server at a URL, with those of `OPTIONS` that are among the options.

    Raises:
        UsageError: a value cannot be used.
    """
    given = {name: _number(name, options[name]) for name in _PATIENCE if name in options}
    patience = replace(Patience(**given), retries=int(given.get("retries", Patience.retries)))  # type: ignore[arg-type]
    auth = ""
    if "auth_file" in options:
        auth = read_text("auth_file", options["auth_file"]).strip()
        if ":" not in auth or "\n" in auth:
            raise UsageError(f"{options['auth_file']} is not one line USER:PASSWORD", "")
    return Server(url, auth, patience, missing=missing)


def read_text(option: str, path: str) -> str:
    """The text of a file that an option names.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        words = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(f"{option}: {path} cannot be read: {words}", "") from None


def read_object(option: str, path: str) -> dict[str, Any]:
    """The JSON object in a file that an option names.

    Raises:
        UsageError: it cannot be read, or holds none.
    """
    try:
        values = json.loads(read_text(option, path))
    except ValueError as error:
        raise UsageError(f"{option}: {path} is no JSON: {error}", "") from None
    if not isinstance(values, dict):
        raise UsageError(f"{option}: {path} holds no JSON object", "")
    return values


def _number(name: str, value: str) -> float:
    least = 0 if name.startswith("retr") else 0.001
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not least <= number < 1e7 or (name == "retries" and number != int(number)):
        raise UsageError(f"{name}={value} cannot be used", f"a number of at least {least:g}")
    return number
