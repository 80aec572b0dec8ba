"""Which form of the embedded detector runs, and what an index goes on with."""

import copy

import numpy as np
import pytest

from amogus_search import embedded, registry, runtime, weights
from amogus_search.core.boxes import iou
from amogus_search.errors import UsageError
from amogus_search.indexing import Choice
from amogus_search.synth.scenes import generate_scene

ABOUT = weights.entry("detector", "amogus").about
AS_GOOD = {"ap50": 0.92, "recall": 0.88, "precision": 0.95}


def cpu(monkeypatch, *, int8=False, bf16=False):
    monkeypatch.setattr(runtime, "cpu_has_int8", lambda: int8)
    monkeypatch.setattr(runtime, "cpu_has_bf16", lambda: bf16)


@pytest.mark.parametrize(
    ("flags", "form"),
    [({"int8": True, "bf16": True}, "int8"), ({"bf16": True}, "bf16"), ({"int8": True}, "int8"), ({}, "f32")],
)
def test_the_form_is_chosen_by_what_the_cpu_computes_in(monkeypatch, flags, form):
    cpu(monkeypatch, **flags)
    assert embedded.chosen_form() == form
    detector = registry.load_detector("amogus")
    assert (detector.name, detector.fingerprint) == ("amogus", ABOUT[f"fingerprint_{form}"])


@pytest.mark.parametrize("form", embedded.FORMS)
def test_every_form_has_a_name_and_the_fingerprint_that_the_manifest_says(monkeypatch, form):
    cpu(monkeypatch, int8=True, bf16=True)
    detector = registry.load_detector(f"amogus:{form}")
    assert (detector.name, detector.fingerprint) == (f"amogus:{form}", ABOUT[f"fingerprint_{form}"])
    assert detector.calibration == ABOUT["calibration"]


@pytest.mark.parametrize("form", ["int8", "bf16"])
def test_a_form_that_the_cpu_does_not_compute_in_is_refused(monkeypatch, form):
    """OpenVINO would do something else without a word, and call it the same."""
    cpu(monkeypatch)
    with pytest.raises(UsageError, match=f"does not compute in {form}"):
        registry.load_detector(f"amogus:{form}")


def test_a_form_that_does_not_exist_is_a_usage_error():
    with pytest.raises(UsageError, match="no form 'int4'") as error:
        registry.load_detector("amogus:int4")
    assert "int8, bf16, f32" in error.value.hint


def test_int8_is_made_from_the_weights_that_travel():
    """New weights want a new int8, or the two would be different detectors."""
    file = weights.entry("detector", "amogus").files["model"]
    assert ABOUT["int8"]["made_from"] == weights.manifest()["file"][file]["sha256"]


def test_int8_is_chosen_only_if_what_was_measured_of_it_is_good_enough(monkeypatch):
    cpu(monkeypatch, int8=True, bf16=True)
    entry = weights.entry("detector", "amogus")
    worse = copy.deepcopy(dict(entry.about))
    worse["int8"]["measured"]["drawn scenes"]["int8"]["ap50"] -= 0.006
    assert embedded.chosen_form(weights.Entry("detector", "amogus", entry.files, worse)) == "bf16"
    files = {role: file for role, file in entry.files.items() if not role.startswith("int8")}
    assert embedded.chosen_form(weights.Entry("detector", "amogus", files, entry.about)) == "bf16"


@pytest.mark.parametrize(
    ("changed", "good"),
    [
        ({}, True),
        ({"ap50": 0.915}, True),
        ({"ap50": 0.914}, False),
        ({"recall": 0.869}, False),
        ({"precision": 0.939}, False),
        ({"ap50": 0.99, "recall": 0.99}, True),
    ],
)
def test_half_a_point_of_average_precision_may_be_lost_and_a_point_of_the_rest(changed, good):
    measured = {"scenes": {"bf16": AS_GOOD, "int8": AS_GOOD | changed}}
    assert embedded.is_as_good({"measured": measured}) == good


def test_more_false_findings_count_against_it_and_fewer_do_not():
    measured = {"photos": {"bf16": {"false_per_100": 1.0}, "int8": {"false_per_100": 2.1}}}
    assert not embedded.is_as_good({"measured": measured})
    measured["photos"]["int8"]["false_per_100"] = 0.0
    assert embedded.is_as_good({"measured": measured})


def test_what_was_never_measured_is_not_as_good():
    assert not embedded.is_as_good({})


def test_an_index_goes_on_with_the_form_that_made_it(monkeypatch):
    """Another one would be refused, since its findings are a little different."""
    cpu(monkeypatch, int8=True, bf16=True)
    made_before = {"detector": "amogus", "detector_fingerprint": ABOUT["fingerprint_bf16"]}
    assert Choice().completed(made_before).detector == "amogus:bf16"
    assert Choice("amogus").completed(made_before).detector == "amogus"
    assert Choice().completed(made_before | {"detector_fingerprint": ABOUT["fingerprint_int8"]}).detector == "amogus"
    assert Choice().completed(made_before | {"detector_fingerprint": "of older weights"}).detector == "amogus"
    assert Choice().completed({"detector": "template", "detector_fingerprint": "t"}).detector == "template"
    assert Choice().completed({}).detector == "amogus"


def test_an_index_of_a_form_that_this_cpu_does_not_compute_in_is_not_gone_on_with(monkeypatch):
    cpu(monkeypatch, int8=True)
    made_elsewhere = {"detector": "amogus", "detector_fingerprint": ABOUT["fingerprint_bf16"]}
    assert Choice().completed(made_elsewhere).detector == "amogus", "then the fingerprints differ, and it says so"


@pytest.mark.skipif(not runtime.cpu_has_int8(), reason="this CPU does not multiply bytes")
def test_int8_finds_what_f32_finds_and_the_same_at_once_as_one_by_one():
    scenes = [
        generate_scene(np.random.default_rng((4, n)), (320, 320), tier="plain", height_px_range=(40, 150)).image
        for n in range(3)
    ]
    rough, exact = (registry.load_detector(f"amogus:{form}") for form in ("int8", "f32"))
    begun = [rough.begin(scene[None]) for scene in scenes]
    for scene, answer in zip(scenes, begun, strict=True):
        (one,), (other,), (expected,) = answer(), rough.detect_tiles(scene[None]), exact.detect_tiles(scene[None])
        assert one.xyxy.tobytes() == other.xyxy.tobytes()
        assert one.confidence.tobytes() == other.confidence.tobytes()
        sure = expected.keep(expected.confidence > 0.6)
        assert iou(sure.xyxy, one.xyxy).max(axis=1, initial=0).min(initial=1) > 0.7
