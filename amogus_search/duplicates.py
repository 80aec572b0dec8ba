"""Copies in an index: the same file under several names, and the same picture saved otherwise. Nothing is deleted.

Exact ones are those of equal content. Near ones are proposed by the index' vectors and decided by the pixels
(`pipeline.copies`): each picture, best one first, is held against the kept pictures that are most similar to it, and
belongs to the first whose copy it is. So every copy was compared with the very picture that is to be kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.neighbours import Lists, Spread, nearest_before, nearest_before_in_lists
from amogus_search.errors import UsageError
from amogus_search.pipeline.copies import compare, may_be_copies
from amogus_search.pipeline.progress import Progress, Silent
from amogus_search.ports import Decoder
from amogus_search.store.index import Index
from amogus_search.store.plan import list_count
from amogus_search.store.vectors import centres
from amogus_search.store.wholes import PictureFile, Wholes
from amogus_search.thumbnails import Thumbnails, Unread

Kind: TypeAlias = Literal["exact", "near"]
NEAR = 0.9
"""Lowest similarity of near copies. It only keeps the work small: of copies cropped by 5 %, the embedded embedder
gives 17 % less than 0.97 and 2 % less than this; what is no copy is told by its pixels."""
CANDIDATES = 16
"""Kept pictures that each picture is held against, at most."""
_MOST_STRETCHED = 1.3
_AT_ONCE = 256
ALL_PAIRS = 100_000
"""Pictures up to which all pairs are looked at; beyond, each is held against the so many that lie nearest."""
_PER_LIST = 50
"""Pictures that each list's centre is found with."""
_SILENT = Silent()


@dataclass(frozen=True)
class Copy:
    """One file of a group.

    similarity: of its vector to that of the one to keep, for near copies; None for others
    frees:      bytes that deleting it would free; 0 for another name of the same file on disk
    """

    file: PictureFile
    similarity: float | None
    frees: int


@dataclass(frozen=True)
class Group:
    """Files of which one would be enough: `keep` is the largest, then the oldest; `others` in the order of their paths.

    Near groups have one file of each content: that its exact copies go is said by the exact groups.
    """

    kind: Kind
    keep: PictureFile
    others: tuple[Copy, ...]

    @property
    def frees(self) -> int:
        """Bytes that deleting the others would free."""
        return sum(copy.frees for copy in self.others)


@dataclass(frozen=True)
class Duplicates:
    """All groups, exact ones first, by the bytes they would free; `unread`: files whose pixels could not be compared.

    pictures: contents looked at; compared: pairs whose pixels were laid onto each other
    """

    groups: tuple[Group, ...]
    unread: tuple[Unread, ...] = ()
    pictures: int = 0
    compared: int = 0


def find_duplicates(
    index: Index,
    decoder: Decoder,
    *,
    near: float = NEAR,
    kinds: Sequence[Kind] = ("exact", "near"),
    progress: Progress = _SILENT,
) -> Duplicates:
    """The copies in an index; near ones need its vectors and its files.

    Args:
        index: open.
        decoder: reads the files; pictures at `pipeline.copies.READ_PX` are large enough.
        near: lowest similarity of near copies.
        kinds: which of them.
        progress: told how far it is.

    Raises:
        UsageError: near copies are wanted of an index without vectors.
    """
    names: dict[str, list[PictureFile]] = {}
    for file in Wholes(index).files():
        names.setdefault(file.sha256, []).append(file)
    exact = [_exact(files) for files in names.values() if len(files) > 1] if "exact" in kinds else []
    groups, unread, compared = _ordered(exact), tuple[Unread, ...](), 0
    if "near" in kinds and names:
        best = {sha256: min(files, key=_oldest) for sha256, files in names.items()}
        search = _NearSearch(index, best, decoder, near, progress)
        groups += _ordered(search.groups())
        unread, compared = tuple(search.thumbs.unread), search.compared
    return Duplicates(tuple(groups), unread, len(names), compared)


def _exact(files: Sequence[PictureFile]) -> Group:
    keep = min(files, key=_oldest)
    seen = {keep.inode} - {None}
    others = []
    for file in files:
        if file.path != keep.path:
            others.append(Copy(file, None, 0 if file.inode in seen else file.size))
            seen |= {file.inode} - {None}
    return Group("exact", keep, tuple(others))


def _oldest(file: PictureFile) -> tuple[int, bytes]:
    return file.modified, file.path


def _best(file: PictureFile) -> tuple[int, int, int, bytes]:
    """Sorts the picture to keep before its copies: most pixels, most bytes, oldest."""
    width, height = file.full_wh
    return -width * height, -file.size, file.modified, file.path


def _ordered(groups: Iterable[Group]) -> list[Group]:
    return sorted(groups, key=lambda group: (-group.frees, group.keep.path))


class _NearSearch:
    """One search for near copies: contents in rows, the ones to keep first."""

    def __init__(
        self, index: Index, best: Mapping[str, PictureFile], decoder: Decoder, near: float, progress: Progress
    ) -> None:
        self._near, self._progress = near, progress
        self.files = sorted(best.values(), key=_best)
        vectors = Wholes(index).table([file.sha256 for file in self.files])
        if vectors is None:
            raise UsageError(
                "the index has no vectors, so near copies cannot be found",
                "make it with an embedder, or look for exact ones only: --kind exact",
            )
        self._vectors = vectors
        self._shapes = np.asarray([file.full_wh[0] / file.full_wh[1] for file in self.files])
        self.thumbs = Thumbnails(self.files, decoder)
        self.compared = 0

    def groups(self) -> Iterator[Group]:
        """Every kept picture that has copies."""
        copies: dict[int, list[Copy]] = {}
        for row, kept in self._kept_by_row():
            if kept != row:
                file = self.files[row]
                copies.setdefault(kept, []).append(Copy(file, self._similarity(row, kept), file.size))
        for kept, others in copies.items():
            yield Group("near", self.files[kept], tuple(sorted(others, key=lambda copy: copy.file.path)))

    def _kept_by_row(self) -> Iterator[tuple[int, int]]:
        """Each row and the row whose copy it is: itself if it is nobody's."""
        proposed = self._proposed()
        self._read_outlines(proposed)
        keeper: list[int] = []
        for start in range(0, len(self.files), _AT_ONCE):
            rows = range(start, min(start + _AT_ONCE, len(self.files)))
            pairs = self._alike(rows, proposed[rows.start : rows.stop])
            self.thumbs.read_ahead({one for row, others in pairs.items() if others for one in (row, *others)})
            for row in rows:
                keeper.append(self._keeper_of(row, pairs[row], keeper))
                yield row, keeper[row]
            self._progress("comparing", rows.stop, len(self.files), skipped=len(self.thumbs.unread))

    def _proposed(self) -> NDArray[np.int32]:
        """(n, CANDIDATES) rows before each row that are similar enough, most similar first; -1 for none."""

        def told(done: int, total: int) -> None:
            self._progress("searching", done, total)

        apart = _whitened(self._vectors)
        if len(apart) <= ALL_PAIRS:
            proposed = nearest_before(apart, CANDIDATES, told)
        else:
            count = list_count(len(apart))
            sample = self._vectors[:: max(1, len(apart) // (count * _PER_LIST))]
            lists = Lists.around(centres(sample.astype(np.float32), count), self._vectors)
            proposed = nearest_before_in_lists(apart, lists, ALL_PAIRS, CANDIDATES, told)
        for start in range(0, len(proposed), _AT_ONCE):
            some = proposed[start : start + _AT_ONCE]
            some[~self._are_possible(np.arange(start, start + len(some)), some)] = -1
        return proposed

    def _are_possible(self, rows: NDArray[np.int64], others: NDArray[np.int32]) -> NDArray[np.bool_]:
        """(r, m) which of (r, m) other rows each row may be a copy of, or the other way round; none is at -1."""
        stretched = self._shapes[rows][:, None] / self._shapes[others]
        in_shape = (stretched >= 1 / _MOST_STRETCHED) & (stretched <= _MOST_STRETCHED)
        return np.asarray((others >= 0) & in_shape & (self._similarities(rows, others) >= self._near))

    def _similarities(self, rows: NDArray[np.int64], others: NDArray[np.int32]) -> NDArray[np.float64]:
        """(r, m) cosines of each row and its (r, m) other rows."""
        mine, theirs = self._vectors[rows].astype(np.float64), self._vectors[others].astype(np.float64)
        lengths = np.sqrt(np.vecdot(mine, mine)[:, None] * np.vecdot(theirs, theirs))
        return np.asarray(np.minimum(1.0, np.vecdot(theirs, mine[:, None]) / np.maximum(lengths, 1e-12)))

    def _is_possible(self, row: int, other: int) -> bool:
        return bool(self._are_possible(np.asarray([row]), np.asarray([[other]], np.int32))[0, 0])

    def _similarity(self, row: int, other: int) -> float:
        return float(self._similarities(np.asarray([row]), np.asarray([[other]], np.int32))[0, 0])

    def _read_outlines(self, proposed: NDArray[np.int32]) -> None:
        wanted = np.zeros(len(self.files), bool)
        wanted[np.unique(proposed[proposed >= 0])] = True
        wanted |= (proposed >= 0).any(axis=1)
        rows = [int(row) for row in np.flatnonzero(wanted)]
        for done in self.thumbs.read_outlines(rows):
            self._progress("reading", done, len(rows), skipped=len(self.thumbs.unread))

    def _alike(self, rows: range, others: NDArray[np.int32]) -> dict[int, list[int]]:
        """Of each row those of its (r, m) proposed rows whose outlines are alike enough to look closer."""
        mine, has_mine = self.thumbs.outlines(np.asarray(rows))
        theirs, has_theirs = self.thumbs.outlines(others)
        alike = (others >= 0) & has_mine[:, None] & has_theirs & may_be_copies(mine[:, None], theirs)
        return {row: others[place, alike[place]].tolist() for place, row in enumerate(rows)}

    def _keeper_of(self, row: int, others: Sequence[int], keeper: Sequence[int]) -> int:
        """The first kept picture whose copy the row is; a candidate that is a copy itself stands for its own keeper."""
        for kept in dict.fromkeys(keeper[other] for other in others):
            mine, its = self.thumbs.get(row), self.thumbs.get(kept)
            if mine is None or its is None or not self._is_possible(row, kept):
                continue
            self.compared += 1
            if compare(its, mine).is_copy:
                return kept
        return row


def _whitened(vectors: NDArray[np.float16]) -> NDArray[np.float16]:
    """(n, d) what sets the pictures apart, as narrow as the vectors themselves."""
    spread, apart = Spread.of(vectors), np.empty_like(vectors)
    for start in range(0, len(vectors), _AT_ONCE):
        apart[start : start + _AT_ONCE] = spread.apply(vectors[start : start + _AT_ONCE])
    return apart
