"""By which way the database finds what a question needs: for measuring, and for tests that it stays a quick one."""

from __future__ import annotations

from collections.abc import Callable

from amogus_search.store.index import Index


def ways_of(index: Index, ask: Callable[[], object]) -> list[str]:
    """The steps of the plans of all statements that a question runs, in order, each once."""
    catalog = index._catalog
    statements: list[str] = []
    catalog.connection.set_trace_callback(statements.append)
    try:
        ask()
    finally:
        catalog.connection.set_trace_callback(None)
    selects = [sql for sql in dict.fromkeys(statements) if sql.lstrip().upper().startswith("SELECT")]
    steps = [row[3] for sql in selects for row in catalog.rows(f"EXPLAIN QUERY PLAN {sql}")]
    return list(dict.fromkeys(steps))
