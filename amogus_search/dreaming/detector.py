"""Climbing a YOLO: somewhere in each place it is to see the motif, with all its parts, and so is the second look."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from amogus_search.core.boxes import iou
from amogus_search.core.types import Boxes
from amogus_search.dreaming.ascent import Glance
from amogus_search.dreaming.looking import as_tensor, crops, padded, seen
from amogus_search.dreaming.places import best_apart
from amogus_search.dreaming.shaping import Field

_OVERLAP = 0.4
"""A candidate with this IoU with a place is one of it."""
_NEAREST = 3
"""If there is none, so many of those that overlap it most are."""
_LONGEST = 2.2
"""A place is no more than so many times as long as it is wide; the faintest candidates may be of any shape."""
_BEYOND = 1e-6
"""Keeps the log-odds of a score finite."""


@dataclass(frozen=True)
class Aims:
    """How much is wanted; beyond it, a place pulls ever less, so that the others get their turn.

    confidence: log-odds of the best candidate
    parts:      log-odds of the visibility of its keypoints
    margin:     of the second look
    parts_weight, margin_weight: beside the confidence
    steepness:  log-odds that one unit of margin is worth
    """

    confidence: float = 6.0
    parts: float = 4.0
    margin: float = 0.5
    parts_weight: float = 0.3
    margin_weight: float = 1.0
    steepness: float = 12.0


class DetectorObjective:
    """A YOLO network as an `ascent.Objective`.

    Args:
        network: gives (b, 4 + classes + 3k, anchors), or a tuple that begins with it, in evaluation mode.
        classes: of it; any of them counts.
        points: keypoints of it.
        margin: (n, 3, 128, 128) crops in 0..1 -> (n,) margins of the second look; None: there is none.
        margin_px: side of its crops.
        aims: how much is wanted.
    """

    def __init__(
        self,
        network: Callable[[torch.Tensor], Any],
        *,
        classes: int = 1,
        points: int = 0,
        margin: Callable[[torch.Tensor], torch.Tensor] | None = None,
        margin_px: int = 128,
        aims: Aims = Aims(),
    ) -> None:
        self._network, self._classes, self._points = network, classes, points
        self._margin, self._margin_px, self._aims = margin, margin_px, aims

    def places(self, picture: Field, count: int, sides: tuple[float, float]) -> Boxes:
        """Boxes of its best candidates that lie apart; if there are such, within the picture and of usual shape."""
        with torch.no_grad():
            boxes, scores, _ = self._answers(as_tensor(picture))
        height, width = picture.shape[:2]
        table = boxes.numpy()
        inside = (table[:, :2] >= 0).all(1) & (table[:, 2] <= width) & (table[:, 3] <= height)
        wide, high = np.maximum(table[:, 2:] - table[:, :2], 1e-3).T
        usual = inside & (wide < _LONGEST * high) & (high < _LONGEST * wide)
        rows = usual if usual.any() else np.ones_like(usual)
        return best_apart(table[rows], scores.numpy()[rows], count, sides)

    def __call__(self, picture: Field, glance: Glance) -> tuple[float, Field]:
        """Minus what is missing, summed over the places; at most 0."""
        leaf = as_tensor(picture).requires_grad_(True)
        if not len(glance.boxes):
            return 0.0, np.zeros_like(picture)
        view, places = seen(leaf, glance)
        missing = self._missing(view, places)
        missing.backward()
        assert leaf.grad is not None
        return -float(missing.detach()), np.asarray(-leaf.grad[0].numpy().transpose(1, 2, 0), np.float32)

    def _missing(self, view: torch.Tensor, places: Boxes) -> torch.Tensor:
        aims = self._aims
        boxes, scores, visible = self._answers(view)
        overlaps = iou(places, boxes.detach().numpy())
        missing = torch.zeros(())
        for row in overlaps:
            rows = np.flatnonzero(row >= _OVERLAP)
            near = torch.from_numpy(rows if len(rows) else np.argsort(-row, kind="stable")[:_NEAREST].copy())
            missing = missing + F.softplus(aims.confidence - torch.logsumexp(scores[near], 0))
            if self._points:
                best = near[scores[near].argmax()]
                missing = missing + aims.parts_weight * F.softplus(aims.parts - visible[:, best]).mean()
        if self._margin is not None:
            margins = self._margin(crops(view, places, self._margin_px))
            missing = missing + aims.margin_weight * F.softplus((aims.margin - margins) * aims.steepness).sum()
        return missing

    def _answers(self, view: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """(anchors, 4) boxes, (anchors,) log-odds, (points, anchors) log-odds of the keypoints' visibility."""
        answer = self._network(padded(view))
        table = (answer[0] if isinstance(answer, (tuple, list)) else answer)[0]
        half = table[2:4] / 2
        boxes = torch.cat([table[:2] - half, table[:2] + half]).T
        scores = _log_odds(table[4 : 4 + self._classes].amax(0))
        first = 4 + self._classes
        return boxes, scores, _log_odds(table[first + 2 : first + 3 * self._points : 3])


def _log_odds(probability: torch.Tensor) -> torch.Tensor:
    return torch.logit(probability.clamp(_BEYOND, 1 - _BEYOND))
