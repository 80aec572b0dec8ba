"""The checks themselves: each tries many faults and says which were not survived. Run by `fault_runner.py`.

They run in a process of their own that has everything imported and no threads: a trial is a fork of it, which takes a
few milliseconds to start. A seeded bug (`fault_bugs`) is in that process from the start, so that the same checks show
whether they would find it.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import json
import os
import pickle
import random
import select
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import fault_power_loss as power
import fault_work as work
from fault_disk import Disk, Fault

from amogus_search.errors import AmogusError
from amogus_search.store.catalog import Catalog
from amogus_search.store.index import Index

PATIENCE_S = 60.0
ERRORS = {name: getattr(errno, name) for name in ("EIO", "EROFS", "EACCES", "EDQUOT")}

BEGINNINGS = ("there is no index", "it holds no", "nothing in the", "in the middle of a change")
"""What readers say of an index that was not made yet."""


@dataclass
class Outcome:
    """How many faults were tried, and what went wrong, a line each fault that was not survived."""

    tried: int = 0
    wrong: list[str] = field(default_factory=list)
    notes: dict[str, object] = field(default_factory=dict)

    def add(self, what: object, problems: list[str]) -> None:
        """One more."""
        self.tried += 1
        if problems:
            self.wrong.append(f"{what}: {'; '.join(problems)}")


@dataclass(frozen=True)
class Ended:
    """What became of a child: how it ended (minus a signal's number), and what it told, the last is its result."""

    status: int
    told: list
    seconds: float

    def last(self, key: str, otherwise: object = None) -> object:
        """The last value that was told under a name."""
        return next((line[key] for line in reversed(self.told) if key in line), otherwise)


def in_child(job: Callable[[Callable], object], *, during: Callable[[int], None] | None = None) -> Ended:
    """Run a job in a fork of this process; `during` gets its number, to send it signals."""
    reading, writing = os.pipe()
    started = time.monotonic()
    child = os.fork()
    if not child:
        os.close(reading)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup it is ignored, which the command respects
        try:
            _child(job, writing)
        finally:
            os._exit(99)
    os.close(writing)
    if during is not None:
        during(child)
    text = b""
    while select.select([reading], [], [], max(0.0, PATIENCE_S - (time.monotonic() - started)))[0]:
        chunk = os.read(reading, 65536)
        if not chunk:
            break
        text += chunk
    else:
        os.kill(child, signal.SIGKILL)
        text += b'{"hung": true}\n'
    os.close(reading)
    _, status = os.waitpid(child, 0)
    lines = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith(b"\n")]
    return Ended(os.waitstatus_to_exitcode(status), lines, time.monotonic() - started)


def _child(job: Callable[[Callable], object], writing: int) -> None:
    def tell(**values: object) -> None:
        os.write(writing, json.dumps(values).encode() + b"\n")

    try:
        job(tell)
        tell(finished=True)
    except AmogusError as error:
        tell(ours=type(error).__name__, problem=error.problem, hint=error.hint)
    except BaseException as error:  # noqa: BLE001 - told to the parent
        import traceback

        tell(foreign=f"{type(error).__name__}: {error}", trace=traceback.format_exc()[-1500:])
    os._exit(0)


class Bench:
    """A folder of pictures at two times, and what an undisturbed run makes of it."""

    def __init__(self, base: Path, count: int = work.PICTURES) -> None:
        self.base = base
        self.folders = work.Folders(base).make(count)
        self.number = 0
        ended = self.run(self.new_index(), Fault())
        assert ended.last("finished"), ended
        self.operations = int(ended.last("operations"))
        self.names: list[str] = list(ended.last("names"))
        self.reached = bool(ended.last("reached"))
        self.expected = self.look(self.index)

    def new_index(self) -> Path:
        """A place for the next index; the one before goes away."""
        if self.number:
            shutil.rmtree(self.index, ignore_errors=True)
        self.number += 1
        self.index = self.base / f"index-{self.number}" / "i"
        return self.index

    def _fill(self, index: Path, stage: int, fault: Fault | None, tell: Callable) -> None:
        index.parent.mkdir(exist_ok=True)
        disk = Disk(str(index), fault or Fault())
        if fault is not None:
            tell(reached=disk.install())
        real = Index.write

        def write(self: Index, **values: object) -> None:
            real(self, **values)
            tell(acknowledged=sum(self.counts()[name] for name in ("indexed", "skipped", "removed")))

        Index.write = write
        try:
            self.folders.fill(index, stage, lambda done: tell(stage=done))
        finally:
            tell(operations=disk.done, names=disk.names)

    def run(self, index: Path, fault: Fault | None, stage: int = 1) -> Ended:
        """Fill an index in a child, with a fault."""
        return in_child(lambda tell: self._fill(index, stage, fault, tell))

    def look(self, index: Path) -> dict:
        """What a reader in a process of its own finds."""

        def job(tell: Callable) -> None:
            tell(state=asdict(work.state(index)), answers=[(path.hex(), score) for path, score in work.answers(index)])

        ended = in_child(job)
        return {key: ended.last(key) for key in ("state", "answers", "ours", "problem", "foreign", "hung")}

    def wrong_now(self, index: Path, acknowledged: int) -> list[str]:
        """What a reader must not find after a fault: damage, or less than was committed."""
        found = self.look(index)
        if found["ours"]:
            is_new = any(text in found["problem"] for text in BEGINNINGS)
            return [] if is_new and not acknowledged else [f"a reader is refused: {found['problem']}"]
        if found["state"] is None:
            return [f"a reader fails: {found['foreign'] or found}"]
        counts = dict(found["state"]["counts"])
        there = sum(counts[name] for name in ("indexed", "skipped", "removed"))
        problems = list(found["state"]["problems"])
        return problems + ([f"{there} of {acknowledged} committed files are there"] if there < acknowledged else [])

    def wrong_in_the_end(self, index: Path, stage: int, *, exactly: bool = True) -> list[str]:
        """What differs from an undisturbed run after the next run has gone on; not `exactly`: files were moved."""
        ended = self.run(index, None, stage)
        if not ended.last("finished"):
            return [f"the next run fails: {ended.told[-1:]}"]
        found = self.look(index)
        is_same = found == self.expected
        if not exactly and found["state"]:
            is_same = found["answers"] == self.expected["answers"] and not found["state"]["problems"]
        problems = [] if is_same else [f"it ends otherwise: {_differences(found, self.expected)}"]
        return problems + [f"left behind: {name}" for name in work.leftovers(index)]

    def trial(self, fault: Fault) -> list[str]:
        """One fault: what is wrong right after it, and after the next run."""
        index = self.new_index()
        ended = self.run(index, fault)
        problems = _wrong_end(ended, fault, index)
        stage = min(int(ended.last("stage", 0)), 1) + 1
        problems += self.wrong_now(index, int(ended.last("acknowledged", 0)))
        return problems + self.wrong_in_the_end(index, stage)


def _differences(found: dict, expected: dict) -> str:
    if found["state"] is None:
        return str(found)
    names = [name for name in expected["state"] if found["state"][name] != expected["state"][name]]
    return f"{names} {found['state']['problems']} {found['state']['counts']}"


def _wrong_end(ended: Ended, fault: Fault, index: Path) -> list[str]:
    if ended.last("hung"):
        return ["it hangs"]
    if ended.last("foreign"):
        return [f"it ends in {ended.last('foreign')} {ended.last('trace')}"]
    if fault.kind == "kill":
        return [] if ended.status == -signal.SIGKILL or ended.last("finished") else [f"it ends with {ended.status}"]
    problem = ended.last("problem")
    if problem is not None and str(index) not in problem:
        return [f"the message does not say where: {problem}"]
    if problem is not None and fault.number == errno.ENOSPC and fault.lasts and "bytes" not in problem:
        return [f"the message does not say how much is free: {problem}"]
    return []


def spread(count: int, size: int, seed: int) -> list[int]:
    """So many of the numbers 1..count, all of them if there are no more, evenly spread with a random start."""
    if size >= count:
        return list(range(1, count + 1))
    start = random.Random(seed).random()
    return sorted({1 + int((place + start) * count / size) % count for place in range(size)})


# The checks


def kills(base: Path, size: int, seed: int) -> Outcome:
    """F1: kill -9 before, within and after every durable operation."""
    bench, outcome = Bench(base), Outcome()
    for when in ("before", "mid", "after"):
        for at in spread(bench.operations, size, seed):
            fault = Fault(at, "kill", when)
            outcome.add(fault, bench.trial(fault))
    outcome.notes = {"operations": bench.operations, "reaches SQLite": bench.reached}
    return outcome


def search_file_kills(base: Path, size: int, seed: int) -> Outcome:
    """F1 again, at the operations on search files."""
    return _near_search_files(base, size, seed, 1)


def publication_kills(base: Path, size: int, seed: int) -> Outcome:
    """F1 again, from where search files are written until their row is committed and measured."""
    return _near_search_files(base, size, seed, 30)


def _near_search_files(base: Path, size: int, seed: int, following: int) -> Outcome:
    bench, outcome = Bench(base), Outcome()
    files = {number for number, name in enumerate(bench.names, 1) if name.startswith("vectors-")}
    near = sorted({n + more for n in files for more in range(following) if n + more <= bench.operations})
    for when in ("before", "mid", "after"):
        for place in spread(len(near), size, seed):
            fault = Fault(near[place - 1], "kill", when)
            outcome.add(fault, bench.trial(fault))
    return outcome


def full_disk(base: Path, size: int, seed: int) -> Outcome:
    """F4: no room from every durable operation on."""
    return _errors(base, size, seed, {"ENOSPC": errno.ENOSPC}, lasts=(True,))


def errors(base: Path, size: int, seed: int) -> Outcome:
    """F5: every durable operation fails once, or from then on; writes that take only half."""
    outcome = _errors(base, size, seed, ERRORS, lasts=(False, True))
    bench = Bench(base / "short")
    for at in spread(bench.operations, size, seed):
        outcome.add(("short write", at), bench.trial(Fault(at, "short")))
    for turn in range(min(size, 20)):
        index = bench.new_index()
        ended = in_child(lambda tell: _interrupted(bench.folders, index, 0.0003 * (1 + turn)))  # noqa: B023
        found = bench.look(index)
        outcome.add(("EINTR", turn), [] if found == bench.expected else [f"it ends otherwise: {ended.told}"])
    return outcome


def _interrupted(folders: work.Folders, index: Path, seconds: float) -> None:
    """Fill an index while signals interrupt whatever the process is waiting for."""
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.siginterrupt(signal.SIGALRM, True)
    signal.setitimer(signal.ITIMER_REAL, seconds, seconds)
    try:
        index.parent.mkdir(exist_ok=True)
        folders.fill(index)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def small_disk(base: Path, size: int, seed: int) -> Outcome:
    """F4 again, with a real file system that is too small, in a name space of its own; nothing where none may be made.

    The index is filled until the disk is full; then the disk grows, and the next run must finish.
    """
    bench, outcome = Bench(base), Outcome()
    for turn in range(size):
        kilobytes = 24 + 4 * (seed + turn * 97) % 400
        place = base / "small"
        place.mkdir(exist_ok=True)

        def job(tell: Callable, kilobytes: int = kilobytes, place: Path = place) -> None:
            if not _mounted(place, kilobytes):
                tell(impossible=True)
                return
            index = place / "i"
            ended = bench.run(index, None)
            problems = _wrong_end(ended, Fault(1, "error", number=errno.ENOSPC, lasts=True), index)
            problems += bench.wrong_now(index, int(ended.last("acknowledged", 0)))
            stage = min(int(ended.last("stage", 0)), 1) + 1
            if not _mounted(place, 16_000, "remount"):
                problems.append("the disk could not be made larger")
            tell(problems=problems + bench.wrong_in_the_end(index, stage), full=bool(ended.last("ours")))

        ended = in_child(job)
        if ended.last("impossible"):
            break
        outcome.add(f"{kilobytes} KiB", list(ended.last("problems", [f"the test fails: {ended.told}"])))
        outcome.notes["full"] = int(outcome.notes.get("full", 0)) + bool(ended.last("full"))
    return outcome


def _mounted(place: Path, kilobytes: int, how: str = "") -> bool:
    """Mount a small file system that only this process and its children see."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not how and libc.unshare(0x00020000):  # CLONE_NEWNS
        return False
    private, remount = 0x00040000 | 0x4000, 0x20  # MS_PRIVATE | MS_REC, MS_REMOUNT
    if not how and libc.mount(b"none", b"/", None, private, None):
        return False
    options = f"size={kilobytes}k".encode()
    return not libc.mount(b"tmpfs", os.fsencode(place), b"tmpfs", remount if how else 0, options)


def _errors(base: Path, size: int, seed: int, numbers: dict[str, int], lasts: tuple[bool, ...]) -> Outcome:
    bench, outcome = Bench(base / "errors"), Outcome()
    for turn, (name, number) in enumerate(numbers.items()):
        for stays in lasts:
            for at in spread(bench.operations, size, seed + turn + stays):
                fault = Fault(at, "error", ("before", "mid")[at % 2], number, stays)
                outcome.add((name, fault), bench.trial(fault))
    outcome.notes = {"operations": bench.operations, "reaches SQLite": bench.reached}
    return outcome


def power_loss(base: Path, size: int, seed: int) -> Outcome:
    """F6: the power fails between any two operations; `size` states, each an earlier or the newest committed one."""
    bench, outcome = Bench(base), Outcome()
    index = bench.new_index()
    kept = base / "log.pickle"

    def record(tell: Callable) -> None:
        commits = _Commits()
        disk = Disk(str(index), Fault(), records=True, mark=commits)
        index.parent.mkdir()
        disk.install()
        commits.watch()
        bench.folders.fill(index)
        kept.write_bytes(pickle.dumps((disk.log, commits.digests, index.exists())))

    ended = in_child(record)
    assert ended.last("finished"), ended
    log, digests, _ = pickle.loads(kept.read_bytes())
    every = list(power.states(log, str(index), max(1, -(-size // len(log)) - len(power.MODES) + 1), seed))
    picked = spread(len(every), size, seed)
    for turn, number in enumerate(picked):
        done, mode, files = every[number - 1]
        acknowledged = log[done].mark if done < len(log) else len(digests)
        problems = _wrong_after_power_loss(bench, index, files, digests, acknowledged)
        if turn % 20 == 0:
            stage = 2 if done >= len(log) else 1
            problems += bench.wrong_in_the_end(index, stage) if stage == 2 else []
        outcome.add((f"after {done} operations", mode), problems)
    outcome.notes = {"operations": len(log), "states": len(every), "commits": len(digests)}
    return outcome


def _wrong_after_power_loss(bench: Bench, index: Path, files: dict, digests: list, acknowledged: int) -> list[str]:
    power.make(index, files, str(index))
    found = bench.look(index)
    if found["hung"] or found["foreign"]:
        return [f"a reader fails: {found['foreign'] or 'it hangs'}"]
    if found["ours"]:
        is_new = any(text in found["problem"] for text in BEGINNINGS)
        return [] if is_new and not acknowledged else [f"a reader is refused: {found['problem']}"]
    now = in_child(lambda tell: tell(digest=_digest(sqlite3.connect(index / "catalog.sqlite")))).last("digest")
    problems = list(found["state"]["problems"])
    if now not in digests[max(0, acknowledged - 1) : acknowledged + 1]:
        problems.append(f"it holds no state from the {acknowledged}th commit on")
    return problems


def _digest(connection: sqlite3.Connection) -> str:
    """All rows of all tables."""
    digest = hashlib.sha256()
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
    for (table,) in tables:
        for line in sorted(map(repr, connection.execute(f"SELECT * FROM {table}").fetchall())):
            digest.update(line.encode())
    return digest.hexdigest()


class _Commits:
    """What the catalogue held after each commit. As the mark of an operation: how many there were before it."""

    def __init__(self) -> None:
        self.digests: list[str] = []

    def watch(self) -> None:
        """From now on."""
        real = Catalog.run

        def run(catalog: Catalog, sql: str, *parameters: object) -> object:
            before = getattr(catalog, "seen_changes", 0)
            result = real(catalog, sql, *parameters)
            if not catalog.connection.in_transaction and catalog.connection.total_changes > before:
                catalog.seen_changes = catalog.connection.total_changes
                self.digests.append(_digest(catalog.connection))
            return result

        Catalog.run = run
