"""Detectors in files of the user's own: a YOLO as ONNX, or as OpenVINO's pair of files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from amogus_search.core.motif import Motif
from amogus_search.detectors.openvino import OpenVinoDetector, read_card
from amogus_search.errors import AmogusError, WeightsError


def load_file(path: Path, known: Sequence[Motif]) -> OpenVinoDetector:
    """The detector in a .onnx file, or in an .xml file with its .bin; no keypoints if none that we know.

    Args:
        path: of the file.
        known: motifs whose keypoints it may have.

    Raises:
        WeightsError: the file cannot be read.
        AmogusError: it is no YOLO without NMS and with dynamic axes, or it has several classes and does not say so.
    """
    try:
        model = path.read_bytes()
        constants = path.with_suffix(".bin").read_bytes() if path.suffix.lower() == ".xml" else b""
    except OSError as error:
        raise WeightsError(
            f"the detector file {error.filename} cannot be read: {error.strerror}",
            "give the path of a .onnx file, or of an .xml file with its .bin file beside it",
        ) from None
    card = read_card(model, constants)
    if card.known:
        fitting = [motif for motif in known if card.points and len(motif.keypoint_names) == card.points]
        candidates = fitting[:1] or [Motif(path.stem)]
    else:  # only its answer tells how many keypoints it has
        candidates = [Motif(path.stem), *known]
    problem: AmogusError | None = None
    for motif in candidates:
        detector = OpenVinoDetector(str(path), model, motif, constants=constants, card=card if card.known else None)
        try:
            for side in (detector.tile_px, detector.tile_px // 2):  # both are needed, so its sides must be dynamic
                detector.detect_tiles(np.zeros((1, side, side, 3), np.uint8))
        except AmogusError as error:
            problem = error
        else:
            return detector
    assert problem is not None
    raise problem
