"""Which photos, and which false findings in them, a training run may be shown as having nothing to find."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from amogus_search.core.splits import is_held_out
from amogus_search.core.types import FileEntry, Pixels, SkippedImage
from amogus_search.errors import AmogusError
from amogus_search.pipeline.detect import detect_images
from amogus_search.ports import Decoder, Detector
from amogus_search.settings import DEFAULT_PROFILE, DETECT, PROFILES
from amogus_search.training import mining, pose_data
from amogus_search.training.mining import HardNegative

PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}


def may_train_on(path: Path) -> bool:
    """Whether a photo is not held out, by its content."""
    return not is_held_out(hashlib.sha256(path.read_bytes()).hexdigest())


def training_hard_negatives(listed: str) -> list[tuple[Pixels, HardNegative]]:
    """The listed false findings whose photos training may see, each with its photo."""
    negatives = mining.read(Path(listed)) if listed else []
    paths = [p for p in sorted({Path(n.path) for n in negatives}) if may_train_on(p)]
    photos = dict(zip(paths, pose_data.load_photos(paths), strict=True))
    return [(photos[Path(n.path)], n) for n in negatives if Path(n.path) in photos]


def allowed_photos(folder: str) -> list[Path]:
    """The photos below a folder that training may see (see `core.splits`), sorted; none for an empty name.

    Raises:
        AmogusError: there is none.
    """
    if not folder:
        return []
    found = [p for p in sorted(Path(folder).rglob("*")) if p.suffix.lower() in PICTURES]
    allowed = [p for p in found if may_train_on(p)]
    if not allowed:
        raise AmogusError(
            f"no photos to train on in {folder}: {len(found)} pictures, all held out from training",
            "give a folder with more JPEG or PNG photos, or leave it out",
        )
    return allowed


def training_photos(folder: str) -> list[Pixels]:
    """The photos of `allowed_photos`, shrunk to fit in memory."""
    return pose_data.load_photos(allowed_photos(folder))


def mine_false_findings(
    photos: Path, detector: Detector, decoder: Decoder, *, min_confidence: float, tick: Callable[[int, int], None]
) -> tuple[list[HardNegative], int]:
    """What a detector finds in photos that hold nothing and that training may see; and how many photos those are.

    Raises:
        AmogusError: there are no such photos, or one of them cannot be read.
    """
    paths = allowed_photos(str(photos))
    files = (FileEntry(path=bytes(path.resolve()), root=bytes(path.resolve()), stat=None) for path in paths)
    found = []
    weak = replace(DETECT, min_confidence=min(min_confidence, DETECT.min_confidence))
    items = detect_images(decoder.decode(files), detector, PROFILES[DEFAULT_PROFILE], detect=weak)
    for path, item in zip(paths, items, strict=True):
        if isinstance(item, SkippedImage):
            raise AmogusError(f"{path}: {item.reason}: {item.detail}", "take it out of the folder")
        found.append((path, item[0].full_wh, item[1]))
        tick(len(found), len(paths))
    return mining.hard_negatives(found, min_confidence), len(paths)
