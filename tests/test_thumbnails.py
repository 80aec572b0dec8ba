"""Thumbnails come from the files that the index saw, in bounded memory."""

import numpy as np

from amogus_search.core.types import DecodedImage, SkippedImage
from amogus_search.region_pictures import Region, RegionPictures
from amogus_search.store.wholes import PictureFile
from amogus_search.thumbnails import Thumbnails


class Shelf:
    """A decoder of pictures in memory: a path's number is its brightness; `gone` cannot be read."""

    def __init__(self):
        self.read = []

    def decode(self, entries):
        for entry in entries:
            self.read.append(entry.path)
            if entry.path == b"gone":
                yield SkippedImage(entry, "vanished", "it was here")
            else:
                pixels = np.full((20, 30, 3), int(entry.path), np.uint8)
                yield DecodedImage(entry, pixels, (30, 20), "sha" + entry.path.decode(), "PNG")


def file(name, sha256=None):
    return PictureFile(name, sha256 or "sha" + name.decode(), (30, 20), 1, 1, None)


def test_only_so_many_stay_and_the_others_are_read_again():
    shelf = Shelf()
    thumbs = Thumbnails([file(b"1"), file(b"2"), file(b"3")], shelf, kept=2)
    assert list(thumbs.read_outlines([0, 1, 2])) == [1, 2, 3]
    outlines, read = thumbs.outlines(np.arange(3))
    assert (outlines.mean(axis=(1, 2)).tolist(), read.tolist()) == ([1, 2, 3], [True] * 3)
    assert int(thumbs.get(2).mean()) == 3
    assert len(shelf.read) == 3
    assert int(thumbs.get(0).mean()) == 1
    assert len(shelf.read) == 4


def test_a_file_that_is_gone_or_another_one_has_none_and_is_named_once():
    thumbs = Thumbnails([file(b"gone"), file(b"1", "another")], Shelf())
    list(thumbs.read_outlines([0, 1]))
    assert [thumbs.get(row) for row in (0, 1, 0)] == [None] * 3
    assert thumbs.outlines(np.asarray([[0, 1]]))[1].tolist() == [[False, False]]
    assert [(one.path, one.reason) for one in thumbs.unread] == [(b"gone", "vanished"), (b"1", "changed")]


def test_a_picture_and_its_crops_are_read_together():
    shelf = Shelf()
    pictures = RegionPictures(shelf)
    whole, crop = Region(b"5", "sha5"), Region(b"5", "sha5", (1.0, 1.0, 9.0, 9.0), "id")
    pictures.read_ahead([whole, crop, whole])
    assert shelf.read == [b"5"]
    assert int(pictures.get(crop).mean()) == int(pictures.get(whole).mean()) == 5
    assert (whole.kind, crop.kind) == ("image", "detection")
    assert pictures.get(Region(b"5", "another")) is None
    assert pictures.get(Region(b"gone", "x")) is None
