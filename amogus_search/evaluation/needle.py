"""The needle test: one small rendered amogus hidden in a large photo, and whether it comes out.

Each photo is also looked at as it is: what is found there is false, and would have been found without a needle.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amogus_search.core.boxes import iou
from amogus_search.core.intervals import proportion_interval
from amogus_search.core.metrics import poisson_interval
from amogus_search.core.paths import display_path
from amogus_search.core.thresholds import Threshold
from amogus_search.core.types import Boxes, DecodedImage, Pixels, SkippedImage
from amogus_search.errors import AmogusError
from amogus_search.evaluation import sheets
from amogus_search.exports.folders import write_whole
from amogus_search.exports.pictures import encoded
from amogus_search.finder import Found
from amogus_search.synth.scenes import plant_scene

Look = Callable[[Iterable[DecodedImage]], Iterator[Found | SkippedImage]]
"""The pipeline: pictures in, findings of any score out, in order."""

_RATIO = 0.75
"""Width of a crewmate's box as a share of its height, about."""
_MIN_IOU = 0.5


@dataclass(frozen=True)
class NeedleSettings:
    """What is hidden.

    draws: how many needles in all, spread evenly over the photos
    area:  of a needle's box, as a share of the photo, about
    tier:  how it is drawn, see `synth.scenes.generate_scene`
    """

    draws: int = 100
    area: float = 0.001
    tier: str = "varied"
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Needle:
    """One needle and what came of it.

    box:   (4,) where it is
    score: best amogusness (or confidence) of a finding that matches it, 0 if there is none
    found: whether that one reaches the threshold
    false: findings at the threshold that do not match it
    """

    photo: str
    draw: int
    box: Boxes
    style: str
    score: float
    found: bool
    false: int

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        values = {name: getattr(self, name) for name in ("photo", "draw", "style", "found", "false")}
        return {**values, "score": round(self.score, 4), "box": [round(float(v), 1) for v in self.box]}


@dataclass
class NeedleTest:
    """All of it, filled photo by photo.

    bare_false:    false findings at the threshold of each photo as it is
    misses, false: cells of the contact sheets; false ones of the bare photos
    """

    settings: NeedleSettings
    needles: list[Needle] = field(default_factory=list)
    bare_false: list[int] = field(default_factory=list)
    misses: list[Pixels] = field(default_factory=list)
    false: list[Pixels] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """One row: recall and false findings with 95 % intervals; None where nothing was measured."""
        found, total = sum(needle.found for needle in self.needles), len(self.needles)
        recall = proportion_interval(found, total) if total else (0.0, 1.0)
        bare, photos = sum(self.bare_false), len(self.bare_false)
        planted = sum(needle.false for needle in self.needles)
        values: dict[str, Any] = {"photos": photos, "needles": total, "found": found}
        values |= {"recall": _ratio(found, total), "recall_low": recall[0], "recall_high": recall[1]}
        for name, count, pictures in (("false", bare, photos), ("false_planted", planted, total)):
            low, high = poisson_interval(count, max(1, pictures))
            values |= {f"{name}_per_photo": _ratio(count, pictures), f"{name}_low": low, f"{name}_high": high}
        return {name: round(value, 4) if isinstance(value, float) else value for name, value in values.items()}


def run(
    photos: Iterable[DecodedImage | SkippedImage],
    count: int,
    look: Look,
    threshold: Threshold,
    settings: NeedleSettings,
) -> Iterator[NeedleTest]:
    """The test so far, after each photo; always the same object.

    Args:
        photos: pictures without the motif, decoded one after another.
        count: how many there are.
        look: finds amogi in pictures.
        threshold: which findings count.

    Raises:
        AmogusError: a photo cannot be decoded (a measurement must not shrink silently).
    """
    test = NeedleTest(settings)
    for number, photo in enumerate(photos):
        if isinstance(photo, SkippedImage):
            raise AmogusError(
                f"{display_path(photo.entry.path)}: {photo.reason}: {photo.detail}", "take it out of the folder"
            )
        (bare,) = look([photo])
        assert isinstance(bare, Found)
        counted = bare.keep(threshold)
        test.bare_false.append(len(counted.detections))
        for box, score in zip(counted.detections.xyxy, _scores(counted), strict=True):
            test.false.append(sheets.cell(photo.pixels, box, f"{score:.2f} {box[3] - box[1]:.0f} px"))
        for draw in range(number, settings.draws, count):
            _one(test, photo, draw, look, threshold)
        yield test


def write_report(out: Path, test: NeedleTest, about: dict[str, Any]) -> None:
    """`misses.png`, `false.png` and `needles.json` in a folder."""
    out.mkdir(parents=True, exist_ok=True)
    for name, cells in (("misses", test.misses), ("false", test.false)):
        write_whole(out / f"{name}.png", encoded(sheets.sheet(cells), "PNG", 0))
    record = {**about, **vars(test.settings), **test.to_dict(), "rows": [needle.to_dict() for needle in test.needles]}
    write_whole(out / "needles.json", (json.dumps(record, indent=1) + "\n").encode())


def plant(pixels: Pixels, draw: int, settings: NeedleSettings) -> tuple[Pixels, Boxes, str]:
    """A copy of a photo with one needle; its (4,) box and its style. The same draw hides the same needle.

    Raises:
        AmogusError: no place was found where it could be seen.
    """
    rng = np.random.default_rng([settings.seed, draw])
    height = float(np.sqrt(settings.area * pixels.shape[0] * pixels.shape[1] / _RATIO))
    for _ in range(8):
        scene = plant_scene(rng, pixels, 1, tier=settings.tier, height_px_range=(height, height))
        if len(scene.boxes_xyxy):
            return scene.image, scene.boxes_xyxy[0], scene.attributes[0].style
    raise AmogusError(
        f"no needle of {height:.0f} px found a place in a photo of {pixels.shape[1]} x {pixels.shape[0]}",
        "take another seed, or a larger --area",
    )


def _one(test: NeedleTest, photo: DecodedImage, draw: int, look: Look, threshold: Threshold) -> None:
    pixels, box, style = plant(photo.pixels, draw, test.settings)
    (found,) = look([replace(photo, pixels=pixels)])
    assert isinstance(found, Found)
    matching = iou(box[None], found.detections.xyxy)[0] >= _MIN_IOU
    counted = threshold.passes(found.detections, found.scores)
    score = float(_scores(found)[matching].max(initial=0))
    needle = Needle(
        photo=display_path(photo.entry.path),
        draw=draw,
        box=box,
        style=style,
        score=score,
        found=bool((matching & counted).any()),
        false=int((counted & ~matching).sum()),
    )
    test.needles.append(needle)
    if not needle.found:
        test.misses.append(sheets.cell(pixels, box, f"{style[:8]} {box[3] - box[1]:.0f} px {score:.2f}"))


def _scores(found: Found) -> NDArray[np.float64]:
    amogusness = found.scores.amogusness
    return np.where(np.isnan(amogusness), found.detections.confidence, amogusness).astype(np.float64)


def _ratio(count: int, total: int) -> float | None:
    return count / total if total else None
