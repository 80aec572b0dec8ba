"""What the operating system refuses, in our words: a full disk, a folder that may not be written to, a name too long.

Who knows more says more, nearer to where it happened; here is what everything else comes to instead of a traceback.
"""

from __future__ import annotations

import codecs
import errno
import logging
import os
import sys
from contextlib import suppress
from typing import TextIO

from amogus_search.core.paths import display_path
from amogus_search.errors import AmogusError

_WAYS_OUT = {
    errno.ENOSPC: "make room, or write to another disk",
    errno.EDQUOT: "make room, or write to another disk",
    errno.EFBIG: "raise the limit of file sizes (ulimit -f), or write to another disk",
    errno.EACCES: "choose a place that you may use, or have its permissions changed",
    errno.EPERM: "choose a place that you may use, or have its permissions changed",
    errno.EROFS: "choose a place on a disk that can be written to",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENOENT: "check the name, and the folders above it",
    errno.ENOTDIR: "part of that path is a file: choose another one",
    errno.EEXIST: "something else has that name: choose another one",
    errno.EISDIR: "name a file, not a folder",
    errno.ELOOP: "links lead in a circle there: choose another path",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "close other programs: the system has no more files to open",
    errno.EIO: "check the disk, and its messages in the system's log",
}


def in_words(error: OSError) -> AmogusError:
    """What was refused, of which path, in the system's words, and the way out; --verbose shows where it happened."""
    logging.getLogger(__name__).debug("refused by the system", exc_info=error)
    said = error.strerror or str(error) or type(error).__name__
    way_out = _WAYS_OUT.get(error.errno or 0, "")
    if error.errno == errno.ENOENT and _is_homeless():
        return AmogusError("the working folder is not there any more", "change to a folder that is there: cd")
    if isinstance(error.filename, (str, bytes)):
        return AmogusError(f"{display_path(os.fsencode(error.filename))} cannot be used: {said}", way_out)
    if error.errno is None:  # libraries have errors of their own that count as the system's
        return AmogusError(said)
    if (lost := flushed()) is not None:
        return lost
    # Unbuffered, nothing is left of the output by which it could be told.
    return AmogusError(f"standard output, or a file that the system did not name, cannot be used: {said}", way_out)


def unprintable(error: UnicodeEncodeError) -> AmogusError | None:
    """The error of an output that has no letter for what stands in an answer; None where it is a bug."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    name = codecs.lookup(encoding).name
    # UTF-8 has a letter for all text: what it cannot write should have been escaped, and that is ours to mend.
    # Most encodings of one byte call themselves "charmap" in their errors.
    if name == "utf-8" or (error.encoding != "charmap" and codecs.lookup(error.encoding).name != name):
        return None
    letter = ascii(error.object[error.start])
    return AmogusError(
        f"standard output takes {encoding}, which has no {letter}",
        "set PYTHONIOENCODING=utf-8, or choose --format json, which needs ASCII only",
    )


def flushed() -> AmogusError | None:
    """Hands over what was printed; an error if it is not taken, and then nothing is left that could fail at the end.

    Readers that go away early are no error: `amogus query | head -1`.
    """
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        drop_output()
    except OSError as error:
        drop_output()
        said = error.strerror or str(error)
        return AmogusError(f"standard output cannot be written: {said}", _WAYS_OUT.get(error.errno or 0, ""))
    return None


def drop_output() -> None:
    """What is left of the output must not become a message when the process ends."""
    with suppress(OSError, ValueError):  # a stream of a test or a notebook has no descriptor
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def missing_output() -> AmogusError | None:
    """The error of a process that was started without standard output (`>&-`); messages may be missing (`2>&-`).

    Without this, the next file that is opened, such as an index, would get what others print to that descriptor.
    """
    out: TextIO | None = sys.stdout
    messages: TextIO | None = sys.stderr
    if messages is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - for as long as the process lives
    if out is None:
        return AmogusError("standard output is closed", "send it to a file, or to /dev/null if nobody reads it")
    return None


def _is_homeless() -> bool:
    try:
        os.getcwd()
    except OSError:
        return True
    return False
