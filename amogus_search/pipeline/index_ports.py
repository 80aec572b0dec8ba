"""What indexing asks of its sources, its decoder and its index, beyond what every verb asks of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from amogus_search.core.types import FileEntry, FileStat, ImageFindings, SkippedImage
from amogus_search.ports import Decoder, Source


class RootedSource(Source, Protocol):
    """A source that knows what the user named."""

    @property
    def roots(self) -> Sequence[bytes]:
        """Absolute paths; known files under them that a scan does not meet are gone."""
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
    """A file as an index remembers it."""

    @property
    def stat(self) -> FileStat | None:
        """As it was when it was looked at; None if it could not be."""
        ...

    @property
    def sha256(self) -> str:
        """Digest of its content; empty if it was never read."""
        ...

    @property
    def state(self) -> str:
        """One of "indexed", "skipped" and "removed"."""
        ...

    @property
    def skip_reason(self) -> str:
        """Why it was skipped; empty unless it was."""
        ...

    @property
    def skip_tag(self) -> str:
        """The version of the decoders that skipped it."""
        ...


class IndexStore(Protocol):
    """What indexing needs of an index. Everything goes in through `commit`, each call one transaction."""

    def known_files(self) -> Mapping[bytes, KnownFile]:
        """Every file that is in the index, was skipped or was removed, by path."""
        ...

    def contents_known(self, sha256: str) -> bool:
        """Whether the models' answers for that content are stored, under whatever path, also a removed one."""
        ...

    def commit(
        self,
        batch: Sequence[ImageFindings | SkippedImage],
        *,
        attached: Sequence[tuple[FileEntry, str]] = (),
        removed: Iterable[bytes] = (),
        skip_tag: str = "",
    ) -> None:
        """Store results, new paths of known contents and removed paths: all or none of it. Twice is as once."""
        ...

    def publish(self) -> bool:
        """Bring the search structure up to date; False if it already was."""
        ...
