"""Hostile files mixed with good photos: does each end as it should, and is every photo indexed as without them?"""

from __future__ import annotations

import csv
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from amogus_search.core.types import SKIP_REASONS
from amogus_search.errors import UsageError
from amogus_search.indexing import Choice, index_paths
from amogus_search.store.index import Index

MANIFEST = "MANIFEST.csv"
_NEEDED = {"file", "category", "expected", "gate"}


@dataclass(frozen=True)
class HostileFile:
    """One line of the manifest.

    expected: "decode", "skip:REASON", several with " or " between them, or words when `exact` is false
    exact:    it must end so; otherwise only the run must go on
    """

    path: Path
    category: str
    expected: str
    exact: bool

    def is_met_by(self, state: str) -> bool:
        """Whether it is decoded or skipped as it should be, for whatever reason."""
        return not self.exact or any(state == one or _is_skip(state, one) for one in self.expected.split(" or "))


@dataclass(frozen=True)
class HostileReport:
    """What became of all files.

    states:     of the hostile files: "decode" or "skip:REASON"; "" where there is none
    wrong:      those that did not end as they must, and those without a state
    other_word: skipped as they must be, by another reason word than the manifest's
    differing:  good photos whose findings or vectors are not those of a run without the hostile files
    """

    states: Mapping[HostileFile, str]
    photos: int
    differing: Sequence[str]
    scanned: int
    seconds: float
    wrong: Sequence[HostileFile] = field(default_factory=list)
    other_word: Sequence[HostileFile] = field(default_factory=list)

    def rows(self) -> list[dict[str, Any]]:
        """A line a category, and one for the photos."""
        rows: list[dict[str, Any]] = []
        for category in sorted({file.category for file in self.states}):
            files = [file for file in self.states if file.category == category]
            ends = Counter(self.states[file] for file in files)
            said = ", ".join(
                f"{count} {state.removeprefix('skip:') or 'nothing'}" for state, count in ends.most_common()
            )
            wrong = sum(file in self.wrong for file in files)
            words = sum(file in self.other_word for file in files)
            rows.append({"files": category, "tried": len(files), "wrong": wrong, "other_word": words, "ended": said})
        same = f"{self.photos - len(self.differing)} as without the hostile files"
        return [
            *rows,
            {
                "files": "good photos",
                "tried": self.photos,
                "wrong": len(self.differing),
                "other_word": 0,
                "ended": same,
            },
        ]


def read_manifest(folder: Path) -> list[HostileFile]:
    """The files that a folder's manifest lists, as this program's limits have them end.

    Raises:
        UsageError: there is no manifest, or it is none.
    """
    try:
        with open(folder / MANIFEST, encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except OSError as error:
        raise UsageError(
            f"{folder} has no {MANIFEST}", "a CSV with the columns file, category, expected, gate"
        ) from error
    if not rows or not set(rows[0]) >= _NEEDED:
        raise UsageError(f"{folder / MANIFEST} lacks columns", f"it needs {', '.join(sorted(_NEEDED))}")
    return [HostileFile(folder / row["file"], row["category"], _expected(row), row["gate"] == "exact") for row in rows]


def run(hostile: Sequence[HostileFile], photos: Sequence[Path], choice: Choice) -> HostileReport:
    """Index the photos alone, then one to one among the hostile files, and compare.

    The files are copied first, so that the order of their names mixes them, and nobody's folder is written to.
    """
    with tempfile.TemporaryDirectory(prefix="amogus-hostile-") as home:
        alone, mixed = Path(home) / "alone", Path(home) / "mixed"
        for folder in (alone, mixed):
            folder.mkdir()
        for number, photo in enumerate(photos):
            for folder in (alone, mixed):
                shutil.copyfile(photo, folder / f"{number:06}_photo")
        for number, file in enumerate(hostile):
            shutil.copyfile(file.path, mixed / f"{number * max(1, len(photos)) // len(hostile):06}_x{number:06}")
        index_paths([alone], Path(home) / "index-alone", choice)
        started = time.monotonic()
        report = index_paths([mixed], Path(home) / "index-mixed", choice)
        seconds = time.monotonic() - started
        with Index.open(Path(home) / "index-alone") as right, Index.open(Path(home) / "index-mixed") as found:
            states = _states(found, hostile)
            differing = [os.fsdecode(photos[number]) for number in _differing(right, found, len(photos))]
    assert report.scanned == report.indexed + report.unchanged + report.skipped
    wrong = [file for file, state in states.items() if not state or not file.is_met_by(state)]
    other = [f for f, state in states.items() if f.exact and f not in wrong and state not in f.expected.split(" or ")]
    return HostileReport(states, len(photos), differing, report.scanned, seconds, wrong, other)


def _expected(row: Mapping[str, str]) -> str:
    """What the manifest says; what only a lower limit of pixels than ours refuses may be decoded."""
    return "decode or skip:too_large" if row["expected"] == "skip:too_large" else row["expected"]


def _is_skip(state: str, expected: str) -> bool:
    return state.removeprefix("skip:") in SKIP_REASONS and expected.startswith("skip")


def _states(index: Index, hostile: Sequence[HostileFile]) -> dict[HostileFile, str]:
    known = {os.path.basename(path).split(b"_x")[-1]: file for path, file in index.known_files().items()}
    states: dict[HostileFile, str] = {}
    for number, file in enumerate(hostile):
        found = known.get(b"%06d" % number)
        states[file] = "" if found is None else f"skip:{found.reason}" if found.reason else "decode"
    return states


def _differing(right: Index, found: Index, count: int) -> list[int]:
    """Numbers of the photos that the second index does not have as the first one has."""
    ours, theirs = _answers(right), _answers(found)
    names = [b"%06d_photo" % number for number in range(count)]
    return [number for number, name in enumerate(names) if ours.get(name) != theirs.get(name)]


def _answers(index: Index) -> dict[bytes, object]:
    """Name -> why it was skipped, or everything that the models said of it, bit by bit."""
    table, vectors = index.vectors()
    by_content: dict[str, list[tuple[str, int, bytes]]] = {}
    for (kind, sha256, ordinal), vector in zip(table.itertuples(index=False), np.asarray(vectors), strict=True):
        by_content.setdefault(str(sha256), []).append((str(kind), int(ordinal), vector.tobytes()))
    contents = {file.sha256 for file in index.known_files().values() if file.sha256 and file.reason is None}
    findings = index.findings(contents)
    answers: dict[bytes, object] = {}
    for path, file in index.known_files().items():
        if file.reason is not None or file.sha256 is None:
            answers[os.path.basename(path)] = file.reason
            continue
        boxes = findings[file.sha256][0] if file.sha256 in findings else None
        said = None if boxes is None else (boxes.xyxy.tobytes(), boxes.confidence.tobytes(), boxes.keypoints.tobytes())
        answers[os.path.basename(path)] = (file.sha256, said, sorted(by_content.get(file.sha256, [])))
    return answers
