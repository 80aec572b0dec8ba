"""One comparison of a `--where` expression as SQL: what each kind of column takes, and how it is compared.

Everything the user typed becomes a parameter. A value that does not fit raises `ValueError` with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

Value: TypeAlias = str | float | int | bytes
Compared: TypeAlias = tuple[str, tuple[Value, ...]]
Kind: TypeAlias = Literal["text", "number", "bytes", "path", "folder", "time", "suffix"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column that an expression may name.

    sql:  what stands for it in the query; written by us, never by the user
    kind: what it holds and how it is compared:
        text, number  as they are
        bytes         a number of bytes, compared with 2000, 2kB, 2MB, 2GiB
        path          a BLOB with a file's absolute path
        folder        the same; = is any folder above the file, named absolutely or by its last names
        time          nanoseconds since the epoch, compared with a year, month, day, minute or second as a whole
        suffix        text, of which the end after a dot is compared, in any case
    """

    sql: str
    kind: Kind

    @property
    def is_text(self) -> bool:
        """Whether `like` makes sense of it."""
        return self.kind in ("text", "path", "folder")


def compare(column: Column, operator: str, text: str) -> Compared:
    """SQL with `?` for a column, one of = != < <= > >= like, and the value as it was typed.

    Raises:
        ValueError: the operator or the value does not fit the column.
    """
    if operator == "like":
        if not column.is_text:
            what = "an extension" if column.kind == "suffix" else "numbers"
            raise ValueError(f"'like' compares text, and this column holds {what}")
        return _like(column, text)
    return _COMPARISONS[column.kind](column.sql, operator, text)


def _like(column: Column, pattern: str) -> Compared:
    text = {"path": f"CAST({column.sql} AS TEXT)", "folder": f"CAST({column.sql} AS TEXT)"}.get(column.kind, column.sql)
    if column.kind == "folder":  # the text up to its last slash
        text = f"rtrim({text}, replace({text}, '/', ''))"
        pattern = pattern if pattern.endswith(("/", "%")) else f"{pattern}/"
    mark, value = _text(pattern)
    return f"{text} LIKE {mark} ESCAPE '\\'", (value,)


def _text(text: str) -> tuple[str, Value]:
    """A placeholder and its value; text with bytes that are not UTF-8 goes in as bytes."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return "CAST(? AS TEXT)", _bytes(text)
    return "?", text


def _bytes(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise ValueError("this is no text") from None


def _as_text(sql: str, operator: str, text: str) -> Compared:
    mark, value = _text(text)
    return f"{sql} {operator} {mark}", (value,)


def _as_number(sql: str, operator: str, text: str) -> Compared:
    return f"{sql} {operator} ?", (_number(text),)


def _number(text: str) -> Value:
    try:
        number = float(text)
    except ValueError:
        raise ValueError("expected a number") from None
    if number != number or number in (float("inf"), float("-inf")):
        raise ValueError("expected a finite number")
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


_SIZE = re.compile(r"(?P<number>[^a-z]*)(?P<unit>(?:[kmgt]i?)?b?)", re.IGNORECASE)


def _as_size(sql: str, operator: str, text: str) -> Compared:
    match = _SIZE.fullmatch(text)
    if match is None or not match["unit"]:
        return _as_number(sql, operator, text)
    unit = match["unit"].lower()
    base = 1024 if "i" in unit else 1000
    number = float(_number(match["number"])) * base ** (" kmgt".index(unit[0]) if unit[0] in "kmgt" else 0)
    return f"{sql} {operator} ?", (int(number) if abs(number) < 2**53 else number,)


def _as_path(sql: str, operator: str, text: str) -> Compared:
    return f"{sql} {operator} ?", (_bytes(text),)


def _as_folder(sql: str, operator: str, text: str) -> Compared:
    if operator not in ("=", "!="):
        raise ValueError("a folder is compared with =, != or like")
    names = [name for name in text.split("/") if name not in ("", ".")]
    if ".." in names or not (names or text.startswith("/")):
        raise ValueError("expected a folder's absolute path, or its name")
    inner = "/".join(names)
    if text.startswith("/"):  # a range, so that the database goes there directly; "0" comes right after "/"
        start = f"/{inner}" if inner else ""
        found: Compared = (f"({sql} >= ? AND {sql} < ?)", (_bytes(f"{start}/"), _bytes(f"{start}0")))
    else:
        found = f"instr({sql}, ?) > 0", (_bytes(f"/{inner}/"),)
    return found if operator == "=" else (f"NOT ({found[0]})", found[1])


def _as_suffix(sql: str, operator: str, text: str) -> Compared:
    if operator not in ("=", "!="):
        raise ValueError("an extension is compared with = or !=")
    ending = text.removeprefix(".")
    if not ending or "/" in ending:
        raise ValueError("expected an extension, like jpg")
    mark, value = _text("%." + re.sub(r"([\\%_])", r"\\\1", ending))
    return f"{sql} {'NOT ' if operator == '!=' else ''}LIKE {mark} ESCAPE '\\'", (value,)


_TIME = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d)"
    r"(?:[T ](?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d))?(?P<zone>Z|[+-]\d\d:\d\d)?)?)?)?"
)
_FARTHEST = 2**63 - 1


def _as_time(sql: str, operator: str, text: str) -> Compared:
    start, end = _span(text)
    if operator in ("=", "!="):
        inside = f"({sql} >= ? AND {sql} < ?)"
        return (inside if operator == "=" else f"NOT {inside}"), (start, end)
    sharp, bound = {"<": ("<", start), "<=": ("<", end), ">": (">=", end), ">=": (">=", start)}[operator]
    return f"{sql} {sharp} ?", (bound,)


def _span(text: str) -> tuple[int, int]:
    """From the first nanosecond of what is named to the first after it; in local time unless it has a zone."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError("expected a date: 2026, 2026-05, 2026-05-31 or '2026-05-31 18:30'")
    parts = {name: int(value) for name, value in match.groupdict().items() if value and name != "zone"}
    try:
        month, day, hour = parts.get("month", 1), parts.get("day", 1), parts.get("hour", 0)
        start = datetime(parts["year"], month, day, hour, parts.get("minute", 0), parts.get("second", 0))
        return _nanoseconds(start, match["zone"]), _nanoseconds(_next(start, len(parts)), match["zone"])
    except (ValueError, OverflowError) as error:
        raise ValueError(f"there is no such date ({error})") from None


def _next(start: datetime, precision: int) -> datetime:
    """The beginning of the following year (precision 1), month, day, minute (5) or second."""
    if precision == 1:
        return start.replace(year=start.year + 1)
    if precision == 2:
        return (start + timedelta(days=31)).replace(day=1)
    step = {3: timedelta(days=1), 5: timedelta(minutes=1), 6: timedelta(seconds=1)}[precision]
    return start + step


def _nanoseconds(moment: datetime, zone: str | None) -> int:
    if zone:
        moment = datetime.fromisoformat(f"{moment.isoformat()}{zone.replace('Z', '+00:00')}")
    return max(min(round(moment.timestamp()) * 10**9, _FARTHEST), -_FARTHEST)


_COMPARISONS: Mapping[Kind, Callable[[str, str, str], Compared]] = {
    "text": _as_text,
    "number": _as_number,
    "bytes": _as_size,
    "path": _as_path,
    "folder": _as_folder,
    "time": _as_time,
    "suffix": _as_suffix,
}
