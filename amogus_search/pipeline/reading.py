"""What indexing does ahead of the models: hashing, decoding, telling copies, planning and cutting windows."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from amogus_search.core.types import FileEntry, SkippedImage
from amogus_search.errors import DecodeError
from amogus_search.pipeline.ahead import Put
from amogus_search.pipeline.commits import InTurns
from amogus_search.pipeline.detect import Prepared, prepare
from amogus_search.pipeline.index_ports import FileReader
from amogus_search.pipeline.suspects import NOTED
from amogus_search.ports import Detector
from amogus_search.settings import Profile


@dataclass(frozen=True, eq=False)
class Copy:
    """A file whose content needs no model.

    stored: the index holds the content; otherwise a file before it has the same, whose findings are under way
    """

    entry: FileEntry
    sha256: str
    stored: bool


Event: TypeAlias = Prepared | SkippedImage | Copy
"""What becomes of one file; of those that are decoded, in the order of the files."""


class Reading:
    """Reads files and says what becomes of each, in a thread of its own.

    Args:
        reader: hashes and decodes.
        index: asked for contents that it holds.
        detector, profile: decide which windows are cut.
        should_stop: asked before every file; once true, no other file is begun.
    """

    def __init__(
        self,
        reader: FileReader,
        index: InTurns,
        detector: Detector,
        profile: Profile,
        should_stop: Callable[[], bool],
    ) -> None:
        self._reader, self._index, self._should_stop = reader, index, should_stop
        self._detector, self._profile = detector, profile
        self._under_way: set[str] = set()
        self._costly: Mapping[str, str] = {}
        self._notes = True

    def read(
        self,
        entries: Sequence[FileEntry],
        known_sizes: Container[int],
        put: Put[Event],
        *,
        windows: int,
        costly: Mapping[str, str] | None = None,
        notes: bool = True,
    ) -> None:
        """Hand over what becomes of each file.

        Args:
            entries: the files.
            known_sizes: only a file of one of these sizes can be a copy of one that is known.
            put: where to; may make it wait.
            windows: so many of a picture are cut ahead.
            costly: contents that are not to be decoded -> why.
            notes: note the files as in flight; otherwise somebody did.
        """
        self._costly, self._notes = costly or {}, notes
        is_alone = True
        for image in self._reader.decode(self._not_copies(entries, known_sizes, put)):
            if isinstance(image, SkippedImage):
                put(image)
            elif image.sha256 in self._under_way:
                put(Copy(image.entry, image.sha256, stored=False))
            elif self._index.has_content(image.sha256):
                put(Copy(image.entry, image.sha256, stored=True))
            else:
                self._under_way.add(image.sha256)
                prepared = prepare(image, self._detector, self._profile, cut=windows)
                if not is_alone:  # a single picture may be looked at in another way
                    self._announce(prepared)
                is_alone = False
                put(prepared, prepared.nbytes)

    def are_stored(self, contents: Iterable[str]) -> None:
        """Take note that the index holds these contents now; may be called in another thread."""
        self._under_way.difference_update(contents)

    def _announce(self, prepared: Prepared) -> None:
        """Have the detector get ready for shapes that it has not seen, while it looks at the pictures before."""
        if expect := getattr(self._detector, "expect", None):
            for height, width in prepared.shapes:
                expect(height, width)

    def _not_copies(
        self, entries: Sequence[FileEntry], known_sizes: Container[int], put: Put[Event]
    ) -> Iterator[FileEntry]:
        """The files to be decoded: those whose size is that of a known one are hashed first."""
        for number, entry in enumerate(entries):
            if self._should_stop():
                return
            if number % NOTED == 0 and self._notes:
                self._index.set_in_flight([next_one.path for next_one in entries[number : number + NOTED]])
            copy = self._copy_of_known(entry, known_sizes)
            if copy is None:
                yield entry
            else:
                put(copy)

    def _copy_of_known(self, entry: FileEntry, known_sizes: Container[int]) -> Copy | SkippedImage | None:
        """A file whose content is in the index already, or is known to cost a process."""
        if entry.stat is None or entry.stat.size not in known_sizes:
            return None
        try:
            sha256, stat = self._reader.digest(entry)
        except DecodeError:
            return None  # the decoder will find the same, and is the one to say so
        stamped = replace(entry, stat=stat)
        if sha256 in self._costly:
            return SkippedImage(stamped, self._costly[sha256], "known by its content", sha256)
        return Copy(stamped, sha256, stored=True) if self._index.has_content(sha256) else None
