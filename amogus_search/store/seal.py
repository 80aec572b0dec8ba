"""A digest of the whole catalogue while nobody writes it: finds flipped bits where no row's checksum looks.

SQLite has bytes of its own between the rows, and some that mean nothing. The seal is broken, durably, before a writer
may change anything, and put on when it closes the file; a killed writer leaves none, and then only rows are checked.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from amogus_search.store import digests, durable

SUFFIX = ".seal"
_LONGEST = 4096


@dataclass(frozen=True)
class Seal:
    """What a catalogue was when it was closed: its sha256, and what it looked like (`digests.looks`)."""

    sha256: str
    looks: tuple[int, ...]


def break_open(catalog: Path) -> Seal | None:
    """Take the seal off before writing; what it said, if the file still looks like that.

    Raises:
        OSError: it cannot be taken off, so nothing may be written.
    """
    path = _path(catalog)
    if not path.exists():
        return None
    seal = _read(path)
    path.unlink()
    durable.sync(path.parent)
    return seal if seal is not None and list(seal.looks) == digests.looks(catalog) else None


def put_on(catalog: Path, before: Seal | None) -> None:
    """Seal a catalogue that was closed; not one whose log could not be worked in, since a reader has it open.

    Args:
        catalog: the file.
        before: what `break_open` gave; spares reading a file that has not changed.
    """
    with suppress(OSError):  # a full disk: the rows have their checksums
        if not catalog.exists() or _has_log(catalog):
            return
        looks = digests.looks(catalog)
        same = before is not None and list(before.looks) == looks
        sha256 = before.sha256 if same and before is not None else digests.digest_of_catalog(catalog)
        if looks is None or sha256 is None or digests.looks(catalog) != looks:
            return
        text = _text(sha256, looks)
        durable.write(_path(catalog), lambda part: durable.put_bytes(part, text))


def text_of_broken(catalog: Path) -> bytes | None:
    """The seal of a catalogue that is not as it was sealed (see `is_broken`), to be put back; None: it is whole."""
    with suppress(FileNotFoundError):
        text = _content(_path(catalog))
        return text if is_broken(catalog) else None
    return None


def put_back(catalog: Path, text: bytes) -> None:
    """Put the seal of a damaged catalogue back, so that the next one sees it too."""
    with suppress(OSError):
        durable.write(_path(catalog), lambda part: durable.put_bytes(part, text))


def problems(catalog: Path) -> list[str]:
    """What is wrong with a sealed catalogue, a line each; nothing can be said of one without a seal."""
    path = _path(catalog)
    with suppress(FileNotFoundError):
        before = _content(path)
        seal = _read(path)
        is_whole = seal is not None and digests.digest_of_catalog(catalog) == seal.sha256
        if is_whole and not _has_log(catalog):
            return []
        if _content(path) == before:  # else a writer came in between
            return [f"{catalog.name}, its seal or its log is not as it was when it was closed"]
    return []


def is_broken(catalog: Path) -> bool:
    """Whether a sealed catalogue is not as it was when it was closed; asked before its rows are believed.

    A row has its checksum, but which rows there are is said by pages of SQLite's own. A large file that looks as it did
    when it was sealed, or when it was last found whole, is not read again.
    """
    path = _path(catalog)
    try:
        before, looks = _content(path), digests.looks(catalog)
        seal = _parsed(before)
        if seal is None or looks is None or _has_log(catalog):
            return False
        if (looks == list(seal.looks) and looks[0] > digests.ALWAYS_HASHED) or digests.is_noted(catalog, seal.sha256):
            return False
        if digests.digest_of_catalog(catalog) == seal.sha256:
            digests.note(catalog, seal.sha256, looks)
            return False
        # Else a writer may have come in between.
        return _content(path) == before and digests.looks(catalog) == looks and not _has_log(catalog)
    except FileNotFoundError:
        return False


def is_at_rest(catalog: Path) -> bool:
    """Whether it was sealed, and nothing was written since."""
    return _path(catalog).exists() and not _has_log(catalog)


def _path(catalog: Path) -> Path:
    return catalog.with_name(catalog.name + SUFFIX)


def _has_log(catalog: Path) -> bool:
    with suppress(FileNotFoundError):
        return catalog.with_name(catalog.name + "-wal").stat().st_size > 0
    return False


def _text(sha256: str, looks: list[int]) -> bytes:
    """The file's content, sealed itself."""
    said = {"sha256": sha256, "looks": looks}
    own = hashlib.sha256(json.dumps(said).encode()).hexdigest()
    return json.dumps({**said, "own": own}).encode()


def _content(path: Path) -> bytes:
    """What is in the file of a seal; nothing where it is something else than a file."""
    try:
        return digests.content(path)[:_LONGEST]
    except FileNotFoundError:
        raise
    except OSError:
        return b""


def _read(path: Path) -> Seal | None:
    with suppress(FileNotFoundError):
        return _parsed(_content(path))
    return None


def _parsed(text: bytes) -> Seal | None:
    try:
        stored = json.loads(text)
        seal = Seal(str(stored["sha256"]), tuple(int(value) for value in stored["looks"]))
        return seal if _text(seal.sha256, list(seal.looks)) == text else None
    except (ValueError, TypeError, KeyError):
        return None
