"""Judged pictures without any picture: truth and findings as a detector would have left them."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from amogus_search.core.calibration import uncalibrated
from amogus_search.core.metrics import match
from amogus_search.core.types import Detections
from amogus_search.evaluation.detection import Judged
from amogus_search.evaluation.labelled import LabelledImage
from amogus_search.evaluation.records import records_of
from amogus_search.evaluation.report import MeasuredSet

NAMES = ("top", "left")


def judged_picture(name, truth=(), found=(), *, zoom=1.0, points=None, found_points=None, evidence=None, margin=None):
    """One picture; `found` are rows of box and confidence."""
    table = np.asarray(found, np.float32).reshape(-1, 5)
    boxes = np.asarray(truth, np.float32).reshape(-1, 4)
    detections = Detections.make(table[:, :4], table[:, 4], keypoints=found_points, keypoint_names=NAMES)
    detections = detections.with_evidence(np.zeros((len(table), 2)) if evidence is None else evidence, ("lid", "red"))
    detections = detections if margin is None else detections.with_margin(margin)
    return Judged(
        image=LabelledImage(Path("/data/images") / name, None),
        size_wh=(200, 200),
        detections=detections,
        truth=boxes,
        taken=match(detections.xyxy, detections.confidence, boxes, 0.5),
        points=np.zeros((len(boxes), 2, 3), np.float32) if points is None else np.asarray(points, np.float32),
        zoom=zoom,
        sha256=hashlib.sha256(name.encode()).hexdigest(),
    )


def random_set(seed, pictures=60, *, found=0.8, false=0.2, jitter=1.0):
    """Pictures with one or two true boxes, found with a chance, at some confidence, and some false findings."""
    rng, judged = np.random.default_rng(seed), []
    for number in range(pictures):
        # The truth depends on the number alone, so that two detectors can be compared on the same pictures.
        world = np.random.default_rng(number)
        corners = world.uniform(0, 60, (world.integers(1, 3), 2)) + [[0, 0], [90, 90]][:2]
        truth = [[x, y, x + 20 + 30 * world.random(), y + 30] for x, y in corners[: world.integers(1, 3)]]
        rows = [
            [*(np.asarray(box) + rng.normal(0, jitter, 4)), rng.uniform(0.4, 1)]
            for box in truth
            if rng.random() < found
        ]
        if rng.random() < false:
            rows.append([150, 5, 190, 60, rng.uniform(0.1, 0.8)])
        judged.append(judged_picture(f"{number:03d}.png", truth, rows))
    return judged


def as_set(judged, name="drawn", worth=None):
    return MeasuredSet(name, judged, records_of(judged, uncalibrated), worth or float(len(judged)))


@pytest.fixture
def make():
    """The helpers above, for tests that cannot import from here."""

    class Make:
        picture = staticmethod(judged_picture)
        random = staticmethod(random_set)
        measured = staticmethod(as_set)

    return Make
