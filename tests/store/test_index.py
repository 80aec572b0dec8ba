from __future__ import annotations

import numpy as np
import pytest

from amogus_search.core.where import compile_where
from amogus_search.errors import IdentityMismatchError, IndexStateError, UsageError
from amogus_search.store.folder import default_index_dir
from amogus_search.store.index import Index


def paths(hits) -> list[str]:
    return [hit.path.decode().removeprefix("/photos/") for hit in hits]


# What goes in comes out


def test_findings_come_back_bit_for_bit(index, make):
    image = make.image("a.jpg", (0.9, 0.3, 0.6))
    index.write(added=[image])
    detections, scores = index.findings([image.sha256])[image.sha256]
    order = np.argsort(-image.detections.confidence)
    for name in ("xyxy", "confidence", "keypoints", "evidence", "zoom"):
        np.testing.assert_array_equal(getattr(detections, name), getattr(image.detections, name)[order])
    assert np.isnan(detections.margin).all()
    np.testing.assert_array_equal(scores.amogusness, make.half(detections).amogusness)
    assert scores.rarity_at_least.tolist() == make.half(detections).rarity_at_least.tolist()


def test_margins_are_kept(index, make):
    image = make.image("a.jpg", (0.9, 0.3))
    index.write(added=[make.image("a.jpg", (0.9, 0.3), detections=image.detections.with_margin([0.25, np.nan]))])
    margin = index.findings([image.sha256])[image.sha256][0].margin
    assert margin[0] == np.float32(0.25)
    assert np.isnan(margin[1])


def test_the_order_of_a_detectors_answers_does_not_matter(tmp_path, make):
    image = make.image("a.jpg", (0.9, 0.3, 0.6))
    turned = make.image(
        "a.jpg",
        (0.9, 0.3, 0.6),
        detections=image.detections.keep([2, 0, 1]),
        detection_vectors=image.detection_vectors[[2, 0, 1]],
    )
    signatures = set()
    for number, given in enumerate((image, turned)):
        with make.create(tmp_path / str(number)) as index:
            index.write(added=[given])
            index.publish()
            signatures.add(index.signature())
    assert len(signatures) == 1


def test_known_files_say_what_a_scan_compares(index, make):
    index.write(added=[make.image("a.jpg")], skipped=[make.skip("b.jpg")], skip_tag="pillow 13")
    known = index.known_files()
    a, b = known[b"/photos/a.jpg"], known[b"/photos/b.jpg"]
    assert (a.stat, a.sha256, a.reason) == (make.entry("a.jpg").stat, make.sha("a.jpg"), None)
    assert index.known_file(b"/photos/b.jpg") == b
    assert index.known_file(b"/photos/c.jpg") is None
    assert (b.reason, b.tag, b.sha256) == ("corrupt", "pillow 13", make.sha("b.jpg"))
    assert index.skipped() == [(b"/photos/b.jpg", "corrupt", "bad header")]


def test_a_name_that_is_no_text_is_kept_as_it_is(index, make):
    name = b"\xff\n'\"<b>.jpg"
    index.write(added=[make.image(name, (0.9,))])
    assert [hit.path for hit in index.best_images()] == [b"/photos/" + name]


def test_a_copy_is_stored_once_and_shown_twice(index, make):
    index.write(added=[make.image("a.jpg", (0.9,)), make.image("b.jpg", (0.9,), content="a.jpg")])
    counts = index.counts()
    assert (counts["indexed"], counts["contents"], counts["detections"]) == (2, 1, 1)
    assert paths(index.best_images()) == ["a.jpg", "b.jpg"]
    assert paths(index.similar(index.region_vector(make.sha("a.jpg")), kind="image")) == ["a.jpg", "b.jpg"]


def test_a_moved_file_needs_no_new_answers(index, make):
    image = make.image("a.jpg", (0.9,))
    index.write(added=[image])
    assert index.has_content(image.sha256)
    index.write(attached=[(make.entry("moved.jpg"), image.sha256)], removed=[b"/photos/a.jpg"])
    assert paths(index.best_images()) == ["moved.jpg"]
    assert index.counts()["removed"] == 1


def test_a_removed_file_is_never_shown_and_returns_for_nothing(index, make):
    index.write(added=[make.image("a.jpg", (0.9,)), make.image("b.jpg", (0.5,))])
    index.publish()
    vector = index.region_vector(make.sha("a.jpg"))
    index.write(removed=[b"/photos/a.jpg", b"/photos/never-there.jpg"])
    assert b"/photos/a.jpg" not in index.known_files()
    assert paths(index.best_images()) == ["b.jpg"]
    assert paths(index.similar(vector)) == ["b.jpg", "b.jpg"]
    index.write(attached=[(make.entry("a.jpg"), make.sha("a.jpg"))])
    assert paths(index.best_images()) == ["a.jpg", "b.jpg"]
    assert paths(index.similar(vector, 1)) == ["a.jpg"]


def test_a_changed_file_shows_its_new_content(index, make):
    index.write(added=[make.image("a.jpg", (0.9,))])
    index.write(added=[make.image("a.jpg", (0.2,), content="new")])
    assert [hit.sha256 for hit in index.best_images()] == [make.sha("new")]


def test_an_attached_content_must_be_there(index, make):
    with pytest.raises(ValueError, match="not in the index"):
        index.write(skipped=[make.skip("s.jpg")], attached=[(make.entry("a.jpg"), make.sha("a.jpg"))])
    assert index.counts()["skipped"] == 0, "all or nothing"


@pytest.mark.parametrize("bad", [np.full(8, np.nan, np.float32), np.zeros(8, np.float32), np.ones(7, np.float32)])
def test_a_vector_that_would_spoil_the_search_is_refused(index, make, bad):
    index.write(added=[make.image("good.jpg")])
    with pytest.raises(ValueError, match="vector"):
        index.write(
            added=[make.image("a.jpg", image_vector=bad, detection_vectors=np.zeros((0, len(bad)), np.float32))]
        )
    assert index.counts()["indexed"] == 1


def test_an_index_without_embedder_has_no_vectors(tmp_path, make):
    bare = {"image_vector": None, "detection_vectors": np.zeros((1, 0), np.float32)}
    with make.create(tmp_path / "i", embedder=None) as index:
        index.write(added=[make.image("a.jpg", (0.9,), **bare)])
        assert not index.publish()
        assert paths(index.best_images()) == ["a.jpg"]
        assert index.verify() == []
        with pytest.raises(UsageError, match="no vectors"):
            index.similar(np.ones(8, np.float32))


def test_files_in_flight_are_remembered_until_they_are_written(index, make):
    index.set_in_flight([b"/photos/a.jpg", b"/photos/b.jpg"])
    index.write(added=[make.image("a.jpg")])
    assert index.in_flight() == {b"/photos/b.jpg": 1}
    index.set_in_flight([b"/photos/b.jpg"])
    assert index.in_flight() == {b"/photos/b.jpg": 2}
    index.write(skipped=[make.skip("b.jpg", "decoder_crash")])
    assert index.in_flight() == {}


# Most amogus-like


def test_images_rank_by_their_best_finding_and_fill_up_with_empty_ones(index, make):
    index.write(added=[make.image("none.jpg"), make.image("low.jpg", (0.4, 0.3)), make.image("high.jpg", (0.2, 0.9))])
    hits = index.best_images(3)
    assert paths(hits) == ["high.jpg", "low.jpg", "none.jpg"]
    assert [hit.rank for hit in hits] == [1, 2, 3]
    assert [hit.score for hit in hits] == pytest.approx([0.45, 0.2, 0.0])
    assert [hit.detection for hit in hits] == [0, 0, None]
    assert hits[0].by == "amogusness"
    assert len(hits[0].detections) == 2
    assert hits[0].full_wh == (640, 480)
    assert paths(index.best_images(1)) == ["high.jpg"]
    assert len(index.best_images(None)) == 3


def test_regions_rank_by_themselves(index, make):
    index.write(added=[make.image("a.jpg", (0.9, 0.3)), make.image("b.jpg", (0.5,)), make.image("c.jpg")])
    hits = index.best_regions()
    assert paths(hits) == ["a.jpg", "b.jpg", "a.jpg"]
    assert [hit.detection for hit in hits] == [0, 0, 1]
    assert len({hit.crop_id for hit in hits}) == 3


def test_equal_scores_come_in_the_order_of_paths(index, make):
    index.write(added=[make.image(name, (0.5,)) for name in ("c", "a", "b")])
    assert paths(index.best_images()) == ["a", "b", "c"]


def test_without_calibration_confidence_ranks(tmp_path, make):
    with make.create(tmp_path / "i") as index:
        index.write(added=[make.image("a", (0.3,)), make.image("b", (0.8,)), make.image("c")])
        hits = index.best_images()
        assert paths(hits) == ["b", "a", "c"]
        assert hits[0].by == "confidence"
        assert hits[0].score == pytest.approx(0.8)
        assert np.isnan(hits[0].scores.amogusness).all()


def test_minimums_hold_for_the_finding_that_is_shown(index, make):
    index.write(added=[make.image("a", (0.9, 0.5)), make.image("b", (0.5,)), make.image("c")])
    assert paths(index.best_images(min_amogusness=0.4)) == ["a"]
    assert paths(index.best_regions(min_confidence=0.5)) == ["a", "a", "b"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("path like %holiday%", ["holiday/b.jpg"]),
        ("format = jpeg", ["a.jpg", "holiday/b.jpg", "none.jpg"]),
        ("width > 1000", []),
        ("size = 100 and not path like %none%", ["a.jpg", "holiday/b.jpg"]),
        ("confidence >= 0.6", ["a.jpg"]),
        ("amogusness < 0.3", ["holiday/b.jpg"]),
        ("red >= 0", ["a.jpg", "holiday/b.jpg"]),
        ("lid > 1", []),
    ],
)
def test_conditions_reach_files_pictures_findings_and_evidence(index, make, text, expected):
    index.write(added=[make.image("a.jpg", (0.9,)), make.image("holiday/b.jpg", (0.5,)), make.image("none.jpg")])
    where_sql, params = compile_where(text, index.columns())
    assert paths(index.best_images(where_sql=where_sql, params=params)) == expected
    vector = np.ones(8, np.float32)
    assert sorted(paths(index.similar(vector, by_image=True, where_sql=where_sql, params=params))) == expected


def test_findings_are_counted_without_loading_them(index, make):
    index.write(
        added=[make.image("a", (0.9, 0.8)), make.image("copy", (0.9, 0.8), content="a"), make.image("b", (0.5,))]
    )
    assert index.count_findings(0.4) == (4, 2)
    assert index.count_findings(None, 0.5) == (5, 3)


def test_the_best_are_read_from_an_index_not_sorted_out_of_all(index, make):
    """Asking a million pictures for twenty must not touch the million."""
    index.write(added=[make.image("a", (0.9, 0.8)), make.image("b", (0.5,))])
    asked: list[str] = []
    index._catalog.connection.set_trace_callback(asked.append)
    index.best_images(2)
    index._catalog.connection.set_trace_callback(None)
    (ranking,) = [sql for sql in asked if "ORDER BY s.amogusness" in sql]
    plan = [row[-1] for row in index._catalog.rows(f"EXPLAIN QUERY PLAN {ranking}")]
    assert "scores_by_amogusness" in plan[0]
    assert all(step.startswith("SEARCH") for step in plan[1:-1])
    assert "RIGHT PART" in plan[-1], "only ties are sorted"


# Scores are derived


def test_another_calibration_changes_scores_without_any_model(index, make):
    index.write(added=[make.image("a", (0.9,)), make.image("b", (0.5, 0.4))])

    def whole(found):
        return make.half(found.keep(slice(None))).__class__(
            found.confidence.astype(np.float64), np.ones(len(found)), np.zeros(len(found), bool)
        )

    assert index.rescore("whole", whole) == 3
    assert index.calibration_id == "whole"
    assert index.best_images(1)[0].score == pytest.approx(0.9)
    assert index.rescore("whole", whole) == 0
    assert index.verify() == []


def test_a_calibrated_index_is_not_written_to_without_its_calibration(tmp_path, make):
    with make.create(tmp_path / "i") as index:
        index.rescore("half", make.half)
        index.write(added=[make.image("a", (0.9,))])
    with Index.open(tmp_path / "i", "w") as index:
        with pytest.raises(IndexStateError, match="half"):
            index.write(added=[make.image("b", (0.9,))])
        assert index.rescore("half", make.half) == 0
        index.write(added=[make.image("b", (0.9,))])


# Opening


def test_another_identity_is_refused_with_both_sides(tmp_path, make):
    make.create(tmp_path / "i").close()
    with pytest.raises(IdentityMismatchError) as caught:
        make.create(tmp_path / "i", detector={"name": "fake", "fingerprint": "d2"})
    assert "d1" in caught.value.problem
    assert "d2" in caught.value.problem
    assert "--index" in caught.value.hint
    make.create(tmp_path / "i").close()


def test_what_is_no_index_is_refused_with_the_way_out(tmp_path, make):
    for folder in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(IndexStateError) as caught:
            Index.open(folder)
        assert "amogus index" in caught.value.hint


def test_a_folder_with_other_things_in_it_does_not_become_an_index(tmp_path, make):
    (tmp_path / "photo.jpg").write_bytes(b"x")
    with pytest.raises(IndexStateError, match=r"photo\.jpg"):
        make.create(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["photo.jpg"]


def test_an_index_is_private(tmp_path, make):
    make.create(tmp_path / "a" / "b").close()
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


def test_a_reader_sees_what_is_committed_while_a_writer_writes(tmp_path, make):
    with make.create(tmp_path / "i") as writer:
        writer.write(added=[make.image("a", (0.9,))])
        with Index.open(tmp_path / "i") as reader:
            assert paths(reader.best_images()) == ["a"]
            with writer._catalog.transaction():
                writer.write(added=[make.image("b", (0.8,))])
                assert paths(reader.best_images()) == ["a"]
            assert paths(reader.best_images()) == ["a", "b"]


def test_a_reader_cannot_write(tmp_path, make):
    make.create(tmp_path / "i").close()
    with Index.open(tmp_path / "i") as reader:
        with pytest.raises(IndexStateError):
            reader.write(skipped=[make.skip("a")])
        with pytest.raises(UsageError):
            reader.repair()


def test_the_default_folder_comes_from_the_environment():
    assert str(default_index_dir({})) == "index/default"
    assert str(default_index_dir({"AMOGUS_INDEX": "/x"})) == "/x"


# Tables


def test_tables_hold_what_the_index_holds(index, make):
    index.write(added=[make.image("a", (0.9, 0.5)), make.image(b"\xff", (0.3,)), make.image("c")])
    images, detections = index.images(), index.detections()
    assert images["path"].tolist() == ["/photos/a", "/photos/c", "/photos/\udcff"]
    assert images["detections"].tolist() == [2, 0, 1]
    assert detections["confidence"].tolist() == pytest.approx([0.9, 0.5, 0.3])
    assert {"lid", "red", "top_x", "foot_v", "amogusness", "crop_id"} <= set(detections.columns)
    table, vectors = index.vectors()
    assert (len(table), vectors.shape) == (6, (6, 8))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_tables_of_an_empty_index_are_empty(index):
    assert len(index.images()) == len(index.detections()) == len(index.vectors()[0]) == 0
    assert index.best_images() == index.best_regions() == []
