"""Whole pictures one after the other: live ones only, each row checked, vectors in the order that was asked for."""

import numpy as np
import pytest

from amogus_search.errors import IndexStateError
from amogus_search.store import wholes
from amogus_search.store.wholes import Wholes


@pytest.fixture
def filled(index, make):
    """Three pictures, one under two names, one removed, one file skipped."""
    index.write(added=[make.image("a", [0.9, 0.8]), make.image("b"), make.image("c")], skipped=[make.skip("bad")])
    index.write(attached=[(make.entry("a2", size=100), make.sha("a"))], removed=[b"/photos/c"])
    return index


def test_every_live_file_is_there_by_path_with_what_it_takes_up(filled, make):
    files = list(Wholes(filled).files())
    assert [file.path for file in files] == [b"/photos/a", b"/photos/a2", b"/photos/b"]
    assert (files[0].sha256, files[1].sha256) == (make.sha("a"), make.sha("a"))
    assert {(file.full_wh, file.size, file.modified, file.inode) for file in files} == {
        ((640, 480), 100, 7, (2**64 - 3, 5))
    }


@pytest.mark.parametrize("chunk", [1, 2, 500])
def test_vectors_come_in_parts_and_are_those_of_the_index(filled, make, chunk, monkeypatch):
    monkeypatch.setattr(wholes, "_CHUNK", chunk)
    found = {name: row for names, rows in Wholes(filled).vectors() for name, row in zip(names, rows, strict=True)}
    assert set(found) == {make.sha("a"), make.sha("b")}
    for name, row in found.items():
        assert row.tolist() == filled.region_vector(name).tolist()


def test_a_table_has_the_order_that_was_asked_for(filled, make):
    names = [make.sha("b"), "unknown", make.sha("a")]
    table = Wholes(filled).table(names)
    assert table.shape == (3, 8)
    assert not table[1].any()
    assert table[0] @ filled.region_vector(names[0]) == pytest.approx(1, abs=1e-2)
    assert table[2] @ filled.region_vector(names[2]) == pytest.approx(1, abs=1e-2)


def test_an_index_without_pictures_has_no_table(index):
    assert Wholes(index).table(["a"]) is None
    assert list(Wholes(index).files()) == []


def test_crops_are_known_by_their_content_and_their_box(filled, make):
    crops = list(Wholes(filled).crops([make.sha("a"), make.sha("b")]))
    assert [sha256 for sha256, _, _ in crops] == [make.sha("a")] * 2
    hits = filled.best_regions(None)
    boxes = {hit.crop_id: hit.detections.xyxy[hit.detection] for hit in hits}
    assert all(np.array_equal(box, boxes[crop_id]) for _, crop_id, box in crops)
    contents = Wholes(filled).contents_of_crops([*boxes, "0" * 16])
    assert contents == dict.fromkeys(boxes, make.sha("a"))


@pytest.mark.parametrize("table", ["files", "vectors", "detections"])
def test_a_damaged_row_is_refused(filled, make, table):
    column = {"files": "size", "vectors": "ordinal", "detections": "x1"}[table]
    filled._catalog.run(f"UPDATE {table} SET {column} = {column} + 1000")
    whole = Wholes(filled)
    read = {"files": whole.files, "vectors": whole.vectors, "detections": lambda: whole.crops([make.sha("a")])}
    with pytest.raises(IndexStateError, match="checksum"):
        list(read[table]())
