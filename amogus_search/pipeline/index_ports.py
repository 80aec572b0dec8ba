"""What indexing asks of its sources, its decoder and its index, beyond what every verb asks of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from typing import Protocol

from amogus_search.core.types import FileEntry, FileStat, ImageFindings, SkippedImage
from amogus_search.ports import Decoder, Source


class RootedSource(Source, Protocol):
    """A source that knows what the user named."""

    @property
    def roots(self) -> Sequence[bytes]:
        """Absolute paths; known files under them that a scan does not meet are gone."""
        ...

    @property
    def found_elsewhere(self) -> MutableMapping[bytes, bytes]:
        """Folders that the last scan did not enter, since it had met them by another name -> that name.

        Always the same object; the scan fills it.
        """
        ...


class FileReader(Decoder, Protocol):
    """A decoder that can also tell a file's content without decoding it."""

    @property
    def version(self) -> str:
        """Which decoders it has; what one version skipped is tried again by another."""
        ...

    def digest(self, entry: FileEntry) -> tuple[str, FileStat]:
        """Hex sha256 of the bytes, and the stat as of reading; raises DecodeError."""
        ...


class KnownFile(Protocol):
    """A live file as an index remembers it."""

    @property
    def stat(self) -> FileStat | None:
        """As it was when it was looked at; None if it could not be."""
        ...

    @property
    def sha256(self) -> str | None:
        """Digest of its content; None if it was never read."""
        ...

    @property
    def reason(self) -> str | None:
        """Why it was skipped; None for an indexed file."""
        ...

    @property
    def tag(self) -> str:
        """The version of the decoders that skipped it; empty for an indexed file."""
        ...


class IndexStore(Protocol):
    """What indexing needs of an index. Everything goes in through `write`, each call one transaction."""

    def known_files(self, under: Sequence[bytes] | None = None) -> Mapping[bytes, KnownFile]:
        """Every file that is in the index or was skipped, by path; with `under`, those that are or lie in these."""
        ...

    def has_content(self, sha256: str) -> bool:
        """Whether the models' answers for that content are stored, under whatever path, also a removed one."""
        ...

    def write(
        self,
        *,
        added: Sequence[ImageFindings] = (),
        attached: Sequence[tuple[FileEntry, str]] = (),
        skipped: Sequence[SkippedImage] = (),
        removed: Iterable[bytes] = (),
        skip_tag: str = "",
    ) -> None:
        """Store new pictures, new paths of stored contents, skips and removed paths: all of it or nothing.

        Writing the same twice is as writing it once.
        """
        ...

    def in_flight(self) -> Mapping[bytes, int]:
        """Files that were noted by a run which died before it stored them -> how many runs died so."""
        ...

    def set_in_flight(self, paths: Sequence[bytes]) -> None:
        """Note files that are about to be looked at; `write` takes them off."""
        ...

    def keep_in_flight(self, deaths: Mapping[bytes, int]) -> None:
        """Make these the only ones that are noted: path -> in how many runs they were noted that died."""
        ...

    def publish(self) -> bool:
        """Bring the search structure up to date; False if it already was."""
        ...
