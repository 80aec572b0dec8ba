"""F7, F13, F16: files that kill their decoder, that change while they are read, and names that are no text."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import fault_work as work
import numpy as np
from fault_checks import Outcome, in_child
from PIL import Image

from amogus_search import settings as tunables
from amogus_search.errors import AmogusError
from amogus_search.sources import decode
from amogus_search.sources.process import DecodeProcess
from amogus_search.sources.worker import POISON_VARIABLE
from amogus_search.sources.workers import DecodePool
from amogus_search.store.index import Index

KILLING = {"segfault": "decoder_crash", "abort": "decoder_crash", "exit": "decoder_crash", "memory": "out_of_memory"}
"""Ways of killing a decoder -> the reason with which the file is skipped."""
WORKERS_A_FILE = 2


def _ends(index: Path) -> dict[str, str]:
    """Path in hex -> the digest of its picture, or why there is none."""

    def job(tell: Callable) -> None:
        with Index.open(index) as opened:
            known = opened.known_files()
        tell(ends={path.hex(): file.reason or file.sha256 for path, file in known.items()})

    return dict(in_child(job).last("ends", {}))


def _bitmap(path: Path, number: int) -> None:
    """Whatever half of it is exchanged for that of another one, it is a picture; the digest alone tells."""
    pixels = np.random.default_rng(number).integers(0, 255, (40, 40, 3), np.uint8)
    Image.fromarray(pixels).save(path, "BMP")


# F16


def names(base: Path, size: int, seed: int) -> Outcome:
    """F16: `size` names of any bytes, and links that lead out of the folder or nowhere, which are not followed."""
    dice, outcome = random.Random(seed), Outcome()
    root, outside = os.fsencode(base / "tree"), os.fsencode(base / "outside")
    for folder in (root, outside):
        os.makedirs(folder)
    expected = dict(_links(root, outside))
    for number in range(size):
        path = os.path.join(root, _any_name(dice), _any_name(dice) + b".png")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        work.draw(Path(os.fsdecode(path)), number)
        expected[path] = hashlib.sha256(Path(os.fsdecode(path)).read_bytes()).hexdigest()
    index, photos = base / "i", Path(os.fsdecode(root))
    runs = [in_child(lambda tell: tell(**_counts(work.fill(index, photos)))) for _ in range(2)]
    ends = _ends(index)
    for path, what in expected.items():
        found = ends.get(path.hex())
        outcome.add(path, [] if found == what else [f"{found} and not {what}"])
    more = sorted(set(ends) - {path.hex() for path in expected})
    outcome.add("nothing else is in the index", [f"{more}"] if more else [])
    again = runs[1].last("unchanged")
    outcome.add("nothing is read again", [] if again == size else [f"{again} of {size} unchanged: {runs[1].told[-1:]}"])
    return outcome


def _counts(report: object) -> dict[str, int]:
    return {name: getattr(report, name) for name in ("indexed", "unchanged", "skipped")}


def _any_name(dice: random.Random) -> bytes:
    """Bytes that a name may have; at least one of them is no UTF-8 and the first one is no dot."""
    allowed = bytes(set(range(1, 256)) - {ord("/"), ord(".")})
    return b"\xff" + bytes(dice.choice(allowed) for _ in range(dice.randint(1, 60)))


def _links(root: bytes, outside: bytes) -> Iterator[tuple[bytes, str]]:
    """Makes links, and yields how each of them ends."""
    secret = os.path.join(outside, b"secret.png")
    work.draw(Path(os.fsdecode(secret)), 777)
    targets = {
        b"to-file.png": (secret, "outside_root"),
        b"to-folder": (outside, "outside_root"),
        b"up.png": (b"../outside/secret.png", "outside_root"),
        b"self.png": (b"self.png", "symlink_loop"),
        b"nowhere.png": (b"nothing.png", "not_regular"),
    }
    for name, (target, reason) in targets.items():
        os.symlink(target, os.path.join(root, name))
        yield os.path.join(root, name), reason
    os.mkfifo(os.path.join(root, b"pipe.png"))
    yield os.path.join(root, b"pipe.png"), "not_regular"


# F7


class _Counted(DecodePool):
    """Counts the workers that files cost, and gives up when these are too many for them."""

    def __init__(self, most: int) -> None:
        super().__init__(dataclasses.replace(tunables.DECODE, workers=2))
        self.deaths, self._most = 0, most

    def _bury(self, worker: DecodeProcess) -> str:
        self.deaths += not self._closed
        if self.deaths > self._most:
            raise AmogusError(f"{self.deaths} decoding processes died")
        return super()._bury(worker)


def poison(base: Path, size: int, seed: int) -> Outcome:
    """F7: `size` files of each way of killing a decoder, which cost two workers at most, and none ever after.

    They kill by their content: also under another name, and when the index is asked to look at everything.
    """
    outcome, photos, index = Outcome(), base / "photos", base / "i"
    work.make_photos(photos)
    right = {os.fsencode(path).hex() for path in photos.iterdir() if path.name != "torn.png"}
    expected, words = {}, []
    for place, (action, reason) in enumerate(KILLING.items()):
        for number in range(size):
            path = photos / f"bad-{action}-{number}.bmp"
            _bitmap(path, seed + 1000 * place + number)
            words.append(f"{action}={hashlib.sha256(path.read_bytes()).hexdigest()}")
            expected[path] = reason
    os.environ[POISON_VARIABLE] = ",".join(words)
    most = WORKERS_A_FILE * len(expected)
    first = _with_counted(index, photos, 4 * most)
    ends = _ends(index)
    for path, reason in expected.items():
        found = ends.get(os.fsencode(path).hex())
        outcome.add(path.name, [] if found == reason else [f"{found} and not {reason}"])
    lost = [name for name in right if len(ends.get(name, "")) != 64]
    outcome.add("the good pictures", [f"{len(lost)} are lost: {first.told[-1:]}"] if lost else [])
    deaths = first.last("deaths")
    cost = isinstance(deaths, int) and deaths <= most
    outcome.add("what they cost", [] if cost else [f"{deaths} workers for {len(expected)} files: {first.told[-1:]}"])
    outcome.add("the next run", _wrong_if_it_costs(_with_counted(index, photos, most)))
    for path in expected:
        path.rename(path.with_name(f"renamed-{path.name}"))
    outcome.add("under other names", _wrong_if_it_costs(_with_counted(index, photos, most)))
    return outcome


def _with_counted(index: Path, photos: Path, most: int) -> object:
    def job(tell: Callable) -> None:
        pool = _Counted(most)
        try:
            with pool:
                work.fill(index, photos, pool)
        finally:
            tell(deaths=pool.deaths)

    return in_child(job)


def _wrong_if_it_costs(ended: object) -> list[str]:
    return [] if ended.last("deaths") == 0 and ended.last("finished") else [f"they are tried again: {ended.told[-2:]}"]


# F13


def changing(base: Path, size: int, seed: int) -> Outcome:
    """F13: files that change when half of them is read; they are pictures before and after.

    The index must hold a content that the file had, or say that it changed; the next run makes it what the file is.
    """
    dice, outcome = random.Random(seed), Outcome()
    for turn in range(size):
        for name, change in CHANGES.items():
            photos, index = base / f"photos-{turn}-{name}", base / f"i-{turn}-{name}"
            photos.mkdir()
            for number in range(3):
                _bitmap(photos / f"{number}.bmp", 100 * turn + number)
            victim, other = photos / "1.bmp", base / f"other-{turn}-{name}"
            _bitmap(other, 100 * turn + 50)
            time.sleep(0.02)  # beyond one tick of the file system's clock
            whole = [_digest(victim), _digest(other)]
            act, share = (lambda: change(victim, other)), dice.uniform(0.1, 0.9)  # noqa: B023
            ended = in_child(lambda tell: _while_read(index, photos, victim, act, share))  # noqa: B023
            found = _ends(index).get(os.fsencode(victim).hex())
            problems = [] if found in (*whole, "changed_while_reading") else [f"it holds {found}: {ended.told[-1:]}"]
            in_child(lambda tell: work.fill(index, photos, confirm_deletions=True))  # noqa: B023
            now = _digest(victim) if victim.exists() else None
            found = _ends(index).get(os.fsencode(victim).hex())
            outcome.add((name, turn), problems + ([] if found == now else [f"it stays {found} and not {now}"]))
    return outcome


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _while_read(index: Path, photos: Path, victim: Path, act: Callable[[], object], share: float) -> None:
    """Index the folder; `act` happens when that share of the victim is read."""
    inode, left = victim.stat().st_ino, [act]

    class Slow(io.FileIO):
        def read(self, size: int = -1) -> bytes:
            if not left or os.fstat(self.fileno()).st_ino != inode:
                return super().read(size)
            head = super().read(int(share * size))
            left.pop()()
            return head + super().read(size)

        readall = read

    decode.io = SimpleNamespace(FileIO=Slow, BytesIO=io.BytesIO)
    work.fill(index, photos)


def _written_over(victim: Path, other: Path) -> None:
    with victim.open("r+b") as file:
        file.write(other.read_bytes())


def _with_its_old_time(victim: Path, other: Path) -> None:
    before = victim.stat()
    _written_over(victim, other)
    os.utime(victim, ns=(before.st_atime_ns, before.st_mtime_ns))


def _grown(victim: Path, other: Path) -> None:
    with victim.open("ab") as file:
        file.write(b"more")


def _exchanged(victim: Path, other: Path) -> None:
    other.replace(victim)


CHANGES: dict[str, Callable[[Path, Path], object]] = {
    "written over": _written_over,
    "written over, with its old time": _with_its_old_time,
    "grown": _grown,
    "exchanged": _exchanged,
    "deleted": lambda victim, other: victim.unlink(),
}
