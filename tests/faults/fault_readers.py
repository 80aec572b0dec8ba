"""F10: readers while somebody writes: those that stay, and whole processes that come and go."""

from __future__ import annotations

import mmap
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import fault_work as work
import numpy as np
from fault_checks import PATIENCE_S, Ended, Outcome, in_child

from amogus_search.core.types import Detections, FileEntry, FileStat, ImageFindings
from amogus_search.errors import IndexLockedError
from amogus_search.store.catalog import Catalog
from amogus_search.store.index import Index
from amogus_search.testing import RED_BOX

MANY, ANSWERS_EACH, FEW_ANSWERS_EACH = 200, 500, 20
"""Of so many publications on, so many answers each: 100,000 of them."""


class _Counts:
    """Numbers that this process and its forks see alike, a slot each."""

    def __init__(self) -> None:
        self._slots = np.frombuffer(mmap.mmap(-1, 4096), np.int64)

    def adder(self, slot: int) -> Callable[[], None]:
        """Adds one in a slot of its own."""

        def add() -> None:
            self._slots[slot] += 1

        return add

    def wait_for(self, total: int) -> None:
        """Until so many are counted; not for ever, since a reader may have failed."""
        deadline = time.monotonic() + PATIENCE_S
        while self._slots.sum() < total and time.monotonic() < deadline:
            time.sleep(0.001)


def readers(base: Path, size: int, seed: int) -> Outcome:
    """F10: four readers ask while one process publishes `size` times and deletes old generations; coherent answers."""
    base.mkdir(parents=True, exist_ok=True)
    index, outcome = base / "i", Outcome()
    with Index.open(index, "w", create=True, identity=work.IDENTITY, motif=RED_BOX) as writer:
        writer.rescore("half", work.half)
        publish(writer, 0)
    stop, asked = base / "stop", _Counts()
    children = [
        _reader(index, stop, seed + number, base / f"reader-{number}", asked.adder(number)) for number in range(4)
    ]
    with Index.open(index, "w") as writer:
        writer.rescore("half", work.half)
        for number in range(1, size):
            publish(writer, number)
            asked.wait_for(number * (ANSWERS_EACH if size >= MANY else FEW_ANSWERS_EACH))
    stop.touch()
    for number, child in enumerate(children):
        _, status = os.waitpid(child, 0)
        told = (base / f"reader-{number}").read_text().splitlines()
        count = int(told[0]) if told and told[0].isdigit() else 0
        outcome.tried += count
        outcome.wrong += told[1:] if count else [f"a reader ended with {status}: {told}"]
    return outcome


def publish(writer: Index, number: int) -> None:
    """Two more pictures with equal vectors, which a reader must see together or not at all; the oldest two go."""
    vector = np.random.default_rng(number).normal(size=8).astype(np.float32)
    pair = []
    for twin in "ab":
        stat = FileStat(1, number, 1, 1, 1)
        entry = FileEntry(f"/p/{number:06}{twin}".encode(), b"/p", stat)
        sha256 = f"{number:063}{twin}"
        found = Detections.make(np.zeros((0, 4)), (), keypoint_names=RED_BOX.keypoint_names)
        found = found.with_evidence(np.zeros((0, len(RED_BOX.evidence_names))), RED_BOX.evidence_names)
        whole = {"sha256": sha256, "format": "PNG", "full_wh": (9, 9), "image_vector": vector / np.linalg.norm(vector)}
        pair.append(
            ImageFindings(entry=entry, detections=found, detection_vectors=np.zeros((0, 8), np.float32), **whole)
        )
    gone = [f"/p/{number - 20:06}{twin}".encode() for twin in "ab"] if number >= 20 else []
    writer.write(added=pair)
    if gone:
        writer.write(removed=gone)
    writer.publish()


def _reader(index: Path, stop: Path, seed: int, told: Path, add: Callable[[], None]) -> int:
    child = os.fork()
    if child:
        return child
    dice, wrong, count = np.random.default_rng(seed), [], 0
    try:
        while not stop.exists():
            with Index.open(index) as reader:
                for _ in range(25):
                    count += 1
                    wrong += wrong_answer(reader, dice)
                    add()
    except BaseException as error:  # noqa: BLE001 - told to the parent
        wrong.append(f"{type(error).__name__}: {error}")
    finally:
        told.write_text("\n".join([str(count), *wrong[:20]]))
        os._exit(0)


def wrong_answer(reader: Index, dice: np.random.Generator) -> list[str]:
    hits = reader.similar(dice.normal(size=8).astype(np.float32), None)
    names = sorted(hit.path.decode() for hit in hits)
    twins = [name[:-1] for name in names]
    problems = [] if all(twins.count(name) == 2 for name in set(twins)) else [f"half of a commit: {names}"]
    numbers = sorted({int(name[3:]) for name in twins})
    if numbers != list(range(numbers[0], numbers[-1] + 1)) or not 1 <= len(numbers) <= 21:
        problems.append(f"a mixture: {numbers}")
    scores = [hit.score for hit in hits]
    return problems + ([] if scores == sorted(scores, reverse=True) else ["not in order"])


A_WRITER = 20
"""So many publications a writer makes if nobody kills it; every second one is killed before."""
COMMIT_S = 0.005


def visitors(base: Path, size: int, seed: int) -> Outcome:
    """F10 again: processes that open the index, ask or verify or would write, and end, while writers come and go too.

    Only a process that ends gives up all of its locks, and only one that comes when nobody holds any takes the shared
    memory for left over: readers that stay do not show whether a writer still has its own.
    """
    base.mkdir(parents=True, exist_ok=True)
    index, outcome, dice = base / "i", Outcome(), random.Random(seed)
    ended = in_child(lambda tell: _write_on(index, 1, tell))
    assert ended.last("finished"), ended
    publications, seconds = 1, 0.5
    while publications < size and not outcome.wrong:
        kill_after = dice.uniform(0, 1.5 * seconds) if len(outcome.notes) % 2 else None
        ended = in_child(
            lambda tell: _write_on(index, A_WRITER, tell),
            during=lambda child: _visited(child, index, dice, kill_after, outcome),  # noqa: B023
        )
        outcome.notes[f"writer {len(outcome.notes) + 1}"] = ended.status
        outcome.wrong += _wrong_writer(ended, kill_after)
        published = [line["published"] for line in ended.told if "published" in line]
        publications, seconds = publications + len(published), ended.seconds
        there = in_child(lambda tell: tell(newest=_newest(index))).last("newest", -1)
        if published and there < published[-1]:
            outcome.wrong.append(f"{published[-1]} was published, and {there} is the newest")
    found = in_child(lambda tell: tell(problems=work.state(index).problems)).last("problems", ["verify fails"])
    outcome.wrong += found
    return outcome


def _write_on(index: Path, count: int, tell: Callable) -> None:
    """Go on where the last writer ended; what it may have been killed over is done once more."""
    _take_time_to_commit()
    with _sole_writer(index) as writer:
        writer.rescore("half", work.half)
        first = max(_numbers(writer), default=0)
        for number in range(first, first + count):
            publish(writer, number)
            tell(published=number)


def _take_time_to_commit() -> None:
    """As on a disk, which these tests do not use: who comes within a transaction must not disturb it."""
    real = Catalog.run

    def run(self: Catalog, sql: str, *parameters: object) -> object:
        if sql == "COMMIT":
            time.sleep(COMMIT_S)
        return real(self, sql, *parameters)

    Catalog.run = run


def _sole_writer(index: Path) -> Index:
    """A visitor may have come first: it is waited for, not for ever."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return Index.open(index, "w", create=True, identity=work.IDENTITY, motif=RED_BOX)
        except IndexLockedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.001)


def _newest(index: Path) -> int:
    with Index.open(index) as reader:
        return max(_numbers(reader), default=-1)


def _numbers(index: Index) -> list[int]:
    hits = index.similar(np.eye(8, dtype=np.float32)[0], None) if index.counts()["vectors"] else []
    return [int(hit.path[3:-1]) for hit in hits]


def _visited(child: int, index: Path, dice: random.Random, kill_after: float | None, outcome: Outcome) -> None:
    """Three visitors at a time until the writer has ended; it is killed after so many seconds, if it is to be."""
    deadline = time.monotonic() + (PATIENCE_S if kill_after is None else kill_after)
    told, visits = index.parent / "told", set[int]()
    while _is_running(child):
        if kill_after is not None and time.monotonic() >= deadline:
            os.kill(child, signal.SIGKILL)  # not waited for yet: the number is still its own
        if len(visits) < 3:
            visits.add(_visitor(index, dice.choice(list(VISITS)), dice.randrange(10**6), told))
        else:
            visits -= _ended(visits, told, outcome, os.WNOHANG)
            time.sleep(0.0005)
    _ended(visits, told, outcome, 0)


def _is_running(child: int) -> bool:
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


def _ended(visits: set[int], told: Path, outcome: Outcome, how: int) -> set[int]:
    gone = set()
    for visit in visits:
        number, status = os.waitpid(visit, how)
        if number:
            gone.add(visit)
            said = told.with_name(f"told-{visit}")
            problems = said.read_text().splitlines() if said.exists() else [f"it ended with {status}"]
            said.unlink(missing_ok=True)
            outcome.add("visitor", problems if status else [])
    return gone


def _visitor(index: Path, kind: str, seed: int, told: Path) -> int:
    child = os.fork()
    if child:
        return child
    wrong = [f"{kind}: it did not end"]
    try:
        wrong = VISITS[kind](index, np.random.default_rng(seed))
    except BaseException as error:  # noqa: BLE001 - told to the parent
        wrong = [f"{kind}: {type(error).__name__}: {error}"]
    finally:
        if wrong:
            told.with_name(f"told-{os.getpid()}").write_text("\n".join(wrong[:5]))
        os._exit(bool(wrong))


def _asks(index: Path, dice: np.random.Generator) -> list[str]:
    with Index.open(index) as reader:
        return [problem for _ in range(3) for problem in wrong_answer(reader, dice)]


def _verifies(index: Path, dice: np.random.Generator) -> list[str]:
    with Index.open(index) as reader:
        return list(reader.verify()) + wrong_answer(reader, dice)


def _would_write(index: Path, dice: np.random.Generator) -> list[str]:
    """One writer is there already, unless it was just killed; then this one changes nothing."""
    try:
        with Index.open(index, "w", identity=work.IDENTITY, motif=RED_BOX) as writer:
            return wrong_answer(writer, dice)
    except IndexLockedError:
        return []


VISITS = {"asks": _asks, "verifies": _verifies, "would write": _would_write}


def _wrong_writer(ended: Ended, kill_after: float | None) -> list[str]:
    if ended.last("finished") or (kill_after is not None and ended.status == -signal.SIGKILL):
        return []
    return [f"a writer ended with {ended.status}: {ended.told[-1:]}"]
