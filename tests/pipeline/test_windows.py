"""Windows that are looked at several at once: the same answers, in the same order, and nothing waits for nothing."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from amogus_search.core.types import DecodedImage, FileEntry, SkippedImage
from amogus_search.pipeline.detect import detect_images
from amogus_search.settings import Profile
from amogus_search.testing import FakeDetector

BALANCED = Profile("balanced", full_px=(128, 64), native_tiles=True)
WHOLE = Profile("whole", full_px=(128,), native_tiles=False)


def picture(number, size_wh=(120, 90), flat=False):
    rng = np.random.default_rng(number)
    pixels = rng.integers(90, 130, (size_wh[1], size_wh[0], 3)).astype(np.uint8)
    if flat:
        pixels[:] = 60
    else:
        left = 10 + 3 * number
        pixels[40:70, left : left + 20] = (230, 20, 20)
    return DecodedImage(FileEntry(b"/%d" % number, b"/", None), pixels, size_wh, "00", "PNG")


class Several(FakeDetector):
    """Looks at two tiles at once, in threads that take unequally long; remembers what it was asked."""

    floor = 0.003
    parallel = 2

    def __init__(self, **settings):
        super().__init__(batch=1, **settings)
        self.asked = []
        self.one_by_one = 0
        self.most = self._under_way = 0
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(self.parallel)

    def begin(self, tiles):
        with self._lock:
            self._under_way += 1
            self.most = max(self.most, self._under_way)
        self.asked.append(tiles.copy())
        running = self._threads.submit(self._slowly, tiles)

        def answer():
            found = running.result()
            with self._lock:
                self._under_way -= 1
            return found

        return answer

    def detect_tiles(self, tiles):
        self.one_by_one += len(tiles)
        return super().detect_tiles(tiles)

    def _slowly(self, tiles):
        time.sleep(0.001 * (int(tiles.sum()) % 3))
        return FakeDetector.detect_tiles(self, tiles)


class OneAtATime(FakeDetector):
    floor = 0.003


PICTURES = [
    picture(number, size_wh=((900, 600), (120, 90), (90, 200), (300, 220))[number % 4], flat=number % 7 == 5)
    for number in range(12)
]


def test_the_answers_are_those_of_one_at_a_time_in_the_order_of_the_pictures():
    detector = Several()
    expected = list(detect_images(PICTURES, OneAtATime(batch=1), BALANCED))
    results = list(detect_images(PICTURES, detector, BALANCED))
    assert [image.entry.path for image, _ in results] == [image.entry.path for image in PICTURES]
    assert [found.xyxy.tolist() for _, found in results] == [found.xyxy.tolist() for _, found in expected]
    assert sum(len(found) for _, found in results) >= 10


def test_no_more_windows_are_under_way_than_it_looks_at_and_the_next():
    detector = Several()
    list(detect_images(PICTURES, detector, BALANCED))
    assert detector.most == detector.parallel + 1


def test_while_a_picture_waits_for_its_hints_the_next_one_is_looked_at():
    """Its closest windows come behind the first ones of the next picture, and not after a pause."""
    large, small = picture(0, size_wh=(900, 600)), picture(1, size_wh=(128, 128))
    for left in range(100, 900, 150):
        large.pixels[400:420, left : left + 15] = (230, 20, 20)
    detector = Several()
    list(detect_images([large, small], detector, BALANCED))
    whole = next(n for n, tiles in enumerate(detector.asked) if np.array_equal(tiles[0], small.pixels))
    assert len(detector.asked) - whole > 5, "closest windows of the first picture come behind"


def test_a_single_window_is_looked_at_by_all_cores():
    detector = Several()
    ((_, found),) = detect_images([picture(1)], detector, WHOLE)
    assert len(found) == 1
    assert (detector.one_by_one, len(detector.asked)) == (1, 0)


def test_windows_of_a_single_large_picture_are_looked_at_at_once():
    detector = Several()
    list(detect_images([picture(1, size_wh=(900, 600))], detector, BALANCED))
    assert len(detector.asked) > 5
    assert detector.one_by_one <= 1, "the only closest one, at the end"


def test_a_picture_that_may_be_looked_at_more_closely_needs_no_network_of_either_kind():
    """Its first two windows could be looked at in turns, but each kind of network takes a second to compile."""
    detector = Several()
    image = picture(1, size_wh=(200, 150))
    image.pixels[100:112, 150:160] = (230, 20, 20)
    list(detect_images([image], detector, BALANCED))
    assert (detector.one_by_one, len(detector.asked)) == (0, 2 + 4)


@pytest.mark.parametrize("kind", [Several, OneAtATime])
def test_pictures_without_structure_do_not_pile_up_behind_one_that_waits(kind):
    """Each is handed on after some further pictures at most, or a folder of blank scans would fill the memory."""
    drawn = []

    def images():
        yield picture(1)
        for number in range(2, 60):
            drawn.append(number)
            yield picture(number, flat=True)

    for position, _ in enumerate(detect_images(images(), kind(), WHOLE)):
        assert len(drawn) - position < 20


def test_large_pictures_do_not_pile_up():
    drawn = []

    def images():
        for number in range(4):
            drawn.append(number)
            blank = np.full((7000, 7000, 3), 60, np.uint8)
            blank[100:400, 100:400] = (230, 20, 20)
            yield DecodedImage(FileEntry(b"/%d" % number, b"/", None), blank, (7000, 7000), "00", "PNG")

    for position, _ in enumerate(detect_images(images(), Several(), WHOLE)):
        assert len(drawn) - position == 1


def test_what_goes_wrong_in_a_thread_is_told_to_the_caller():
    class Failing(Several):
        def _slowly(self, tiles):
            raise RuntimeError("out of luck")

    with pytest.raises(RuntimeError, match="out of luck"):
        list(detect_images(PICTURES, Failing(), BALANCED))


def test_a_skipped_file_keeps_its_place_among_pictures_that_are_under_way():
    skipped = SkippedImage(FileEntry(b"/bad", b"/", None), "corrupt", "x")
    results = list(detect_images([PICTURES[0], skipped, PICTURES[1]], Several(), BALANCED))
    assert results[1] is skipped
    assert len(results) == 3
