from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

import amogus_search
from amogus_search.core.types import DecodedImage, FileEntry, SkippedImage
from amogus_search.settings import DecodeSettings
from amogus_search.sources import wire, workers
from amogus_search.sources.process import DecodeProcess
from amogus_search.sources.worker import POISON_VARIABLE
from amogus_search.sources.workers import DecodePool

QUICK = DecodeSettings(timeout_s=1.0, workers=2)


def pictures(folder: Path, count: int) -> list[FileEntry]:
    entries = []
    for number in range(count):
        path = folder / f"{number:02}.png"
        Image.new("RGB", (20 + number, 10), (number, 0, 0)).save(path)
        entries.append(FileEntry(os.fsencode(path), os.fsencode(folder), None))
    return entries


def outcome(result: DecodedImage | SkippedImage) -> str:
    return "decoded" if isinstance(result, DecodedImage) else result.reason


def children_of(pid: int) -> set[int]:
    found = set()
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):  # it may end while we look
            if f"\nPPid:\t{pid}\n" in status.read_text():
                found.add(int(status.parent.name))
    return found


def is_running(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_results_come_in_the_order_of_the_entries(tmp_path: Path) -> None:
    entries = pictures(tmp_path, 20)
    with DecodePool(QUICK) as pool:
        results = list(pool.decode(iter(entries)))
    assert [r.entry.path for r in results] == [e.path for e in entries]
    for number, result in enumerate(results):
        assert isinstance(result, DecodedImage)
        assert result.full_wh == (20 + number, 10)
        assert np.all(result.pixels == (number, 0, 0))
        assert result.entry.stat is not None


def test_a_reduced_size_is_asked_of_the_workers(tmp_path: Path) -> None:
    with DecodePool(QUICK, max_side=8) as pool:
        (result,) = pool.decode(iter(pictures(tmp_path, 1)))
    assert isinstance(result, DecodedImage)
    assert result.pixels.shape == (4, 8, 3)
    assert result.full_wh == (20, 10)


def test_reading_ahead_is_bounded_by_count_and_by_bytes(tmp_path: Path) -> None:
    taken = 0

    def counted() -> Iterator[FileEntry]:
        nonlocal taken
        for entry in pictures(tmp_path, 12):
            taken += 1
            yield entry

    tight = DecodeSettings(workers=2, read_ahead=3, read_ahead_bytes=1)
    with DecodePool(tight) as pool:
        results = pool.decode(counted())
        next(results)
        assert taken <= 4
        assert len(list(results)) == 11


def test_a_file_known_to_be_unusable_is_not_opened(tmp_path: Path) -> None:
    entry = FileEntry(b"/nowhere", b"/", None, ("not_regular", "a named pipe"))
    with DecodePool(QUICK) as pool:
        (result,) = pool.decode(iter([entry]))
    assert isinstance(result, SkippedImage)
    assert (result.reason, result.detail) == ("not_regular", "a named pipe")


def test_a_vanished_file_is_skipped_and_the_rest_goes_on(tmp_path: Path) -> None:
    entries = pictures(tmp_path, 3)
    (tmp_path / "01.png").unlink()
    with DecodePool(QUICK) as pool:
        assert [outcome(r) for r in pool.decode(iter(entries))] == ["decoded", "vanished", "decoded"]


@pytest.mark.parametrize(
    ("action", "reason"),
    [("segfault", "decoder_crash"), ("exit", "decoder_crash"), ("hang", "timeout"), ("memory", "out_of_memory")],
)
def test_a_poison_file_costs_only_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: str, reason: str
) -> None:
    """No known file kills today's decoder, so the worker is told to die at one."""
    monkeypatch.setenv(POISON_VARIABLE, f"{action}=02.png")
    with DecodePool(QUICK) as pool:
        results = list(pool.decode(iter(pictures(tmp_path, 6))))
    assert [outcome(r) for r in results] == ["decoded"] * 2 + [reason] + ["decoded"] * 3


def test_the_memory_limit_of_a_worker_holds(tmp_path: Path) -> None:
    path = tmp_path / "big.png"
    Image.new("L", (12_000, 12_000)).save(path)
    settings = DecodeSettings(worker_memory_bytes=500 * 1024 * 1024)
    with DecodePool(settings) as pool:
        (result,) = pool.decode(iter([FileEntry(os.fsencode(path), os.fsencode(tmp_path), None)]))
    assert outcome(result) in ("out_of_memory", "decoder_crash")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks at processes through /proc")
def test_a_file_whose_worker_died_of_something_else_gets_a_second_chance(tmp_path: Path) -> None:
    entries = pictures(tmp_path, 4)
    with DecodePool(DecodeSettings(workers=1, read_ahead=1)) as pool:
        results = pool.decode(iter(entries))
        assert outcome(next(results)) == "decoded"
        for pid in children_of(os.getpid()):
            os.kill(pid, signal.SIGKILL)
        assert [outcome(r) for r in results] == ["decoded"] * 3


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks at processes through /proc")
def test_a_file_is_not_blamed_for_workers_that_died_while_they_had_nothing_to_do(tmp_path: Path) -> None:
    entries = pictures(tmp_path, 4)
    with DecodePool(DecodeSettings(workers=2, read_ahead=2)) as pool:
        assert [outcome(r) for r in pool.decode(iter(entries))] == ["decoded"] * 4
        workers_of_pool = children_of(os.getpid())
        assert len(workers_of_pool) == 2
        for pid in workers_of_pool:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)
        assert [outcome(r) for r in pool.decode(iter(entries[:1]))] == ["decoded"]
        assert [outcome(r) for r in pool.decode(iter(entries))] == ["decoded"] * 4


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="freezes processes, which it finds through /proc")
def test_a_frozen_machine_costs_no_picture(tmp_path: Path) -> None:
    """The pool and its workers stand still for twice the timeout of a file; then they go on."""
    entries = pictures(tmp_path, 1)
    program = textwrap.dedent(
        f"""
        from amogus_search.core.types import FileEntry
        from amogus_search.settings import DecodeSettings
        from amogus_search.sources.workers import DecodePool
        with DecodePool(DecodeSettings(timeout_s=3.0, workers=1)) as pool:
            entry = FileEntry({entries[0].path!r}, {entries[0].root!r}, None)
            print("ready", flush=True)
            print([type(result).__name__ for result in pool.decode(iter([entry]))])
        """
    )
    env = {**os.environ, POISON_VARIABLE: "slow=00.png", "PYTHONPATH": str(Path(amogus_search.__file__).parents[1])}
    running = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=env)
    assert running.stdout is not None
    assert running.stdout.readline() == "ready\n"
    time.sleep(1.2)
    everyone = [running.pid, *children_of(running.pid)]
    assert len(everyone) == 2
    for pid in everyone:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(6)
    for pid in everyone:
        os.kill(pid, signal.SIGCONT)
    told, _ = running.communicate(timeout=30)
    assert told == "['DecodedImage']\n"


class _Unsteady(DecodeProcess):
    """Dies once over some files, each after its own time."""

    seconds: ClassVar[dict[bytes, float]] = {b"00.png": 0.6, b"02.png": 0.2}
    died: ClassVar[set[bytes]]

    def ask(self, path: bytes, max_side: int | None, settings: DecodeSettings) -> wire.Answer | wire.Refusal:
        name = os.path.basename(path)
        if name in self.seconds and name not in self.died:
            self.died.add(name)
            time.sleep(self.seconds[name])
            raise wire.PeerGoneError
        return super().ask(path, max_side, settings)


def test_a_second_chance_that_waits_for_room_does_not_hold_up_the_one_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The third file is tried again first, and has no room until the first one is taken, which is tried again too."""
    monkeypatch.setattr(workers, "DecodeProcess", _Unsteady)
    monkeypatch.setattr(_Unsteady, "died", set(), raising=False)
    entries = pictures(tmp_path, 3)
    room_for_one = DecodeSettings(workers=3, read_ahead=3, read_ahead_bytes=700)
    found: list[str] = []
    with DecodePool(room_for_one) as pool:
        reading = threading.Thread(target=lambda: found.extend(outcome(r) for r in pool.decode(iter(entries))))
        reading.start()
        reading.join(30)
        assert not reading.is_alive()
    assert found == ["decoded"] * 3


def test_a_pool_is_closed_though_a_picture_waits_for_room(tmp_path: Path) -> None:
    pool = DecodePool(DecodeSettings(workers=2, read_ahead=4, read_ahead_bytes=1))
    results = pool.decode(iter(pictures(tmp_path, 4)))
    assert outcome(next(results)) == "decoded"
    closing = threading.Thread(target=pool.close, daemon=True)
    closing.start()
    closing.join(30)
    assert not closing.is_alive()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks at processes through /proc")
def test_no_worker_outlives_the_pool_nor_a_killed_parent(tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text(
        textwrap.dedent(
            """
            import os, sys
            from amogus_search.core.types import FileEntry
            from amogus_search.sources.workers import DecodePool
            pool = DecodePool()
            files = [FileEntry(os.fsencode(p), b"/", None) for p in sys.argv[1:]]
            print([type(r).__name__ for r in pool.decode(iter(files))], flush=True)
            sys.stdin.read()
            """
        )
    )
    paths = [os.fsdecode(e.path) for e in pictures(tmp_path, 3)]
    home = str(Path(amogus_search.__file__).parents[1])
    with subprocess.Popen(
        [sys.executable, str(script), *paths],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": home},
        text=True,
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline().count("DecodedImage") == 3
        workers = children_of(parent.pid)
        assert workers
        parent.kill()
    deadline = time.monotonic() + 5
    while any(is_running(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(is_running(pid) for pid in workers)


def test_a_script_without_a_main_guard_may_use_the_pool(tmp_path: Path) -> None:
    """Workers of `multiprocessing` would run the script again, and again."""
    (entry,) = pictures(tmp_path, 1)
    script = tmp_path / "unguarded.py"
    script.write_text(
        "import sys, os\n"
        "from amogus_search.core.types import FileEntry\n"
        "from amogus_search.sources.workers import DecodePool\n"
        "print('started')\n"
        "with DecodePool() as pool:\n"
        "    print(next(pool.decode(iter([FileEntry(os.fsencode(sys.argv[1]), b'/', None)]))).full_wh)\n"
    )
    home = str(Path(amogus_search.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script), os.fsdecode(entry.path)],
        env={**os.environ, "PYTHONPATH": home},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("started\n(20, 10)\n", "")


def test_a_module_in_the_working_folder_is_not_imported_by_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The working folder may be the folder of pictures, which nobody vouches for."""
    entries = pictures(tmp_path, 1)
    (tmp_path / "PIL.py").write_text("raise SystemExit('this ran')")
    monkeypatch.chdir(tmp_path)
    with DecodePool(QUICK) as pool:
        assert [outcome(r) for r in pool.decode(iter(entries))] == ["decoded"]


def test_a_pool_may_be_left_in_the_middle(tmp_path: Path) -> None:
    with DecodePool(QUICK) as pool:
        results = pool.decode(iter(pictures(tmp_path, 10)))
        assert outcome(next(results)) == "decoded"
    pool.close()


def test_a_digest_is_that_of_the_decoded_file(tmp_path: Path) -> None:
    (entry,) = pictures(tmp_path, 1)
    with DecodePool(QUICK) as pool:
        (image,) = pool.decode(iter([entry]))
        assert isinstance(image, DecodedImage)
        assert pool.digest(entry) == (image.sha256, image.entry.stat)
