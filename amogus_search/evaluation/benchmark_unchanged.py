"""Nothing to do: what `amogus index` costs over files that are all in the index already, stage by stage.

The files are real ones on the disk, and their rows are written by the index' own `write` from their own stats, as if
the models of the command line had looked at them; only the models' answers are made up. What is measured is the
program itself, from its start to its end.
"""

from __future__ import annotations

import binascii
import hashlib
import json
import os
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from amogus_search.core.types import Detections, FileEntry, ImageFindings, Vectors
from amogus_search.errors import AmogusError
from amogus_search.evaluation.stage_clock import STAGES
from amogus_search.finder import Finder
from amogus_search.indexing import identity_of
from amogus_search.ports import Embedder
from amogus_search.settings import DEFAULT_PROFILE
from amogus_search.sources.decode import file_stat
from amogus_search.store.index import Index

_A_FOLDER = 1000
_BATCH = 1000
_START = "import sys; from amogus_search.evaluation.stage_clock import main; sys.exit(main())"
_PLAIN = "import sys; from amogus_search.cli.main import main; sys.exit(main())"
Told = Callable[[str, int, int], object]


@dataclass(frozen=True)
class Made:
    """A folder of pictures and the index that knows them."""

    photos: Path
    index: Path


def make(
    place: Path,
    files: int,
    finder: Finder,
    embedder: Embedder,
    *,
    seed: int = 0,
    told: Told = lambda stage, done, total: None,
) -> Made:
    """Write tiny pictures in folders of a thousand, and an index with one finding in each.

    Args:
        place: an empty folder.
        files: how many.
        finder, embedder: whose index it is; neither looks at anything.
        seed: of the findings and vectors.
        told: is told how far it is.
    """
    made = Made(place / "photos", place / "index")
    identity = identity_of(finder, embedder, DEFAULT_PROFILE)
    motif, calibration = finder.detector.motif, finder.calibration
    random = np.random.default_rng(seed)
    with Index.open(made.index, "w", create=True, identity=identity, motif=motif) as index:
        index.rescore(calibration.id if calibration else None, calibration.score if calibration else None)
        for start in range(0, files, _BATCH):
            entries = list(_written(made.photos, range(start, min(start + _BATCH, files))))
            vectors = _vectors(random, 2 * len(entries), embedder.dimension)
            pairs = zip(entries, vectors.reshape(len(entries), 2, -1), strict=True)
            nothing = (motif.keypoint_names, motif.evidence_names)
            index.write(added=[_findings(entry, digest, pair, nothing) for (entry, digest), pair in pairs])
            told("writing pictures", start + len(entries), files)
        index.publish()
    return made


def run(made: Made, files: int, repeats: int) -> list[dict[str, Any]]:
    """One row a stage, with the median seconds of the runs and its share; the last is the whole program without clocks.

    Args:
        made: what `make` gave.
        files: how many files are unchanged; anything else is an error.
        repeats: runs with clocks, each followed by one without.
    """
    staged: list[dict[str, float]] = []
    whole: list[float] = []
    for _ in range(repeats):
        staged.append(_with_clocks(made, files))
        whole.append(_once(_PLAIN, [], made, files)[0])
    together = median(sum(stages.values()) for stages in staged)
    rows = []
    for stage in staged[0]:
        seconds = median(stages[stage] for stages in staged)
        rows.append({"stage": stage, "seconds": round(seconds, 3), "share": round(seconds / together, 3)})
    return [*rows, {"stage": "whole program", "seconds": round(median(whole), 3), "share": 1.0}]


def _with_clocks(made: Made, files: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        notes = Path(folder) / "seconds.json"
        seconds, launched, ended = _once(_START, [str(notes)], made, files)
        found = json.loads(notes.read_bytes())
    parts: dict[str, float] = {stage: found["stages"][stage] for stage in STAGES}
    start, leaving = found["begun"] - launched, ended - found["ended"]
    rest = seconds - start - leaving - sum(parts.values())
    return {"start-up": start, **parts, "rest": rest, "exit": leaving}


def _once(code: str, words: Sequence[str], made: Made, files: int) -> tuple[float, float, float]:
    """Seconds, and when the process was launched and gone on the system's monotonic clock."""
    command = [sys.executable, "-c", code, *words, "index", str(made.photos), "--index", str(made.index), "--quiet"]
    package = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
    launched = time.monotonic()
    done = subprocess.run(
        [*command, "--format", "json"],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    ended = time.monotonic()
    if done.returncode != 0 or json.loads(done.stdout)["unchanged"] != files:
        raise AmogusError(f"the measured run went wrong: {done.stdout}{done.stderr}", "run `amogus doctor`")
    return ended - launched, launched, ended


def _written(photos: Path, numbers: range) -> Iterator[tuple[FileEntry, str]]:
    """A valid PNG of one pixel for each number, unlike any other."""
    for number in numbers:
        folder = photos / f"{number // _A_FOLDER:05d}"
        folder.mkdir(parents=True, exist_ok=True)
        content = tiny_png(number)
        path = os.fsencode(folder / f"{number:08d}.png")
        with open(path, "wb") as file:
            file.write(content)
        yield FileEntry(path, os.fsencode(photos), file_stat(os.lstat(path))), hashlib.sha256(content).hexdigest()


def tiny_png(number: int) -> bytes:
    """A valid PNG of one pixel that says its number in a comment."""
    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixel = zlib.compress(bytes([0, number >> 16 & 255, number >> 8 & 255, number & 255]))
    chunks = (b"IHDR", header), (b"tEXt", b"Comment\0%d" % number), (b"IDAT", pixel), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", binascii.crc32(kind + data))
        for kind, data in chunks
    )


def _vectors(random: np.random.Generator, count: int, dimension: int) -> Vectors:
    raw = random.standard_normal((count, dimension), np.float32)
    return np.asarray(raw / np.linalg.norm(raw, axis=1, keepdims=True), np.float32)


def _findings(
    entry: FileEntry, sha256: str, vectors: Vectors, names: tuple[tuple[str, ...], tuple[str, ...]]
) -> ImageFindings:
    found = Detections.make([[0, 0, 1, 1]], [0.1], keypoint_names=names[0])
    found = found.with_evidence(np.full((1, len(names[1])), 0.1), names[1])
    return ImageFindings(entry, sha256, "PNG", (1, 1), found, vectors[0], vectors[1:])
