"""What SQLite does to its files, seen and disturbed: its own table of system calls, changed in this process.

SQLite's Unix layer lets its system calls be replaced (`xSetSystemCall`), all but fsync, for which the method of an
opened file is replaced. Nothing is preloaded or compiled; the library that Python's sqlite3 uses is asked through
ctypes. For processes that live for one test only: nothing is put back.
"""

from __future__ import annotations

import ctypes
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

_NAME, _POINTER, _INT, _SIZE = ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_ssize_t
_IO_METHODS = 19
_CREATED_WITH_FOLDER = 0x00000800 | 0x00004000 | 0x00080000  # MAIN_JOURNAL | SUPER_JOURNAL | WAL
_IOERR_FSYNC = 1034
_kept: list[object] = []
"""What C code has pointers to."""


class _Vfs(ctypes.Structure):
    _fields_ = [
        ("iVersion", _INT),
        ("szOsFile", _INT),
        ("mxPathname", _INT),
        ("pNext", _POINTER),
        ("zName", _NAME),
        ("pAppData", _POINTER),
        *((name, _POINTER) for name in ("xOpen", "xDelete", "xAccess", "xFullPathname", "xDlOpen", "xDlError")),
        *((name, _POINTER) for name in ("xDlSym", "xDlClose", "xRandomness", "xSleep", "xCurrentTime")),
        *((name, _POINTER) for name in ("xGetLastError", "xCurrentTimeInt64")),
        *((name, _POINTER) for name in ("xSetSystemCall", "xGetSystemCall", "xNextSystemCall")),
    ]


class _File(ctypes.Structure):
    _fields_ = [("pMethods", ctypes.POINTER(_POINTER * _IO_METHODS))]


_OPEN = ctypes.CFUNCTYPE(_INT, _POINTER, _POINTER, _POINTER, _INT, _POINTER)
_DELETE = ctypes.CFUNCTYPE(_INT, _POINTER, _NAME, _INT)
_SYNC = ctypes.CFUNCTYPE(_INT, _POINTER, _INT)
_CALLS = {
    "open": ctypes.CFUNCTYPE(_INT, _NAME, _INT, _INT, use_errno=True),
    "pwrite": ctypes.CFUNCTYPE(_SIZE, _INT, _POINTER, ctypes.c_size_t, ctypes.c_int64, use_errno=True),
    "pwrite64": ctypes.CFUNCTYPE(_SIZE, _INT, _POINTER, ctypes.c_size_t, ctypes.c_int64, use_errno=True),
    "ftruncate": ctypes.CFUNCTYPE(_INT, _INT, ctypes.c_int64, use_errno=True),
    "unlink": ctypes.CFUNCTYPE(_INT, _NAME, use_errno=True),
}


def library() -> ctypes.CDLL | None:
    """The SQLite that `sqlite3` uses; None where it cannot be reached (it is hidden inside Python)."""
    import _sqlite3

    mapped = {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "libsqlite3" in line}
    for name in (*mapped, getattr(_sqlite3, "__file__", None)):
        try:
            found = ctypes.CDLL(name)
            found.sqlite3_vfs_find.restype = ctypes.POINTER(_Vfs)
            found.sqlite3_libversion.restype = _NAME
        except (OSError, AttributeError, TypeError):
            continue
        if found.sqlite3_libversion().decode() == sqlite3.sqlite_version:
            return found
    return None


def install(operation: Callable[..., int | None], is_watched: Callable[[str], bool]) -> bool:
    """Ask before every durable operation of SQLite; False where its library cannot be reached.

    Args:
        operation: called as `operation(name, path, do, *details)`, where `do(size)` does it (a write of so many of
            its bytes) and gives what the system call gave. It returns that, or an errno as a negative number.
        is_watched: whether a path is one to ask for.
    """
    found = library()
    if found is None:
        return False
    vfs = found.sqlite3_vfs_find(None).contents
    getter = ctypes.CFUNCTYPE(_POINTER, _POINTER, _NAME)(vfs.xGetSystemCall)
    setter = ctypes.CFUNCTYPE(_INT, _POINTER, _NAME, _POINTER)(vfs.xSetSystemCall)
    for name, prototype in _CALLS.items():
        address = getter(ctypes.addressof(vfs), name.encode())
        if address:
            shim = prototype(_around(name, prototype(address), operation, is_watched))
            _kept.append(shim)
            setter(ctypes.addressof(vfs), name.encode(), ctypes.cast(shim, _POINTER))
    opener = _OPEN(_opening(_OPEN(vfs.xOpen), operation, is_watched))
    _kept.append(opener)
    vfs.xOpen = ctypes.cast(opener, _POINTER).value
    remover = _DELETE(_deleting(_DELETE(vfs.xDelete), operation, is_watched))
    _kept.append(remover)
    vfs.xDelete = ctypes.cast(remover, _POINTER).value
    return True


def _path_of(fd: int) -> str:
    return os.readlink(f"/proc/self/fd/{fd}")


def _around(name, original, operation, is_watched):
    def told(result: int) -> int:
        if result < 0 and result != -1:
            ctypes.set_errno(-result)
            return -1
        return result

    def write(fd: int, data: int, size: int, offset: int) -> int:
        path = _path_of(fd)
        if not is_watched(path):
            return original(fd, data, size, offset)
        content = ctypes.string_at(data, size)
        return told(operation("write", path, lambda n: original(fd, data, n, offset), content, offset))

    def truncate(fd: int, size: int) -> int:
        path = _path_of(fd)
        if not is_watched(path):
            return original(fd, size)
        return told(operation("truncate", path, lambda _: original(fd, size), size))

    def remove(path: bytes) -> int:
        if not is_watched(os.fsdecode(path)):
            return original(path)
        return told(operation("unlink", os.fsdecode(path), lambda _: original(path)))

    def opened(path: bytes, flags: int, mode: int) -> int:
        text = os.fsdecode(path)
        if not flags & os.O_CREAT or not is_watched(text) or os.path.lexists(text):
            return original(path, flags, mode)
        return told(operation("create", text, lambda _: original(path, flags, mode)))

    return {"open": opened, "ftruncate": truncate, "unlink": remove}.get(name, write)


def _deleting(original, operation, is_watched):
    def deleted(vfs: int, name: bytes, syncs_folder: int) -> int:
        result = original(vfs, name, syncs_folder)
        if result == 0 and syncs_folder and is_watched(os.fsdecode(name)):
            operation("folder", os.path.dirname(os.fsdecode(name)), lambda _: 0)
        return result

    return deleted


def _opening(original, operation, is_watched):
    """`xOpen` that gives each watched file a `sync` which asks first."""
    tables: dict[tuple[int, int], object] = {}
    unsynced: dict[int, str] = {}
    paths: dict[int, str] = {}

    def syncing(sync):
        def asked(file: int, flags: int) -> int:
            path = paths.get(file)
            if path is None:
                return sync(file, flags)
            done = operation("fsync", path, lambda _: sync(file, flags))
            if done < 0:
                return _IOERR_FSYNC
            if done == 0 and file in unsynced:  # SQLite's sync of a new log also syncs the folder that it is in
                operation("folder", os.path.dirname(unsynced.pop(file)), lambda _: 0)
            return done

        return asked

    def opened(vfs: int, name: int | None, file: int, flags: int, out: int) -> int:
        # The pointer itself is handed on: SQLite keeps it, and looks for parameters behind the name.
        path = os.fsdecode(ctypes.string_at(name)) if name else ""
        is_new = bool(path) and not os.path.lexists(path)
        result = original(vfs, name, file, flags, out)
        paths.pop(file, None)
        unsynced.pop(file, None)
        if result != 0 or not is_watched(path):
            return result
        paths[file] = path
        if is_new and flags & _CREATED_WITH_FOLDER:
            unsynced[file] = path
        methods = ctypes.cast(file, ctypes.POINTER(_File)).contents
        address = ctypes.addressof(methods.pMethods.contents)
        if address not in tables:
            changed = (_POINTER * _IO_METHODS)(*methods.pMethods.contents)
            shim = _SYNC(syncing(_SYNC(changed[5])))
            _kept.append(shim)
            changed[5] = ctypes.cast(shim, _POINTER).value
            tables[address] = changed
            _kept.append(changed)
        methods.pMethods = ctypes.pointer(tables[address])
        return result

    return opened
