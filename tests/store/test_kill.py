from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from amogus_search.store.index import Index

WRITER = textwrap.dedent("""
    import sys
    from pathlib import Path
    sys.path.insert(0, sys.argv[3])
    from conftest import DurableOperations, Maker

    operations = DurableOperations(int(sys.argv[2]))
    make = Maker()
    with make.create(Path(sys.argv[1])) as index:
        index.rescore("half", make.half)
        images = [make.image(f"{n:02}.jpg", [0.9, 0.5][: n % 3]) for n in range(6)]
        todo = [image for image in images if index.known_file(image.entry.path) is None]
        for start in range(0, len(todo), 2):
            batch = todo[start : start + 2]
            index.set_in_flight([image.entry.path for image in batch])
            index.write(added=batch)
            if start == 2:
                index.publish()
        index.write(skipped=[make.skip("s.jpg")], removed=[images[5].entry.path])
        index.publish()
    print(operations.done)
""")


def run(folder: Path, kill_at: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WRITER, str(folder), str(kill_at), str(Path(__file__).parent)],
        capture_output=True,
        text=True,
        check=False,
    )


def state(folder: Path):
    with Index.open(folder) as index:
        return index.signature(), index.verify(), index.counts(), index.in_flight()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The state after a run that nobody killed, and how many durable operations it took."""
    folder = tmp_path_factory.mktemp("undisturbed") / "i"
    done = run(folder, -1)
    assert done.returncode == 0, done.stderr
    return state(folder), int(done.stdout)


def killed_and_resumed(folder: Path, kill_at: int):
    """Kill one run, look at what it left, and let the next one finish."""
    assert run(folder, kill_at).returncode == -9
    if (folder / "catalog.sqlite").exists() and (folder / "catalog.sqlite").stat().st_size > 4096:
        with Index.open(folder) as index:  # readers see a whole state at once, before any writer has cleaned up
            assert index.verify() == []
            index.best_images()
    done = run(folder, -1)
    assert done.returncode == 0, done.stderr
    assert not [path.name for path in folder.iterdir() if path.suffix == ".part" or path.name.startswith("probe")]
    return state(folder)


@pytest.mark.parametrize("share", [0.05, 0.4, 0.7, 0.97])
def test_killed_anywhere_and_resumed_is_as_if_nothing_had_happened(tmp_path, undisturbed, share):
    expected, operations = undisturbed
    assert killed_and_resumed(tmp_path / "i", round(share * operations)) == expected


@pytest.mark.slow
@pytest.mark.fault
def test_killed_at_operations_all_along_a_run(tmp_path, undisturbed, places):
    expected, operations = undisturbed
    wrong = [k for k in places(operations, 24) if killed_and_resumed(tmp_path / str(k), k) != expected]
    assert wrong == []
