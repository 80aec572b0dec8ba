"""An index of made content, filled past the models: as large as wanted, and as the catalogue would be.

Rows are those that indexing writes, with their checksums; only durability is left out, since it can be made again.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from amogus_search.core.ids import crop_id
from amogus_search.core.motif import Motif
from amogus_search.core.ranking import WHOLE_IMAGE
from amogus_search.core.types import FindingScores, Vectors
from amogus_search.errors import UsageError
from amogus_search.store import rows, seal
from amogus_search.store.catalog import CATALOG_NAME, Catalog
from amogus_search.store.index import Index

FINDINGS = 9
"""Findings a picture; with the whole picture, ten regions."""
REGIONS = FINDINGS + 1
_PICTURES = 1000
_MOTIF = Motif("made", ("top", "foot"), (0, 1), {"lid": ("top",)}, {"red": (340.0, 20.0)})
_SIZE = (1600, 1200)
_MADE = "made-index"


def make_index(folder: Path, embedder: str = "none", fingerprint: str | None = None) -> None:
    """An empty index whose identity names an embedder; replaces one that was made before.

    Raises:
        UsageError: there is something else in the folder.
    """
    if folder.exists() and any(folder.iterdir()):
        if not (folder / _MADE).exists():
            raise UsageError(f"{folder} is not empty", "name a folder that does not exist yet")
        shutil.rmtree(folder)
    identity = {"detector": "made", "embedder": embedder, "embedder_fingerprint": fingerprint}
    with Index.open(folder, "w", create=True, identity=identity, motif=_MOTIF):
        (folder / _MADE).touch()


def fill(folder: Path, chunks: Iterable[Vectors] | None, regions: int, *, seed: int = 0) -> None:
    """Put pictures of nine findings each into an index that `make_index` made.

    Args:
        folder: the index.
        chunks: (n, d) unit vectors; the region in row i gets the id i + 1. None: without vectors.
        regions: how many there are, whole pictures among them.
        seed: of boxes and scores.
    """
    seal.break_open(folder / CATALOG_NAME)
    catalog = Catalog(folder / CATALOG_NAME, write=True)
    try:
        with _quickly(catalog):
            vectors = _blobs(chunks) if chunks is not None else None
            for start in range(0, -(-regions // REGIONS), _PICTURES):
                count = min(_PICTURES, -(-regions // REGIONS) - start)
                with catalog.transaction():
                    _put(catalog, range(start, start + count), np.random.default_rng([seed, start]), vectors)
    finally:
        catalog.close()


@contextmanager
def _quickly(catalog: Catalog) -> Iterator[None]:
    """Indexes that can be are made afterwards, in one sort each."""
    for setting in ("synchronous = OFF", "cache_size = -500000"):
        catalog.run(f"PRAGMA {setting}")
    made = catalog.rows("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY name")
    for name, _ in made:
        catalog.run(f"DROP INDEX {name}")
    yield
    for _, sql in made:
        catalog.run(sql)
    catalog.run("PRAGMA wal_checkpoint(TRUNCATE)")


def _blobs(chunks: Iterable[Vectors]) -> Iterator[bytes]:
    for chunk in chunks:
        for row in chunk.astype("<f2"):
            yield row.tobytes()


def _put(catalog: Catalog, pictures: range, random: np.random.Generator, vectors: Iterator[bytes] | None) -> None:
    """The rows of some pictures, a call a table."""
    digests = [hashlib.sha256(b"made %d" % number).hexdigest() for number in pictures]
    tables: dict[str, list[rows.Row]] = {
        "contents": [(key, *_SIZE, "JPEG", FINDINGS, REGIONS if vectors else 0) for key in digests],
        "files": [_file(number, key) for number, key in zip(pictures, digests, strict=True)],
        "detections": _detections(digests, random),
        "scores": _scores(range(pictures.start * FINDINGS + 1, pictures.stop * FINDINGS + 1), random),
    }
    if vectors is not None:
        places = [("image", WHOLE_IMAGE), *(("detection", ordinal) for ordinal in range(FINDINGS))]
        regions = ((kind, key, ordinal) for key in digests for kind, ordinal in places)
        tables["vectors"] = [(*region, blob) for region, blob in zip(regions, vectors, strict=False)]
        catalog.set_meta("dimension", len(tables["vectors"][0][3]) // 2)
    for name, values in tables.items():
        catalog.run_many(rows.insert(name), [rows.sealed(value) for value in values])
    catalog.set_meta("calibration_id", "made")


def _file(number: int, sha256: str) -> rows.Row:
    path = b"/made/%05d/%09d.jpg" % (number // 1000, number)
    return (path, b"/made", 1, number + 1, 100_000 + number, 1, 1, sha256, "indexed", None, None, None)


def _detections(digests: Sequence[str], random: np.random.Generator) -> list[rows.Row]:
    """Nine findings a picture, most confident first, most of them hardly amogi."""
    count = len(digests) * FINDINGS
    corners = random.integers(0, 1000, (count, 2))
    boxes = np.concatenate([corners, corners + random.integers(10, 200, (count, 2))], axis=1).astype(np.float64)
    raw = np.sort(random.beta(0.4, 3.0, (len(digests), FINDINGS)), axis=1)[:, ::-1].clip(0.1, 0.999)
    confidence = raw.astype(np.float32).astype(np.float64).ravel()
    margin = random.random(count, np.float32).astype(np.float64)
    points = random.random((count, 2, 3), np.float32).astype("<f4")
    evidence = random.random((count, 2), np.float32).astype("<f4")
    numbers = np.column_stack([boxes, confidence, margin, np.ones(count)]).tolist()
    return [
        (sha256, row % FINDINGS, *values, crop_id(sha256, values[:4]), points[row].tobytes(), evidence[row].tobytes())
        for row, values in enumerate(numbers)
        for sha256 in (digests[row // FINDINGS],)
    ]


def _scores(ids: range, random: np.random.Generator) -> list[rows.Row]:
    amogusness = random.beta(0.3, 4.0, len(ids))
    scores = FindingScores(amogusness, 1 / np.maximum(1 - amogusness, 1e-6), np.zeros(len(ids), bool))
    return rows.score_values(ids, scores, "made")
