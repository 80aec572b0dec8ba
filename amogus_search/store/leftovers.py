"""What SQLite leaves beside a catalogue when the last who had it open could only read: an empty log, shared memory.

Nobody reads them again, so a flipped bit in them means nothing, and nobody could tell; an index at rest has none.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from amogus_search.store import held, seal


def clear(catalog: Path) -> None:
    """Have SQLite take them away, unless somebody has the catalogue open or a writer did not come to its end.

    A connection that could write is opened and closed: SQLite itself knows whether it is the last one. It finds nothing
    to be done, since a sealed catalogue with an empty log is whole.
    """
    memory = catalog.with_name(catalog.name + "-shm")
    if not memory.exists() or not seal.is_at_rest(catalog) or not _is_ours_to_write(catalog):
        return
    address = f"{catalog.absolute().as_uri()}?mode=rw"
    held.opened(catalog)
    try:
        with (
            suppress(sqlite3.Error, UnicodeDecodeError),  # of a damaged one, even the message may be no text
            closing(sqlite3.connect(address, uri=True, isolation_level=None, timeout=0.0)) as connection,
        ):
            connection.execute("PRAGMA query_only = ON")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
    finally:
        held.closed(catalog)


def _is_ours_to_write(catalog: Path) -> bool:
    return os.access(catalog, os.W_OK) and os.access(catalog.parent, os.W_OK)
