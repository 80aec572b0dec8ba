import json
from dataclasses import replace

import numpy as np

from amogus_search.core.types import Detections, FileEntry, FindingScores, SkippedImage
from amogus_search.exports.json_form import detection_json, hit_json, image_json, skipped_image_json, to_text

NUMBER = (int, float)
DETECTION = {
    "box": list,
    "confidence": NUMBER,
    "amogusness": (*NUMBER, type(None)),
    "rarity": (*NUMBER, type(None)),
    "evidence": dict,
    "keypoints": dict,
    "zoom": NUMBER,
}
IMAGE = {"path": str, "sha256": str, "width": int, "height": int, "detections": list}
HIT = {"rank": int, "path": str, "score": NUMBER, "by": str, "image": dict, "detection": (dict, type(None))}


def check(record: dict, schema: dict, optional: tuple[str, ...] = ()) -> None:
    """The record has exactly the schema's keys, in its order, with values of its types."""
    assert [key for key in record if key not in optional] == list(schema)
    for key, kind in schema.items():
        assert isinstance(record[key], kind), key


def test_a_hit_has_the_documented_form_all_the_way_down(make_hit):
    record = json.loads(to_text(hit_json(make_hit(1, b"/a.jpg", [[1, 2, 11, 22], [30, 30, 40, 50]]))))
    check(record, HIT)
    check(record["image"], IMAGE)
    first, second = record["image"]["detections"]
    check(first, DETECTION)
    check(second, DETECTION, ("rarity_at_least",))
    assert record["detection"] == first


def test_a_detection_reads_as_documented(make_hit):
    hit = make_hit(1, b"/a.jpg", [[1, 2.345678, 11, 22]])
    assert detection_json(hit.detections, 0, hit.scores) == {
        "box": [1.0, 2.35, 11.0, 22.0],
        "confidence": 0.9,
        "amogusness": 0.97,
        "rarity": 3104.0,
        "evidence": {"visor": 0.98, "red": 0.2},
        "keypoints": {"head": [1.0, 2.0, 0.9], "foot": [3.0, 4.0, 0.1]},
        "zoom": 1.0,
    }


def test_the_end_of_the_background_sample_is_marked_only_where_it_is_reached(make_hit):
    hit = make_hit(1, b"/a.jpg", [[1, 2, 11, 22], [30, 30, 40, 50]])
    assert "rarity_at_least" not in detection_json(hit.detections, 0, hit.scores)
    assert detection_json(hit.detections, 1, hit.scores)["rarity_at_least"] is True


def test_without_a_calibration_amogusness_and_rarity_are_null():
    found = Detections.make([[0, 0, 1, 1]], [0.5])
    unknown = FindingScores(np.array([np.nan]), np.array([np.nan]), np.array([True]))
    for scores in (None, unknown):
        record = detection_json(found, 0, scores)
        assert (record["amogusness"], record["rarity"]) == (None, None)
        assert "rarity_at_least" not in record
        assert (record["evidence"], record["keypoints"]) == ({}, {})


def test_numbers_that_are_not_finite_never_reach_the_text(make_hit):
    found = replace(make_hit(1, b"/a.jpg", [[1, 2, 3, 4]]).detections, keypoints=np.full((1, 2, 3), np.nan, np.float32))
    text = to_text(image_json(b"/a.jpg", "ab", (9, 9), found))
    assert json.loads(text)["detections"][0]["keypoints"]["head"] == [None, None, None]


def test_an_image_hit_without_a_finding_has_a_null_detection(make_hit):
    record = hit_json(make_hit(3, b"/a.jpg", []))
    assert record["detection"] is None
    assert record["image"]["detections"] == []


def test_a_name_that_is_not_utf8_also_has_its_bytes(make_hit):
    record = hit_json(make_hit(1, b"/caf\xe9.jpg", []))
    assert record["path"] == "/caf\\xe9.jpg"
    assert bytes.fromhex(record["path_hex"]) == b"/caf\xe9.jpg"
    assert record["image"]["path_hex"] == record["path_hex"]


def test_every_name_survives_the_text(make_hit, hostile_path):
    text = to_text(hit_json(make_hit(1, hostile_path, [])))
    record = json.loads(text)
    assert text.isascii()
    assert "\n" not in text
    back = bytes.fromhex(record["path_hex"]) if "path_hex" in record else record["path"].encode()
    assert back == hostile_path


def test_a_skipped_file_has_its_reason():
    skipped = SkippedImage(FileEntry(b"/a.jpg", b"/", None), "truncated", "ends early")
    assert skipped_image_json(skipped) == {"path": "/a.jpg", "skipped": "truncated", "detail": "ends early"}
