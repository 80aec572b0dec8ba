"""An index folder as one object: the catalogue and the search structure, always in step.

with Index.open("index/default") as index:
    for hit in index.best_images(20):
        print(hit.score, hit.path)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.motif import Motif
from amogus_search.core.types import Detections, FileEntry, FindingScores, Hit, ImageFindings, SkippedImage, Vectors
from amogus_search.core.where import Column, Value
from amogus_search.errors import UsageError
from amogus_search.settings import SearchBudget
from amogus_search.store import (
    answers,
    checks,
    contents,
    files,
    folder,
    publishing,
    repairs,
    scoring,
    similar,
    tables,
)
from amogus_search.store.catalog import Catalog
from amogus_search.store.columns import where_columns
from amogus_search.store.files import KnownFile
from amogus_search.store.folder import Identity, Writer
from amogus_search.store.hits import Reading, Wanted
from amogus_search.store.scoring import ScoreFn
from amogus_search.store.searching import Kind, Searcher
from amogus_search.store.state import search_state

if TYPE_CHECKING:
    import pandas as pd


class Index:
    """An open index; made by `Index.open`, closed by `close` or at the end of a `with` block.

    Readers never wait for the writer, nor it for them, and see what was committed. Not for use by several
    threads at once; several readers in one process are fine.

    `identity` says whose answers it holds; `motif_name`, `keypoint_names` and `evidence_names` what was hunted.
    """

    def __init__(self, folder: Path, catalog: Catalog, writer: Writer | None) -> None:
        self.folder = folder
        self._catalog = catalog
        self._writer = writer
        self._searcher = Searcher(folder, catalog)
        self._score: ScoreFn | None = None
        self.identity: dict[str, object] = catalog.read_identity()
        self.motif_name, self.keypoint_names, self.evidence_names = catalog.read_motif()

    @classmethod
    def open(
        cls,
        folder_path: str | PathLike[str],
        mode: Literal["r", "w"] = "r",
        *,
        create: bool = False,
        identity: Identity | None = None,
        motif: Motif | None = None,
    ) -> Self:
        """The index in a folder.

        Args:
            folder_path: the index folder.
            mode: "w" holds the writer role until the index is closed.
            create: with "w": make the folder (0700) and an empty index if there is none; needs `identity`.
            identity: must equal that of the index; None: whatever it has.
            motif: with `create`: the names of keypoints and evidence; None: there are none.

        Raises:
            IndexStateError: not an index, damaged, or of another version.
            IdentityMismatchError: made by other models or settings.
            IndexLockedError: another process is writing it.
            MissingExtraError: with "w": the identity has an embedder, and FAISS is not installed.
        """
        path, writer = Path(folder_path), None
        if mode == "r":
            catalog = folder.open_to_read(path, identity)
        else:
            writer = folder.open_to_write(path, create=create, identity=identity, motif=motif or Motif("none"))
            catalog = writer.catalog
        try:
            index = cls(path, catalog, writer)
            if writer is None:
                catalog.doubt()
            else:
                writer.begin()
            return index
        except BaseException:
            (writer or catalog).close()
            raise

    def close(self) -> None:
        """Close the files and give up the writer role; may be called twice."""
        (self._writer or self._catalog).close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def known_files(self, under: Sequence[bytes] | None = None) -> dict[bytes, KnownFile]:
        """Every live file, indexed or skipped, by path; with `under`, those that are or lie in these."""
        return files.known_files(self._catalog, under)

    def known_file(self, path: bytes) -> KnownFile | None:
        """One live file by its absolute path; None if there is no such file in the index."""
        return files.known_file(self._catalog, path)

    def has_content(self, sha256: str) -> bool:
        """Whether the models' answers for this content are stored, under whatever path, also a removed one."""
        return contents.has_content(self._catalog, sha256)

    def in_flight(self) -> dict[bytes, int]:
        """Files handed out by a run that died before it committed them -> how many runs died so."""
        return files.in_flight(self._catalog)

    # Writing, each call one transaction

    def set_in_flight(self, paths: Iterable[bytes]) -> None:
        """Note files that are about to be looked at; `write` takes them off the list."""
        files.set_in_flight(self._catalog, paths)

    def keep_in_flight(self, deaths: Mapping[bytes, int]) -> None:
        """Make these the only ones on that list: path -> in how many runs they were on it that died."""
        files.keep_in_flight(self._catalog, deaths)

    def write(
        self,
        *,
        added: Sequence[ImageFindings] = (),
        attached: Sequence[tuple[FileEntry, str]] = (),
        skipped: Sequence[SkippedImage] = (),
        removed: Iterable[bytes] = (),
        skip_tag: str = "",
    ) -> None:
        """Store a batch: all of it or, if the process dies on the way, nothing of it.

        Args:
            added: new pictures; of content that is known already only the path is stored.
            attached: files whose content is known, also in this batch: moved, copied, returned, or just touched.
            skipped: files that gave no picture.
            removed: paths that are gone; they become tombstones, never shown, revived by `attached`.
            skip_tag: versions of the decoders, for later runs to compare.

        Raises:
            ValueError: columns or vectors do not fit the index, or attached content is unknown.
            IndexStateError: the index has calibrated scores, and `rescore` was not called since it was opened.
        """
        score = scoring.scorer(self._catalog, self._score)
        with self._catalog.transaction():
            contents.add(self._catalog, added, names=(self.keypoint_names, self.evidence_names), score=score)
            files.put_indexed(self._catalog, [*((item.entry, item.sha256) for item in added), *attached])
            files.put_skipped(self._catalog, skipped, skip_tag)
            files.put_removed(self._catalog, removed)

    def rescore(self, calibration_id: str | None, score: ScoreFn | None) -> int:
        """Make all scores come from this calibration, now and in later writes; how many findings were scored anew.

        No model runs. None and None: no calibration, amogusness unknown.
        """
        changed = scoring.rescore(self._catalog, calibration_id, score, (self.keypoint_names, self.evidence_names))
        self._score = score
        return changed

    def publish(self) -> bool:
        """Bring the search structure up to date; False if it already was. Queries work without it, only slower."""
        return publishing.publish(self.folder, self._catalog)

    @property
    def search_budget(self) -> SearchBudget:
        """What searching by similarity may cost."""
        return publishing.budget_of(self._catalog)

    def set_search_budget(self, budget: SearchBudget) -> None:
        """Remember what searching by similarity may cost; the next `publish` keeps to it."""
        publishing.set_budget(self._catalog, budget)

    def search_state(self) -> dict[str, object]:
        """What similarity is searched with: structure, measured recall and ms, what is outside it and gone from it."""
        return search_state(self.folder, self._catalog)

    # Answers

    @property
    def calibration_id(self) -> str | None:
        """Where the scores come from; None: they are unknown, and findings are ranked by confidence."""
        return scoring.calibration_id(self._catalog)

    def columns(self) -> dict[str, Column]:
        """What a `--where` expression may name, for `core.where.compile_where`."""
        return where_columns(self.evidence_names)

    def best_images(
        self,
        n: int | None = 20,
        *,
        min_amogusness: float | None = None,
        min_confidence: float | None = None,
        where_sql: str = "",
        params: Sequence[Value] = (),
    ) -> list[Hit]:
        """Files ranked by their best finding; those without findings come last, with score 0.

        Two files of the same content are two hits. None for n: all. The conditions are asked of the finding
        that a file is ranked by; a file without findings meets no minimum.
        """
        return answers.best_images(self._reading(), n, Wanted(min_amogusness, min_confidence, where_sql, params))

    def best_regions(
        self,
        n: int | None = 20,
        *,
        min_amogusness: float | None = None,
        min_confidence: float | None = None,
        where_sql: str = "",
        params: Sequence[Value] = (),
    ) -> list[Hit]:
        """The best findings; see `best_images`."""
        return answers.best_regions(self._reading(), n, Wanted(min_amogusness, min_confidence, where_sql, params))

    def similar(
        self,
        vector: NDArray[np.float32],
        n: int | None = 20,
        *,
        kind: Literal["image", "detection", "both"] = "both",
        by_image: bool = False,
        min_similarity: float | None = None,
        min_amogusness: float | None = None,
        min_confidence: float | None = None,
        where_sql: str = "",
        params: Sequence[Value] = (),
    ) -> list[Hit]:
        """Regions ranked by similarity to a vector; a whole image's conditions are asked of its most confident finding.

        Args:
            vector: (d,) in the space of the index' embedder, any length but 0.
            n: how many hits; None: all.
            kind: which regions.
            by_image: only the best region of every file.
            min_similarity: lowest cosine of a hit; with it, None for n means all that reach it.

        Raises:
            UsageError: the index has no vectors, or of another dimension.
        """
        wanted = Wanted(min_amogusness, min_confidence, where_sql, params)
        kinds: tuple[Kind, ...] = ("image", "detection") if kind == "both" else (kind,)
        query = similar.Query(np.asarray(vector), kinds, by_image, min_similarity)
        return similar.similar(self._reading(), self._searcher, query, n, wanted)

    def search_vectors(
        self, query: NDArray[np.float32], k: int, kinds: Sequence[Kind] = ("image", "detection")
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """(m,) ids of the live regions most similar to (d,), and (m,) similarities; m = min(k, how many there are)."""
        found = self._catalog.steady(lambda: self._searcher.search(query, k, tuple(kinds)))
        return np.asarray([near[-1] for near in found], np.int64), np.asarray([-near[0] for near in found], np.float64)

    def count_findings(self, min_amogusness: float | None, min_confidence: float | None = None) -> tuple[int, int]:
        """How many findings of live files reach the minimums, and how many files they are in."""
        return answers.count_findings(self._catalog, Wanted(min_amogusness, min_confidence))

    def findings(self, sha256s: Iterable[str]) -> dict[str, tuple[Detections, FindingScores]]:
        """All findings of each known content, best first, with their scores in the same rows."""
        return answers.findings(self._reading(), sha256s)

    def region_vector(self, region: str) -> NDArray[np.float32]:
        """(d,) unit vector of a finding, by its crop id, or of a whole image, by its sha256.

        Raises:
            UsageError: there is no such region, or it has no vector.
        """
        return similar.region_vector(self._catalog, region)

    def images(self) -> pd.DataFrame:
        """One row a live picture file, by path."""
        return tables.images(self._catalog)

    def detections(self) -> pd.DataFrame:
        """One row a finding of a live picture file, by path, most confident first."""
        return tables.detections(self._catalog, self.keypoint_names, self.evidence_names)

    def vectors(self) -> tuple[pd.DataFrame, Vectors]:
        """One row a region of live content (kind, sha256, ordinal), and (n, d) unit vectors in the same rows."""
        return tables.vectors(self._catalog)

    def source_folders(self) -> list[bytes]:
        """The folders (and files named directly) that live files come from; nothing is ever written there."""
        return files.source_folders(self._catalog)

    def skipped(self) -> list[tuple[bytes, str, str]]:
        """(path, reason, detail) of every skipped file, by path."""
        return files.skipped(self._catalog)

    def counts(self) -> dict[str, int]:
        """Live numbers: indexed, skipped, removed (files), contents, detections, vectors, unpublished (vectors)."""
        return contents.counts(self._catalog)

    def signature(self) -> str:
        """A digest of everything that must be equal after a kill and a resume: rows, vectors, FAISS bytes."""
        return checks.signature(self._catalog)

    def verify(self) -> list[str]:
        """Check every row, the database's own structure and the search files; what is wrong, a line each."""
        return checks.verify(self.folder, self._catalog)

    def repair(self) -> list[str]:
        """Drop what is damaged, so that the next `amogus index` does it again; what was done, a line each."""
        if self._writer is None:
            raise UsageError("an index opened for reading cannot be repaired", "open it with mode 'w'")
        return repairs.repair(self.folder, self._catalog)

    def _reading(self) -> Reading:
        return Reading(self._catalog, self.keypoint_names, self.evidence_names, self.calibration_id is not None)
