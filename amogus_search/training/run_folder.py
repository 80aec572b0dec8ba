"""What the folders of training runs have in common: they belong to one set of settings, and keep a log."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from amogus_search.errors import AmogusError
from amogus_search.exports.folders import write_whole


def claim(folder: Path, identity: str, settings: Mapping[str, object]) -> None:
    """Make the folder that of a run with these settings, or find that it is.

    Args:
        folder: made if it is not there.
        identity: digest of all that changes the run's result.
        settings: written down for people.

    Raises:
        AmogusError: it belongs to a run with other settings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "run.json"
    if not path.exists():
        record = {"identity": identity} | {key: str(value) for key, value in settings.items()}
        write_whole(path, json.dumps(record, indent=1).encode())
    elif json.loads(path.read_text())["identity"] != identity:
        raise AmogusError(f"{folder} holds a training run with other settings", "name another OUT")


def append_row(path: Path, fields: Sequence[str], row: Sequence[float]) -> None:
    """One more row of a CSV file, which begins with the names of its columns."""
    fresh = not path.exists()
    with path.open("a", newline="") as file:
        csv.writer(file).writerows([fields, row] if fresh else [row])
