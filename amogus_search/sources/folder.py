"""Files from folders, and files named one by one: who is a candidate, and who is left out and why.

In a folder, every regular file is a candidate and is judged by its content, whatever its extension,
except those that are clearly no pictures by name (`NOT_PICTURES`: text, sidecars, sound, video,
archives, programs) and dot-files without a picture extension (``.DS_Store``). Those are not counted.
Dot-folders, index folders and what `exclude` names are not entered. A file that the user names is
always a candidate. Links inside a folder are never followed; they become skipped entries.
"""

from __future__ import annotations

import fnmatch
import os
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from amogus_search.core.paths import display_path, path_from_text
from amogus_search.core.types import FileEntry
from amogus_search.errors import AmogusError
from amogus_search.sources.decode import access_problem, file_stat

PICTURES = frozenset(b"jpg jpeg jpe jfif mpo png apng webp tif tiff gif bmp dib avif avifs heic heif hif heics".split())
"""Extensions of the formats that are read; only dot-files are judged by them."""
NOT_PICTURES = frozenset(
    b"txt md rst log json jsonl ndjson xml xmp aae thm yml yaml toml ini cfg conf csv tsv parquet arrow html htm css "
    b"js py pyc ipynb c h cpp java sh bat ps1 exe dll so dylib a o bin pdf doc docx odt xls xlsx ods ppt pptx odp rtf "
    b"epub zip tar gz tgz bz2 xz zst 7z rar iso mp3 wav flac ogg opus m4a aac wma mp4 m4v mov avi mkv webm mpg mpeg "
    b"tex mts m2ts 3gp wmv flv srt vtt sqlite sqlite-wal sqlite-shm npy npz safetensors onnx pt pth pkl faiss lock "
    b"part crdownload torrent url lnk desktop nfo sfv md5 sha256 ttf otf woff woff2".split()
)
"""Extensions that are clearly no pictures: such files in a folder are not candidates and are not counted."""
CATALOG_NAME = b"catalog.sqlite"
"""A folder that holds a file of this name is an index and is never scanned."""
_LONGEST_PATH = 4095
_Seen: TypeAlias = dict[tuple[int, int], bytes]
"""Device and inode of the folders that were entered -> by which name."""
_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NONBLOCK | os.O_CLOEXEC


class FolderSource:
    """The candidate files of folders and of files named directly.

    Args:
        paths: what the user named; a link named directly is followed, with the name kept as the root.
        exclude: globs on names or on paths relative to the root, for files and folders.
        index_dir: an index folder to leave out, also before it has a catalogue.
        allow_empty: do not raise when there is no candidate at all.

    Raises:
        AmogusError: one of the paths does not exist; nothing was looked at then.
    """

    def __init__(
        self,
        paths: Sequence[str | bytes | Path],
        *,
        exclude: Sequence[str] = (),
        index_dir: str | bytes | Path | None = None,
        allow_empty: bool = False,
    ) -> None:
        self.roots = tuple(dict.fromkeys(os.path.abspath(path_from_text(path)) for path in paths))
        for root in self.roots:
            _require(root)
        self._exclude = tuple(re.compile(fnmatch.translate(glob.rstrip("/"))) for glob in exclude)
        self._index_dir = os.path.abspath(path_from_text(index_dir)) if index_dir is not None else None
        self._index_identity: tuple[int, int] | None = None
        self._allow_empty = allow_empty
        self.found_elsewhere: dict[bytes, bytes] = {}
        """Folders that the last scan did not enter, since it had met them by another name -> that name."""

    def scan(self) -> Iterator[FileEntry]:
        """Every candidate, root by root in the order given, each root in the order of its paths' bytes.

        Raises:
            AmogusError: there is none, and the source may not be empty.
        """
        seen: _Seen = {}
        self.found_elsewhere.clear()
        named: set[bytes] = set()
        self._index_identity = _identity(self._index_dir)
        count = 0
        for root in self.roots:
            for entry in self._scan_root(root, seen):
                if entry.path in named:
                    continue
                if len(self.roots) > 1:  # a file may be named by itself and lie in a named folder too
                    named.add(entry.path)
                count += 1
                yield entry
        if not count and not self._allow_empty:
            raise _nothing_found(self.roots)

    def scan_only(self, scopes: Sequence[bytes]) -> Iterator[FileEntry]:
        """The candidates among some paths inside the roots, and in those of them that are folders; each one once.

        What `scan` would not get to (in an index folder, behind a link, excluded) is left out here too; a path where
        nothing is has no entry.
        """
        seen: _Seen = {}
        self.found_elsewhere.clear()
        self._index_identity = _identity(self._index_dir)
        done: set[bytes] = set()
        for path in sorted(scopes):
            root = next((root for root in self.roots if path == root or path.startswith(os.path.join(root, b""))), None)
            if root is None or not self._is_reached(path, root):
                continue
            for entry in self._scan_root(root, seen) if path == root else self._scan_path(path, root, seen):
                if entry.path not in done:
                    done.add(entry.path)
                    yield entry

    def _is_reached(self, path: bytes, root: bytes) -> bool:
        """Whether a scan of the root would enter all folders down to the one that this path is in."""
        folder = os.path.dirname(path)
        above: list[bytes] = []
        while len(folder) >= len(root) and path != root:
            above.append(folder)
            folder = os.path.dirname(folder) if folder != root else b""
        return all(self._is_entered(folder, root) for folder in above)

    def _is_entered(self, folder: bytes, root: bytes) -> bool:
        try:
            found = os.stat(folder) if folder == root else os.lstat(folder)
        except OSError:
            return folder != root  # it is gone, and what was in it with it
        if not stat.S_ISDIR(found.st_mode) or (found.st_dev, found.st_ino) == self._index_identity:
            return False
        if os.path.lexists(os.path.join(folder, CATALOG_NAME)):
            return False
        return folder == root or (
            _is_wanted(os.path.basename(folder), True) and not (self._exclude and self._is_excluded(folder, root))
        )

    def _scan_path(self, path: bytes, root: bytes, seen: _Seen) -> Iterator[FileEntry]:
        try:
            found = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            yield FileEntry(path, root, None, access_problem(error))
            return
        is_folder = stat.S_ISDIR(found.st_mode)
        if not _is_wanted(os.path.basename(path), is_folder) or (self._exclude and self._is_excluded(path, root)):
            return
        if is_folder:
            yield from self._walk(path, root, seen)
        else:
            yield _looked_at(path, root, found)

    def _scan_root(self, root: bytes, seen: _Seen) -> Iterator[FileEntry]:
        try:
            found = os.stat(root)
        except OSError as error:
            yield FileEntry(root, root, None, access_problem(error))
            return
        if stat.S_ISDIR(found.st_mode):
            yield from self._walk(root, root, seen)
        else:
            yield _file_entry(os.path.realpath(root), root, found)

    def _walk(self, folder: bytes, root: bytes, seen: _Seen) -> Iterator[FileEntry]:
        """Depth first, without recursion: a tree may be deeper than Python's stack."""
        pending: list[FileEntry | bytes] = [folder]
        while pending:
            item = pending.pop()
            if isinstance(item, FileEntry):
                yield item
                continue
            try:
                inside = self._list(item, root, seen)
            except OSError as error:
                yield FileEntry(item, root, None, access_problem(error))
                continue
            pending.extend(reversed(inside))

    def _list(self, folder: bytes, root: bytes, seen: _Seen) -> list[FileEntry | bytes]:
        """What is right inside a folder, sorted as the full paths will be: entries of candidates, paths of folders.

        All of it is looked at through the folder that was opened, whatever its path leads to by then.
        """
        handle = os.open(folder, _OPEN_FOLDER if folder == root else _OPEN_FOLDER | os.O_NOFOLLOW)
        try:
            found = os.fstat(handle)
            identity = (found.st_dev, found.st_ino)
            if identity in seen:
                if seen[identity] != folder:
                    self.found_elsewhere[folder] = seen[identity]
                return []
            with os.scandir(handle) as listing:
                children = [(os.fsencode(child.name), child.is_dir(follow_symlinks=False)) for child in listing]
            if identity == self._index_identity or any(name == CATALOG_NAME for name, _ in children):
                return []
            seen[identity] = folder
            inside = os.path.join(folder, b"")
            wanted = [(inside + name, name, is_folder) for name, is_folder in children]
            if self._exclude:
                wanted = [child for child in wanted if not self._is_excluded(child[0], root)]
            wanted = [child for child in wanted if _is_wanted(child[1], child[2])]
            wanted.sort(key=lambda child: child[0] + b"/" if child[2] else child[0])
            return [path if is_folder else _look_at(path, name, handle, root) for path, name, is_folder in wanted]
        finally:
            os.close(handle)

    def _is_excluded(self, path: bytes, root: bytes) -> bool:
        spellings = (os.fsdecode(os.path.basename(path)), os.fsdecode(os.path.relpath(path, root)))
        return any(glob.match(text) for glob in self._exclude for text in spellings)


def _is_wanted(name: bytes, is_folder: bool) -> bool:
    dotted, _, extension = name.rpartition(b".")
    if name.startswith(b"."):
        return not is_folder and bool(dotted.strip(b".")) and extension.lower() in PICTURES
    return is_folder or not dotted or extension.lower() not in NOT_PICTURES


def _identity(folder: bytes | None) -> tuple[int, int] | None:
    try:
        found = None if folder is None else os.stat(folder)
    except OSError:
        return None  # it is not there yet
    return None if found is None else (found.st_dev, found.st_ino)


def _look_at(path: bytes, name: bytes, folder: int, root: bytes) -> FileEntry:
    if len(path) > _LONGEST_PATH:
        return FileEntry(path, root, None, ("path_too_long", f"{len(path)} bytes"))
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        return FileEntry(path, root, None, access_problem(error))
    return _looked_at(path, root, found)


def _looked_at(path: bytes, root: bytes, found: os.stat_result) -> FileEntry:
    """What a link or a file in a folder is worth."""
    if stat.S_ISLNK(found.st_mode):
        return FileEntry(path, root, file_stat(found), _link_problem(path, root))
    return _file_entry(path, root, found)


def _file_entry(path: bytes, root: bytes, found: os.stat_result) -> FileEntry:
    problem = None if stat.S_ISREG(found.st_mode) else ("not_regular", _kind(found.st_mode))
    return FileEntry(path, root, file_stat(found), problem)


def _link_problem(path: bytes, root: bytes) -> tuple[str, str]:
    """Why a link is not followed: its target is scanned anyway, lies outside, or is not there."""
    try:
        os.stat(path)
    except FileNotFoundError:
        return "not_regular", "a link to nothing"
    except OSError as error:
        return "symlink_loop", error.strerror or "a link that cannot be followed"
    home, target = os.path.realpath(root), os.path.realpath(path)
    if target == home or target.startswith(os.path.join(home, b"")):
        return "symlink_loop", "a link into the same folder; its target is looked at by itself"
    return "outside_root", "a link that leads out of the folder; name its target to have it looked at"


def _kind(mode: int) -> str:
    kinds = ((stat.S_ISFIFO, "a named pipe"), (stat.S_ISSOCK, "a socket"), (stat.S_ISDIR, "a folder"))
    return next((name for is_kind, name in kinds if is_kind(mode)), "a device")


def _require(root: bytes) -> None:
    try:
        os.stat(root)
    except PermissionError:
        return  # it is there; the scan says what may not be read
    except OSError as error:
        what = "no such file or folder" if isinstance(error, FileNotFoundError) else str(error.strerror).lower()
        raise AmogusError(f"{what}: {display_path(root)}", "check the spelling, and that its disk is mounted") from None


def _nothing_found(roots: Sequence[bytes]) -> AmogusError:
    where = ", ".join(display_path(root) for root in roots) or "nothing was named"
    return AmogusError(
        f"no pictures in {where}",
        "is its disk mounted? What an index knows of it is kept. "
        "Looked through all folders for JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF and HEIC; dot-folders, index folders, "
        "links and what --exclude names are left out",
    )
