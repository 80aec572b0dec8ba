"""Pictures that were under way when a run died: which of them to try alone, and which never again.

A decoder's death is seen by whoever started it. What kills the process of the models itself is known only by the note
that was made before: the list of files in flight. Dying of a signal that a bug raises (`crashed`) makes all on it
suspects at once; a kill from outside, or a power cut, says little, and only many of them in a row count as much. A run
that ended in one of our errors, or was interrupted, did not die.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from amogus_search.core.types import FileEntry, SkippedImage
from amogus_search.errors import DecodeError
from amogus_search.pipeline.index_ports import FileReader, KnownFile

NOTED = 64
"""So many files are noted as in flight at a time: one small transaction for all of them."""
_KILLS = 3
"""So many deaths without a trace make suspects: an out-of-memory killer leaves none."""
_KILLS_ALONE = 21
"""Many, since nobody may lose a good picture by killing a run again and again; `make faults` kills one twenty times."""
_CRASHES_ALONE = 2
COSTLY = frozenset({"decoder_crash", "timeout", "out_of_memory"})
"""What cost a process or its time: remembered by content, so that a copy or a renamed file does not cost it again."""


@dataclass(frozen=True)
class Suspects:
    """Paths to be tried one by one, and the one that killed the run also when it was alone -> deaths so far."""

    alone: Mapping[bytes, int] = field(default_factory=dict)
    condemned: Mapping[bytes, int] = field(default_factory=dict)


def judge(in_flight: Mapping[bytes, int], *, crashed: bool) -> Suspects:
    """What follows from the list that the last run left.

    Args:
        in_flight: path -> how many runs died while it was on the list.
        crashed: the last run died of a bug and not of a kill.
    """
    if len(in_flight) == 1 and max(in_flight.values()) >= (_CRASHES_ALONE if crashed else _KILLS_ALONE):
        return Suspects(condemned=dict(in_flight))
    return Suspects({path: deaths for path, deaths in in_flight.items() if crashed or deaths >= _KILLS})


def condemned(entry: FileEntry, deaths: int, reader: FileReader) -> SkippedImage:
    """The file as skipped, with the digest by which its copies are known."""
    try:
        sha256 = reader.digest(entry)[0]
    except DecodeError as error:
        return SkippedImage(entry, error.reason, error.detail)
    return SkippedImage(entry, "decoder_crash", f"the program died {deaths} times while it looked at it", sha256)


def remembered(known: Mapping[bytes, KnownFile], tag: str) -> tuple[dict[str, str], frozenset[int]]:
    """Contents that cost a process before, with the same decoders -> why; and the sizes of their files."""
    cost = [file for file in known.values() if file.reason in COSTLY and file.tag == tag and file.sha256 and file.stat]
    reasons = {file.sha256: file.reason for file in cost if file.sha256 and file.reason}
    return reasons, frozenset(file.stat.size for file in cost if file.stat)
