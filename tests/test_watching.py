"""An index that follows its folders: after any changes it says the same as a fresh one."""

from __future__ import annotations

import importlib
import os
import random
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from amogus_search.errors import AmogusError, MissingExtraError
from amogus_search.indexing import Choice, Run, index_paths
from amogus_search.pipeline.index import IndexReport
from amogus_search.settings import WatchSettings
from amogus_search.store.index import Index
from amogus_search.watching import follow

pytest.importorskip("watchfiles")

FAKES = Choice("fake", "fake", "fast")
QUICK = WatchSettings(tick_s=0.05, quiet_s=0.2, longest_s=3.0, retry_s=0.1, again_s=0.3)
PATIENCE_S = 60.0


class Following:
    """`follow` in a thread of its own; what it gave is in `said` and `reports`."""

    def __init__(self, photos: list[Path], index: Path, settings: WatchSettings = QUICK, **options: object) -> None:
        self.index = index
        self.said: list[str] = []
        self.reports: list[IndexReport] = []
        self.error: BaseException | None = None
        self._stop = threading.Event()
        run = Run(should_stop=self._stop.is_set, **options)  # type: ignore[arg-type]
        self._thread = threading.Thread(target=self._work, args=(photos, run, settings))

    def _work(self, photos: list[Path], run: Run, settings: WatchSettings) -> None:
        try:
            for item in follow(photos, self.index, FAKES, run, settings=settings):
                (self.said if isinstance(item, str) else self.reports).append(item)  # type: ignore[arg-type]
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            self.error = error

    def __enter__(self) -> Following:
        self._thread.start()
        self.until(lambda: bool(self.reports))
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()

    def until(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not holds():
            if self.error is not None:
                raise self.error
            assert time.monotonic() < deadline, (self.said, self.reports[-3:])
            time.sleep(0.02)

    def names(self) -> set[str]:
        return set(states(self.index))


def states(index: Path) -> dict[str, str]:
    """File name -> sha256 or the reason why it was skipped."""
    with Index.open(index) as opened:
        known = opened.known_files()
    return {os.path.basename(os.fsdecode(path)): file.reason or str(file.sha256) for path, file in known.items()}


def whole(index: Path) -> tuple[object, ...]:
    """All that a person can see of an index."""
    with Index.open(index) as opened:
        known = {path: file.reason or file.sha256 for path, file in opened.known_files().items()}
        return known, opened.images().to_csv(), opened.detections().to_csv(), opened.verify()


def draw(path: Path, number: int) -> None:
    """A picture unlike that of any other number, with a red box in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((40, 60, 3), number % 200, np.uint8)
    pixels[0, :8] = [[number >> shift & 1] * 3 for shift in range(8)]
    pixels[0, 8:16] = [[number >> 8 + shift & 1] * 3 for shift in range(8)]
    pixels[10:30, 10:30] = (255, 0, 0)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def photos(tmp_path: Path, fake_models: Path) -> Path:
    folder = tmp_path / "library"
    for number in range(4):
        draw(folder / f"{number}.png", number)
    return folder


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return tmp_path / "index"


def test_new_changed_moved_and_removed_files_are_followed(photos: Path, index: Path) -> None:
    with Following([photos], index) as following:
        draw(photos / "new.png", 10)
        following.until(lambda: len(following.reports) == 2)
        new = following.reports[1]
        assert (new.indexed, new.changed, new.removed) == (1, 0, 0)
        before = states(index)["0.png"]
        draw(photos / "0.png", 11)
        following.until(lambda: states(index)["0.png"] != before)
        following.until(lambda: any((report.indexed, report.changed) == (1, 1) for report in following.reports))
        (photos / "1.png").rename(photos / "moved.png")
        following.until(lambda: "moved.png" in following.names() and "1.png" not in following.names())
        following.until(lambda: sum(report.reused for report in following.reports) == 1)
        (photos / "2.png").unlink()
        following.until(lambda: "2.png" not in following.names())
    assert following.names() == {"0.png", "moved.png", "3.png", "new.png"}


def test_two_hundred_random_operations_leave_what_a_fresh_run_makes(
    photos: Path, index: Path, tmp_path: Path, many: Callable[[int, int], int]
) -> None:
    chance = random.Random(7)
    with Following([photos], index) as following:
        for number in range(many(200, 2000)):
            Operations(photos, chance, tmp_path).one(number)
            if chance.random() < 0.2:
                time.sleep(chance.random() * 0.4)
        index_paths([photos], tmp_path / "fresh", FAKES)
        expected = whole(tmp_path / "fresh")
        following.until(lambda: states(index) == states(tmp_path / "fresh"))
        following.until(lambda: whole(index) == expected)
        assert following.error is None
    assert len(following.reports) > 3


class Operations:
    """Random changes of a library, each valid whatever came before."""

    def __init__(self, root: Path, chance: random.Random, outside: Path) -> None:
        self.root, self.chance, self.outside = root, chance, outside
        self.files = sorted(path for path in root.rglob("*") if path.is_file())
        self.folders = sorted(path for path in root.rglob("*") if path.is_dir())

    def one(self, number: int) -> None:
        file = self.chance.choice(self.files) if self.files else None
        folder = self.chance.choice([self.root, *self.folders])
        choices: list[Callable[[], object]] = [
            lambda: draw(folder / f"n{number}.png", number + 100),
            lambda: draw(self.root / f"d{number % 7}" / f"deep{number}" / f"{number}.png", number + 100),
            lambda: (folder / f"broken{number}.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes([number % 256])),
        ]
        if file is not None:
            other = self.chance.choice(self.files)
            choices += [
                file.unlink,
                lambda: file.rename(folder / f"moved{number}.png"),
                lambda: shutil.copy(file, folder / f"copy{number}.png"),
                lambda: os.link(file, folder / f"link{number}.png"),
                lambda: draw(file, number + 3000),
                lambda: file.touch(),
                lambda: (folder / f"symbolic{number}.png").symlink_to(file),
                lambda: self.swap(file, other),
            ]
        if self.folders:
            one, two = self.chance.choice(self.folders), self.chance.choice(self.folders)
            choices += [lambda: one.rename(self.root / f"renamed{number}"), lambda: self.emptied(two, number)]
        self.chance.choice(choices)()

    def swap(self, one: Path, two: Path) -> None:
        if one != two:
            one.rename(self.root / "between.png")
            two.rename(one)
            (self.root / "between.png").rename(two)

    def emptied(self, folder: Path, number: int) -> None:
        if number % 3:
            shutil.rmtree(folder)
        else:
            folder.rename(self.outside / f"parked{number}")


def test_what_changes_during_a_run_is_picked_up_by_the_next(photos: Path, index: Path) -> None:
    """The first run is watched from before its start."""
    late = iter([photos / "late.png"])

    def progress(stage: str, done: int, total: int | None, **more: object) -> None:
        if stage == "publishing" and (path := next(late, None)) is not None:
            draw(path, 50)

    with Following([photos], index, progress=progress) as following:
        following.until(lambda: "late.png" in following.names())
    assert len(following.reports) == 2


def test_a_folder_that_goes_away_loses_nothing_and_is_followed_when_it_is_back(photos: Path, index: Path) -> None:
    with Following([photos], index) as following:
        away = photos.with_name("away")
        photos.rename(away)
        following.until(lambda: any("is gone" in text for text in following.said))
        time.sleep(1.0)
        assert following.names() == {"0.png", "1.png", "2.png", "3.png"}
        draw(away / "meanwhile.png", 20)
        away.rename(photos)
        following.until(lambda: any("is back" in text for text in following.said))
        following.until(lambda: "meanwhile.png" in following.names())
        draw(photos / "after.png", 21)
        following.until(lambda: "after.png" in following.names())
        assert len(following.names()) == 6
        assert all(report.removed == 0 for report in following.reports)


def test_an_empty_folder_in_its_place_is_taken_for_an_unmounted_disk(photos: Path, index: Path) -> None:
    with Following([photos], index) as following:
        away = photos.with_name("away")
        photos.rename(away)
        photos.mkdir()
        following.until(lambda: any("is its disk mounted?" in text for text in following.said))
        assert len(following.names()) == 4
        photos.rmdir()
        away.rename(photos)
        draw(photos / "after.png", 21)
        following.until(lambda: "after.png" in following.names())
        assert len(following.names()) == 5


def test_one_of_two_folders_may_be_away(photos: Path, index: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    draw(other / "x.png", 30)
    with Following([photos, other], index) as following:
        photos.rename(photos.with_name("away"))
        following.until(lambda: any("is gone" in text for text in following.said))
        draw(other / "y.png", 31)
        following.until(lambda: "y.png" in following.names())
        (other / "x.png").unlink()
        following.until(lambda: "x.png" not in following.names())
        assert following.names() == {"0.png", "1.png", "2.png", "3.png", "y.png"}


def test_a_link_that_leads_elsewhere_loses_nothing_and_is_followed_when_it_leads_back(
    photos: Path, index: Path, tmp_path: Path
) -> None:
    link, elsewhere, other = tmp_path / "link", tmp_path / "elsewhere", tmp_path / "other"
    link.symlink_to(photos)
    draw(elsewhere / "0.png", 40)  # of a known name, and another picture
    draw(elsewhere / "strange.png", 41)
    draw(other / "x.png", 30)
    with Following([link, other], index) as following:
        turn(link, elsewhere)
        following.until(lambda: any(f"link leads to {elsewhere} now" in text for text in following.said))
        draw(other / "y.png", 31)
        draw(elsewhere / "stranger.png", 42)
        following.until(lambda: "y.png" in following.names())
        time.sleep(0.5)
        assert following.names() == {"0.png", "1.png", "2.png", "3.png", "x.png", "y.png"}
        turn(link, photos)
        following.until(lambda: any("link is back" in text for text in following.said))
        draw(photos / "after.png", 21)
        following.until(lambda: "after.png" in following.names())
        assert len(following.names()) == 7
        assert all(report.removed == 0 for report in following.reports)


def test_a_link_that_leads_to_a_copy_goes_on_there(photos: Path, index: Path, tmp_path: Path) -> None:
    link, copy = tmp_path / "link", tmp_path / "copy"
    link.symlink_to(photos)
    shutil.copytree(photos, copy)
    (copy / "3.png").unlink()
    with Following([link], index) as following:
        turn(link, copy)
        following.until(lambda: "3.png" not in following.names())
        draw(copy / "after.png", 21)
        following.until(lambda: "after.png" in following.names())
        assert following.names() == {"0.png", "1.png", "2.png", "after.png"}


def turn(link: Path, target: Path) -> None:
    """Make a link lead elsewhere, in one step."""
    new = link.with_name("new")
    new.symlink_to(target)
    new.replace(link)


def test_when_too_much_is_gone_at_once_it_is_kept_and_new_files_are_still_taken(
    photos: Path, index: Path, tmp_path: Path
) -> None:
    for number in range(80):
        draw(photos / "many" / f"m{number}.png", 100 + number)
    with Following([photos], index) as following:
        shutil.rmtree(photos / "many")
        following.until(lambda: any("--confirm-deletions" in text for text in following.said))
        draw(photos / "new.png", 10)
        following.until(lambda: "new.png" in following.names())
        assert len(following.names()) == 85


def test_the_lock_is_free_between_runs_and_another_writer_is_waited_for(photos: Path, index: Path) -> None:
    with Following([photos], index) as following:
        with Index.open(index, "w"):
            draw(photos / "new.png", 10)
            following.until(lambda: any("being written by" in text for text in following.said))
            time.sleep(0.5)
            assert "new.png" not in following.names()
        following.until(lambda: "new.png" in following.names())
    assert sum("being written by" in text for text in following.said) == 1


def test_a_file_that_is_being_written_is_taken_when_it_is_quiet(photos: Path, index: Path) -> None:
    draw(photos.with_name("whole.png"), 60)
    content = photos.with_name("whole.png").read_bytes()
    with Following([photos], index, settings=WatchSettings(tick_s=0.05, quiet_s=0.8)) as following:
        with (photos / "slow.png").open("wb", buffering=0) as file:
            for place in range(0, len(content), max(1, len(content) // 12)):
                file.write(content[place : place + max(1, len(content) // 12)])
                time.sleep(0.1)
        following.until(lambda: "slow.png" in following.names())
    assert following.reports[-1].skipped == 0
    assert len(following.reports) == 2


def test_an_index_among_the_pictures_does_not_wake_itself(photos: Path) -> None:
    with Following([photos], photos / "index") as following:
        draw(photos / "new.png", 10)
        following.until(lambda: "new.png" in following.names())
        time.sleep(1.5)
    assert len(following.reports) == 2


def test_a_name_that_is_not_utf8_is_found_by_looking(photos: Path, index: Path) -> None:
    """Watchfiles cannot say such a name, and loses events over it."""
    draw(photos.with_name("outside.png"), 70)
    with Following([photos], index) as following:
        os.rename(os.fsencode(photos.with_name("outside.png")), os.fsencode(photos) + b"/caf\xe9.png")
        following.until(lambda: "caf\udce9.png" in following.names())
        draw(photos / "after.png", 71)
        following.until(lambda: "after.png" in following.names())


def test_very_many_changes_are_found_by_one_look_through_everything(photos: Path, index: Path) -> None:
    few = WatchSettings(tick_s=0.05, quiet_s=0.2, many=10)
    with Following([photos], index, settings=few) as following:
        for number in range(30):
            draw(photos / f"many{number}.png", 100 + number)
        following.until(lambda: len(following.names()) == 34)


@pytest.fixture
def no_watchfiles(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    yield
    importlib.invalidate_caches()


def test_without_watchfiles_the_extra_is_named(photos: Path, index: Path, no_watchfiles: None) -> None:
    with pytest.raises(MissingExtraError, match=r"amogus_search\[watch\]"):
        next(follow([photos], index, FAKES))
    assert not index.exists()


def test_a_folder_that_is_not_there_at_the_start_is_an_error(tmp_path: Path, index: Path, fake_models: Path) -> None:
    with pytest.raises(AmogusError, match="no such file or folder"):
        next(follow([tmp_path / "nowhere"], index, FAKES))
