"""F2, F3, F9, F15, F19: several processes, signals, vanished folders, and what must come out the same."""

from __future__ import annotations

import dataclasses
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import fault_work as work
import numpy as np
from fault_checks import Bench, Ended, Outcome, in_child

from amogus_search import registry
from amogus_search import settings as tunables
from amogus_search.cli.main import main
from amogus_search.core.types import Detections
from amogus_search.sources.folder import FolderSource
from amogus_search.sources.workers import DecodePool
from amogus_search.store.index import Index
from amogus_search.testing import RED_BOX, FakeDetector

WORKER = b"amogus_search.sources import worker"


def workers_of(mark: str) -> list[int]:
    """Decoding processes that were started under a mark in the environment, whoever their parent is now."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if not folder.name.isdigit() or WORKER not in (folder / "cmdline").read_bytes():
                continue
            if f"AMOGUS_FAULT_MARK={mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def stray(mark: str) -> list[str]:
    """Decoding processes that do not end within three seconds."""
    deadline = time.monotonic() + 3
    while workers_of(mark) and time.monotonic() < deadline:
        time.sleep(0.02)
    return [f"process {number} is left" for number in workers_of(mark)]


def _with_pool(bench: Bench, index: Path, workers: int = 2) -> Callable:
    def job(tell: Callable) -> None:
        with DecodePool(dataclasses.replace(tunables.DECODE, workers=workers)) as pool:
            work.fill(index, bench.folders.photos, pool)

    return job


def random_kills(base: Path, size: int, seed: int) -> Outcome:
    """F2: kill -9 at random times, decoding processes and all; each index up to twenty times, then finished."""
    bench, outcome, dice = Bench(base, 24), Outcome(), random.Random(seed)
    os.environ["AMOGUS_FAULT_MARK"] = mark = f"{os.getpid()}-{seed}"
    bench.folders.now("before")
    plain = in_child(_with_pool(bench, bench.new_index()))
    expected = bench.look(bench.index)
    while outcome.tried < size:
        index = bench.new_index()
        for _ in range(20):
            ended = in_child(_with_pool(bench, index), during=_killer(dice.uniform(0, 1.1 * plain.seconds)))
            outcome.add("kill", [] if ended.status in (0, -9) else [f"it ends with {ended.status}: {ended.told}"])
            if ended.last("finished") or outcome.tried >= size:
                break
        ended = in_child(_with_pool(bench, index))
        problems = [] if bench.look(index) == expected else [f"it ends otherwise: {ended.told}"]
        outcome.wrong += problems + stray(mark) + work.leftovers(index)
    return outcome


def _killer(after: float) -> Callable[[int], None]:
    def kill(child: int) -> None:
        time.sleep(after)
        os.kill(child, signal.SIGKILL)

    return kill


AT_HAND = 8
"""Batches of four pictures that a run may finish when it is stopped: those waiting, and those decoded ahead."""
SIGNALS = {"SIGINT": 1, "SIGTERM": 1, "SIGINT twice": 2, "SIGHUP": 1}


def signals(base: Path, size: int, seed: int) -> Outcome:
    """F3: signals at random times of `amogus index`: 130 within ten seconds, nothing left, and the next run goes on."""
    bench, outcome, dice = Bench(base, 72), Outcome(), random.Random(seed)
    os.environ["AMOGUS_FAULT_MARK"] = mark = f"{os.getpid()}-{seed}"
    bench.folders.now("before")
    time.sleep(2.5)  # a file that was just made is looked at again by the next run
    plain = in_child(_command(bench, bench.new_index()))
    assert plain.last("code") == 0, plain
    expected = bench.look(bench.index)
    for name, times in SIGNALS.items():
        for _ in range(size):
            index = bench.new_index()
            after, gap = dice.uniform(0, 1.2 * plain.seconds), dice.uniform(0, 0.2)
            sent: list[float] = []
            number = getattr(signal, name.split()[0])
            ended = in_child(
                _command(bench, index),
                during=lambda child: _send(child, number, times, after, gap, sent),  # noqa: B023
            )
            problems = _wrong_after_signal(ended, sent) + stray(mark)
            if index.exists():
                problems += work.leftovers(index)
            again = in_child(_command(bench, index))
            if bench.look(index) != expected:
                problems.append(f"it ends otherwise: {again.told}")
            outcome.add((name, round(after, 3)), problems)
    return outcome


def _command(bench: Bench, index: Path) -> Callable:
    """`amogus index` in this process, with fakes for the models, which take their time."""

    def job(tell: Callable) -> None:
        class Slow(FakeDetector):
            def detect_tiles(self, tiles: np.ndarray) -> list[Detections]:
                tell(seen=time.monotonic())
                time.sleep(0.08)
                return super().detect_tiles(tiles)

        def load_detector(*_: object, **__: object) -> Slow:
            tell(begun=True)
            return Slow()

        registry.load_detector = load_detector
        registry.load_embedder = lambda *_, **__: work.FakeEmbedder(8)
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        tell(ready=True)
        words = ["index", str(bench.folders.photos), "--index", str(index), "--profile", "fast", "--quiet"]
        tell(code=main(words))

    return job


def _send(child: int, number: int, times: int, after: float, gap: float, sent: list[float]) -> None:
    time.sleep(after)
    for turn in range(times):
        time.sleep(gap if turn else 0)
        os.kill(child, number)  # not waited for yet: the number is still its own
        sent.append(time.monotonic())


def _wrong_after_signal(ended: Ended, sent: list[float]) -> list[str]:
    code = ended.last("code")
    died = ended.status in (-signal.SIGINT, -signal.SIGTERM, -signal.SIGHUP)
    # Until the command listens to them, signals do what they always do; nothing was begun then.
    problems = (
        []
        if code in (0, 130) or (died and not ended.last("begun"))
        else [f"it ends with {code}, {ended.status}: {ended.told}"]
    )
    late = time.monotonic() - sent[-1]
    after = sum(line.get("seen", 0) > sent[0] + 0.1 for line in ended.told)
    if code == 0 and after > AT_HAND:
        problems.append(f"it goes on: {after} batches after the signal")
    return problems + ([f"it takes {late:.1f} s to end"] if late > 10 else [])


def two_writers(base: Path, size: int, seed: int) -> Outcome:
    """F9: up to eight indexers at once: one writes, the others end at once with 75, whatever the lock file says."""
    bench, outcome, dice = Bench(base), Outcome(), random.Random(seed)
    for turn in range(size):
        index = bench.new_index()
        index.mkdir(parents=True)
        if turn % 2:  # left by a process that died; its number may be another's by now
            stale = {"pid": os.getpid() if turn % 4 == 1 else 1, "host": "here", "start": "before"}
            (index / "lock").write_text(str(stale).replace("'", '"'))
        children = [_writer(bench, index) for _ in range(dice.randint(2, 8))]
        time.sleep(0.01)
        ends = [_finished(*child) for child in children]
        codes = sorted(code for code, _ in ends)
        wrong = [] if codes == [0] + [75] * (len(codes) - 1) else [f"they end with {codes}"]
        wrong += [f"one was told after {seconds:.1f} s" for code, seconds in ends if code == 75 and seconds > 1]
        outcome.add((turn, len(codes)), wrong + bench.wrong_in_the_end(index, 1))
    return outcome


def _writer(bench: Bench, index: Path) -> tuple[int, int]:
    """One that holds its role until it is told to go on: (process, pipe to it)."""
    from amogus_search.errors import IndexLockedError

    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        return child, reading
    code = 1
    try:
        os.close(reading)
        started = time.monotonic()
        try:
            with Index.open(index, "w", create=True, identity=work.IDENTITY, motif=RED_BOX):
                os.write(writing, b"0.0")
                time.sleep(0.5)
                code = 0
        except IndexLockedError as error:
            os.write(writing, f"{time.monotonic() - started:.3f}".encode())
            code = error.exit_code if "process" in error.problem else 2
    finally:
        os._exit(code)


def _finished(child: int, reading: int) -> tuple[int, float]:
    _, status = os.waitpid(child, 0)
    seconds = float(os.read(reading, 100) or 0)
    os.close(reading)
    return os.waitstatus_to_exitcode(status), seconds


def vanished(base: Path, size: int, seed: int) -> Outcome:
    """F15: the folder of pictures is gone, empty, unreadable or half gone: nothing is deleted, and that is said."""
    bench, outcome = Bench(base, 80), Outcome()
    whole = base / "whole"
    shutil.copytree(bench.index, whole)
    photos, later = bench.folders.photos, base / "after"
    for turn in range(size):
        for name, (leave, come_back) in LEAVING.items():
            index = bench.new_index()
            shutil.copytree(whole, index)
            leave(photos, later)
            try:
                ended = in_child(lambda tell: _told(tell, index, photos, name))  # noqa: B023
            finally:
                come_back(photos, later)
            found = bench.look(index)
            problems = [] if found["answers"] == bench.expected["answers"] else ["something was deleted"]
            says = f"{ended.last('problem')} {ended.last('hint')} {ended.last('notes')}"
            if not any(word in says for word in ("mounted", "cannot be read", "permission")):
                problems.append(f"it is not said: {ended.told}")
            # Files that came back have other times than in the index that was not disturbed.
            exactly = name in ("gone", "empty") and turn == 0
            outcome.add((name, turn), problems + bench.wrong_in_the_end(index, 2, exactly=exactly))
    return outcome


def _told(tell: Callable, index: Path, photos: Path, name: str) -> None:
    if name in ("not readable", "not to be entered") and os.geteuid() == 0:  # who may read everything
        for path in (index.parent, index, *index.iterdir()):
            os.chown(path, 65534, 65534)
        os.setegid(65534)
        os.seteuid(65534)
    report = work.fill(index, photos)
    tell(notes=list(report.notes), removed=report.removed)


def _away(photos: Path, later: Path) -> None:
    later.rename(later.with_name("away"))


def _back(photos: Path, later: Path) -> None:
    if later.is_dir():
        shutil.rmtree(later)
    later.with_name("away").rename(later)


def _empty(photos: Path, later: Path) -> None:
    _away(photos, later)
    later.mkdir()


def _only_others(photos: Path, later: Path) -> None:
    _empty(photos, later)
    work.draw(later / "another.png", 900)


def _half(photos: Path, later: Path) -> None:
    away = later.with_name("away")
    shutil.copytree(later, away, copy_function=os.link)
    for number, path in enumerate(sorted(later.iterdir())):
        if number >= 9:
            path.unlink()


def _shut(photos: Path, later: Path) -> None:
    later.chmod(0)


def _listed_only(photos: Path, later: Path) -> None:
    later.chmod(0o644)


def _opened(photos: Path, later: Path) -> None:
    later.chmod(0o755)


LEAVING = {
    "not readable": (_shut, _opened),
    "not to be entered": (_listed_only, _opened),
    "gone": (_away, _back),
    "empty": (_empty, _back),
    "another disk in its place": (_only_others, _back),
    "most of it gone": (_half, _back),
}


def same_result(base: Path, size: int, seed: int) -> Outcome:
    """F19: one run; twenty interrupted ones; other orders of files; one and four decoding processes: the same index."""
    bench, outcome, dice = Bench(base, 60 if size > 8 else 24), Outcome(), random.Random(seed)
    bench.folders.now("before")
    photos = bench.folders.photos
    index = bench.new_index()
    in_child(lambda tell: work.fill(index, photos))
    expected = bench.look(bench.index)
    in_child(_with_pool(bench, bench.new_index()))
    by_pool = bench.look(bench.index)  # its skipped files name other decoders
    for turn in range(size):
        index = bench.new_index()
        kind = ("interrupted", "shuffled", "one worker", "four workers")[turn % 4]
        if kind == "interrupted":
            for _ in range(20):
                in_child(lambda tell: work.fill(index, photos, should_stop=_after(dice.randint(1, 9))))  # noqa: B023
            ended = in_child(lambda tell: work.fill(index, photos))  # noqa: B023
        elif kind == "shuffled":
            ended = in_child(lambda tell: _shuffled(index, photos, turn))  # noqa: B023
        else:
            ended = in_child(_with_pool(bench, index, 1 if kind == "one worker" else 4))
        found, right = bench.look(index), by_pool if "worker" in kind else expected
        outcome.add((kind, turn), [] if found == right else [f"it is another: {ended.told} {found['problem']}"])
    return outcome


def _after(times: int) -> Callable[[], bool]:
    left = [times]

    def should_stop() -> bool:
        left[0] -= 1
        return left[0] < 0

    return should_stop


def _shuffled(index: Path, photos: Path, seed: int) -> None:
    real = FolderSource.scan

    def scan(self: FolderSource) -> object:
        entries = list(real(self))
        random.Random(seed).shuffle(entries)
        return iter(entries)

    FolderSource.scan = scan
    work.fill(index, photos)
